# SPDX-License-Identifier: Apache-2.0
"""What the answers of an admission chain mean, from an API server that says what the test says."""

import pytest

from airflow_priority_spark.cluster.dry_run import Answer, ask
from airflow_priority_spark.errors import ClusterUnavailable
from airflow_priority_spark.scheduling.model import PodScope, PodSet
from airflow_priority_spark.scheduling.resources import Resources

PODS = "/api/v1/namespaces/team-a/pods"
DRIVER = PodSet(
    "driver", 1, Resources({"cpu": 1500, "memory": 2**30, "nvidia.com/gpu": 2}), scope=PodScope("gold", True)
)


def answers(api, code, message):
    api.on(PODS, lambda request: request.refuse(code, message))
    return ask(api.connection, "team-a", DRIVER)


def test_the_question_is_one_pod_of_the_sets_size_and_is_not_stored(api):
    seen = []

    def let_in(request):
        seen.append((request.query, request.body))
        request.reply(request.body, 201)

    api.on(PODS, let_in)

    assert ask(api.connection, "team-a", DRIVER) == Answer()
    [(query, body)] = seen
    assert query == {"dryRun": "All"}
    [container] = body["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "1500m", "memory": str(2**30), "nvidia.com/gpu": "2"},
        "limits": {"nvidia.com/gpu": "2"},
    }
    assert body["spec"]["priorityClassName"] == "gold"
    assert body["spec"]["activeDeadlineSeconds"] == 1


@pytest.mark.parametrize(
    ("code", "message", "sentence"),
    [
        (
            403,
            'pods "priority-spark-dry-run-driver" is forbidden: '
            "maximum cpu usage per Pod is 1, but limit is 2",
            "maximum cpu usage per Pod is 1, but limit is 2",
        ),
        (
            400,
            'admission webhook "cost.example.com" denied the request: no cost centre',
            'admission webhook "cost.example.com" denied the request: no cost centre',
        ),
        (
            500,
            'Internal error occurred: failed calling webhook "cost.example.com": connection refused',
            'Internal error occurred: failed calling webhook "cost.example.com": connection refused',
        ),
    ],
)
def test_what_would_refuse_the_real_pod_is_a_refusal(api, code, message, sentence):
    assert answers(api, code, message) == Answer(refused=sentence)


def test_a_webhook_without_dry_run_leaves_it_open(api):
    message = 'admission webhook "cost.example.com" does not support dry run'

    assert answers(api, 400, message) == Answer(unknown=message)


def test_a_missing_right_to_ask_leaves_it_open_and_says_what_to_grant(api):
    message = (
        'pods is forbidden: User "arbiter" cannot create resource "pods" in API group "" in the namespace'
    )

    answer = answers(api, 403, message)

    assert answer.refused == ""
    assert answer.unknown.endswith("Grant the verb create on pods in namespace team-a to arbiter.")


@pytest.mark.parametrize(("code", "message"), [(429, "too many requests"), (503, "etcd is not there")])
def test_no_answer_this_time_is_an_error_and_not_an_answer(api, code, message):
    with pytest.raises(ClusterUnavailable, match=message):
        answers(api, code, message)


def test_a_server_that_is_silent_is_an_error_and_not_an_answer(api):
    api.on(PODS, lambda request: request.hang())

    with pytest.raises(ClusterUnavailable, match="does not answer"):
        ask(api.connection, "team-a", DRIVER, read_seconds=0.2)
