# SPDX-License-Identifier: Apache-2.0
"""A pod behind the queue: nothing before its admission, the job's labels on it, and what was promised."""

from __future__ import annotations

import datetime
import time

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from airflow.sdk import DAG
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.triggers.base import TriggerEvent
from kubernetes.client import models as k8s

from airflow_priority_spark.cluster.convert import pod as read_pod
from airflow_priority_spark.cluster.kinds import PODS
from airflow_priority_spark.cluster.transport import request_json
from airflow_priority_spark.operators.pod import PriorityKubernetesPodOperator
from airflow_priority_spark.scheduling.model import Grant, QueueKey
from airflow_priority_spark.scheduling.usage import promises_of, usage_of
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.identity import LABEL_JOB, LABEL_TASK_KEY, TaskKey
from airflow_priority_spark.triggers import settling
from airflow_priority_spark.triggers.pod import PriorityPodTrigger
from tests.unit.operators_drop_in.pods import (
    INSTANCE,
    JOB,
    admitted,
    context,
    deferral,
    request_of,
    resources,
    task,
)

GIB = 2**30


def test_it_asks_for_the_room_of_its_pod_before_the_pod_exists(ref, namespace, kubernetes):
    deferred = deferral(task(ref, namespace, priority="high").execute, context())
    request = request_of(deferred)
    assert (request.namespace, request.priority) == (namespace, "high")
    assert request.connection == ref
    [pods] = request.demand.pod_sets
    assert (pods.name, pods.count) == ("pod", 1)
    assert pods.requests.as_dict() == {"cpu": 500, "memory": GIB}
    assert deferred.method_name == "resume_admitted"
    assert kubernetes.pods(namespace) == []


def test_an_admitted_pod_carries_its_job_and_uses_up_its_grant(ref, namespace, kubernetes, connection):
    operator = task(ref, namespace)
    demand = request_of(deferral(task(ref, namespace).execute, context())).demand
    following = deferral(operator.resume_admitted, context(), admitted())
    assert following.method_name == "trigger_reentry"
    [pod] = kubernetes.pods(namespace)
    assert pod.metadata.labels[LABEL_JOB] == JOB
    assert pod.metadata.labels[LABEL_TASK_KEY] == TaskKey("sales", "run-1", "clean").digest(INSTANCE)
    raw = request_json(connection, "GET", PODS.path(namespace, pod.metadata.name))
    usage = usage_of([read_pod(raw).view])
    [tally] = usage.namespaces[namespace].values()
    assert tally.requests == {"cpu": 500, "memory": GIB}
    grant = Grant(JOB, QueueKey("c", namespace), demand)
    promises = promises_of([grant], usage, lambda _, asked: asked)
    assert (dict(promises.remainders), dict(promises.unplaced)) == ({}, {})


def test_the_job_of_a_killed_task_is_left_without_a_pod(ref, namespace, kubernetes):
    operator = task(ref, namespace, termination_grace_period=0)
    deferral(operator.resume_admitted, context(), admitted())
    operator.on_kill()
    assert kubernetes.pods(namespace) == []


def test_a_stale_quota_sends_it_back_to_its_position(ref, kubernetes):
    kubernetes.create_namespace("tight-pods", {"requests.cpu": "100m"})
    deferred = deferral(task(ref, "tight-pods").resume_admitted, context(), admitted(admission=3))
    request = request_of(deferred)
    assert request.admission == 3
    assert request.reason.startswith("stale quota: ")
    assert "exceeded quota" in request.reason


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"valid_until": time.time() - 100}, "the admission had run out"),
        ({}, "the demand has grown while the task waited: pod cpu: 0.5 CPU instead of 0.25 CPU"),
    ],
)
def test_it_creates_nothing_on_an_admission_that_does_not_hold(ref, namespace, kubernetes, event, reason):
    small = task(ref, namespace, container_resources=resources(cpu="250m", memory="1Gi"))
    asked = deferral(small.execute, context()).kwargs["demand"]
    deferred = deferral(task(ref, namespace).resume_admitted, context(), admitted(**event), asked)
    assert request_of(deferred).reason.startswith(reason)
    assert kubernetes.pods(namespace) == []


def test_in_the_legacy_flow_it_is_the_stock_operator(ref, namespace, kubernetes):
    deferred = deferral(task(ref, namespace, deployment_flow="legacy").execute, context())
    assert deferred.method_name == "trigger_reentry"
    [pod] = kubernetes.pods(namespace)
    assert LABEL_JOB not in pod.metadata.labels


def test_a_pod_in_a_queue_of_kueue_skips_ours(ref, namespace, kubernetes, listen):
    operator = task(ref, namespace, labels={"kueue.x-k8s.io/queue-name": "team-a"})
    said = listen(operator)
    assert deferral(operator.execute, context()).method_name == "trigger_reentry"
    assert "The pods ask for Kueue (label kueue.x-k8s.io/queue-name: team-a): going on" in said.text


def test_how_long_it_may_wait_is_the_authors_else_the_configurations(ref, namespace, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__QUEUE_TIMEOUT_SECONDS", "600")
    asked = request_of(deferral(task(ref, namespace).execute, context()))
    assert asked.queue_timeout_seconds == 600
    hour = datetime.timedelta(hours=1)
    asked = request_of(deferral(task(ref, namespace, queue_timeout=hour).execute, context()))
    assert asked.queue_timeout_seconds == 3600


def test_a_retry_in_the_legacy_flow_goes_on_with_the_living_pod_of_an_earlier_try(ref, namespace, kubernetes):
    for attempt in (1, 2):
        operator = task(ref, namespace, deployment_flow="legacy")
        assert deferral(operator.execute, context(try_number=attempt)).method_name == "trigger_reentry"
    assert len(kubernetes.pods(namespace)) == 1


def test_a_retry_queues_and_makes_a_pod_of_its_own(ref, namespace, kubernetes):
    deferral(task(ref, namespace).resume_admitted, context(), admitted())
    assert deferral(task(ref, namespace).execute, context(try_number=2)).method_name == "resume_admitted"
    second = admitted(job_id="22222222-2222-3333-4444-555555555555")
    deferral(task(ref, namespace).resume_admitted, context(try_number=2), second)
    jobs = {pod.metadata.labels[LABEL_JOB] for pod in kubernetes.pods(namespace)}
    assert jobs == {JOB, "22222222-2222-3333-4444-555555555555"}


def test_an_attempt_whose_scheduler_died_goes_on_with_its_pod(ref, namespace, kubernetes, listen):
    deferral(task(ref, namespace).resume_admitted, context(), admitted())
    [pod] = kubernetes.pods(namespace)
    operator = task(ref, namespace)
    said = listen(operator)
    following = deferral(
        operator.resume_admitted, context(try_number=2), admitted(adopt=pod.metadata.name, valid_until=1.0)
    )
    assert following.trigger.pod_name == pod.metadata.name
    assert len(kubernetes.pods(namespace)) == 1
    assert f"Going on with pod {pod.metadata.name} of the lost attempt" in said.text


def test_when_the_pod_of_a_lost_attempt_is_gone_the_job_waits_again(ref, namespace, kubernetes):
    deferred = deferral(task(ref, namespace).resume_admitted, context(), admitted(adopt="clean-gone"))
    assert request_of(deferred).reason == "pod clean-gone of the lost attempt is not gone on with"
    assert kubernetes.pods(namespace) == []


def test_a_pod_that_is_to_be_kept_on_a_kill_is_named_so_to_the_queue(ref, namespace):
    for action, kept in (("delete_pod", False), ("keep_pod", True)):
        operator = task(ref, namespace, on_kill_action=action)
        assert request_of(deferral(operator.execute, context())).keep_application is kept


def test_a_dagrun_timeout_in_which_the_queue_counts_is_warned_of(ref, namespace, listen):
    operator = task(ref, namespace)
    said = listen(operator)
    given = context()
    given["dag"].dagrun_timeout = datetime.timedelta(hours=1)
    deferral(operator.execute, given)
    assert "The DAG has a dagrun_timeout of 1:00:00" in said.text


class TestTrigger:
    def test_it_comes_back_from_its_row_as_it_was(self, ref, namespace):
        trigger = deferral(task(ref, namespace).resume_admitted, context(), admitted()).trigger
        path, kwargs = trigger.serialize()
        assert path == "airflow_priority_spark.triggers.pod.PriorityPodTrigger"
        again = import_string(path)(**kwargs)
        assert again.serialize() == (path, kwargs)
        assert isinstance(again, KubernetesPodTrigger)

    async def test_a_task_is_not_resumed_before_its_scheduler_has_seen_the_worker_end(self, monkeypatch):
        async def at_once(self):
            yield TriggerEvent({"status": "success"})

        monkeypatch.setattr(KubernetesPodTrigger, "run", at_once)
        monkeypatch.setattr(settling, "SETTLE_SECONDS", 0.5)
        now = datetime.datetime.now(datetime.UTC)
        trigger = PriorityPodTrigger(
            pod_name="p", pod_namespace="n", trigger_start_time=now, base_container_name="base"
        )
        began = time.monotonic()
        assert [event.payload async for event in trigger.run()] == [{"status": "success"}]
        assert time.monotonic() - began >= 0.5


def test_nothing_the_pod_carries_is_in_a_trigger_or_in_what_a_task_goes_on_with(ref, namespace, kubernetes):
    secret = "s3cr3t-p4ssw0rd"
    options = {
        "env_vars": {"PASSWORD": secret},
        "arguments": ["--password", secret],
        "annotations": {"example.com/key": secret},
    }
    waits = deferral(task(ref, namespace, **options).execute, context())
    follows = deferral(task(ref, namespace, **options).resume_admitted, context(), admitted())
    [pod] = kubernetes.pods(namespace)
    assert str(pod).count(secret) == 3
    for deferred in (waits, follows):
        assert secret not in repr((deferred.trigger.serialize(), deferred.kwargs))


def test_an_hour_in_the_queue_does_not_count_against_execution_timeout(ref, namespace):
    hour = datetime.timedelta(hours=1)
    operator = task(ref, namespace, execution_timeout=datetime.timedelta(minutes=10))
    waited = context(start_date=datetime.datetime.now(datetime.UTC) - hour)
    deferred = deferral(operator.resume_admitted, waited, admitted())
    left = deferred.trigger.trigger_kwargs["_execution_deadline"] - time.time()
    assert 590 < left <= 601


def test_a_deadline_that_was_set_at_its_creation_stays(ref, namespace):
    operator = task(ref, namespace, execution_timeout=datetime.timedelta(minutes=10))
    waited = context(start_date=datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1))
    following = deferral(operator.resume_admitted, waited, admitted())
    deadline = following.trigger.trigger_kwargs["_execution_deadline"]
    event = {
        "status": "error",
        "message": "the watch broke off",
        "name": following.trigger.pod_name,
        "namespace": namespace,
        "_execution_deadline": deadline,
    }
    again = deferral(
        task(ref, namespace, execution_timeout=datetime.timedelta(minutes=10)).trigger_reentry, waited, event
    )
    assert again.trigger.trigger_kwargs["_execution_deadline"] == pytest.approx(deadline, abs=1)


@pytest.mark.parametrize(("retry", "kind"), [(False, AirflowFailException), (True, AirflowException)])
def test_a_cancelled_job_fails_with_its_reason(ref, retry, kind):
    event = AdmissionEvent(outcome="cancelled", reason="by alice: wrong month", retry=retry).to_payload()
    with pytest.raises(kind, match="cancelled: by alice: wrong month") as caught:
        task(ref, "n").resume_admitted(context(), event)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"deployment_flow": "fast"},
            "deployment_flow: 'fast' is not valid; allowed: priority, observe, legacy",
        ),
        ({"priority": "urgentest"}, "priority: 'urgentest' is not valid; allowed: "),
        (
            {"container_resources": resources(cpu="lots")},
            "container_resources.cpu: 'lots' is not valid; allowed: ",
        ),
        (
            {"tolerations": [k8s.V1Toleration(key="a", operator="Near")]},
            "tolerations.operator: 'Near' is not valid; allowed: Exists or Equal",
        ),
    ],
    ids=["flow", "priority", "quantity", "toleration"],
)
def test_bad_input_fails_at_once_and_names_field_value_and_what_is_allowed(ref, options, message):
    with pytest.raises(AirflowFailException) as caught:
        task(ref, "n", **options).execute(context())
    assert str(caught.value).startswith(message)


def test_a_pod_that_names_no_resources_says_that_no_room_is_kept(ref, namespace, listen):
    operator = task(ref, namespace, container_resources=None)
    said = listen(operator)
    deferral(operator.execute, context())
    assert "The pod requests no cpu and no memory: the queue keeps no room" in said.text


def test_its_options_are_templated_besides_what_the_stock_operator_templates():
    stock = set(KubernetesPodOperator.template_fields)
    assert set(PriorityKubernetesPodOperator.template_fields) == stock | {"priority", "deployment_flow"}


def test_its_link_leads_to_its_queue(ref, namespace, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__QUEUE_URL", "https://q/{namespace}/{priority}")
    operator = task(ref, namespace, priority="high")
    [link] = operator.operator_extra_links
    assert link.get_link(operator, ti_key=None) == ""
    deferral(operator.execute, context())
    assert link.get_link(operator, ti_key=None) == f"https://q/{namespace}/high"


def test_it_may_be_mapped():
    with DAG("d", schedule=None) as dag:
        PriorityKubernetesPodOperator.partial(task_id="t", image="busybox", priority="high").expand(
            namespace=["a", "b"]
        )
    assert dag.get_task("t").partial_kwargs["priority"] == "high"
