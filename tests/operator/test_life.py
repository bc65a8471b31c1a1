# SPDX-License-Identifier: Apache-2.0
"""Requirements 12, 13 and 17 to 19: clocks, starvation, reruns, other queues, watching."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import aclosing
from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_priority_spark.triggers.clocks import Clocks, Limits
from airflow_priority_spark.triggers.spark_application import SparkApplicationTrigger
from airflow_priority_spark.triggers.watching import _watch
from tests.cluster.applications import spark_application
from tests.operator.scripts import app, fires, picture, pod, trigger
from tests.operator.steps import demand, fire, full_node, request_of
from tests.unit.operators.tasks import deferral, submit, task
from tests.unit.spark_cluster import names, task_context

LONG = spark_application("pi", runtime="120s")
HOUR = 3600.0


def overdue(limits, now, *looks):
    """Return the clock that is overdue at the last of some looks at an application."""
    clocks = Clocks(limits)
    found = [clocks.look(seen, driver, pods_known=True, now=at) for seen, driver, at in looks]
    assert looks[-1][2] == now
    return found[-1].clock if found[-1] else None


def test_12_each_part_is_timed_from_what_began_it_and_not_from_the_applications_creation():
    limits = Limits(submission=60, driver_scheduling=60, run=60)
    new, submitted, running = app("", created=10.0, driver=""), app("SUBMITTED"), app("RUNNING")
    pending = pod(phase="Pending", created=HOUR)
    up = pod(created=HOUR, started=2 * HOUR)
    assert overdue(limits, 69.0, (new, None, 69.0)) is None
    assert overdue(limits, 71.0, (new, None, 71.0)) == "submission"
    assert overdue(limits, HOUR + 59, (submitted, pending, HOUR + 59)) is None
    assert overdue(limits, HOUR + 61, (submitted, pending, HOUR + 61)) == "driver_scheduling"
    assert overdue(limits, 2 * HOUR + 59, (running, up, 2 * HOUR + 59)) is None
    assert overdue(limits, 2 * HOUR + 61, (running, up, 2 * HOUR + 61)) == "run"


def test_12_a_rerun_is_timed_anew():
    limits = Limits(submission=60, run=60)
    looks = [
        (app("RUNNING"), pod(started=0.0), 50.0),
        (app("PENDING_RERUN"), None, 100.0),
        (app("PENDING_RERUN"), None, 150.0),
        (app("RUNNING"), pod(created=155.0, started=156.0), 200.0),
    ]
    assert overdue(limits, 200.0, *looks) is None


def test_12_a_job_that_waits_too_long_in_the_queue_is_cancelled_with_numbers(ref, world):
    operator = task(ref, "n", queue_timeout=timedelta(minutes=5))
    assert request_of(deferral(operator.execute, task_context())).queue_timeout_seconds == 300
    world.cluster.quotas = {"team-a": {"requests.cpu": "3"}}
    world.defer("first", demand=demand())
    world.defer("second", demand=demand(), queue_timeout_seconds=300)
    world.cycle()
    world.cycle(seconds=300)
    job = world.job("second")
    assert job.state == "cancelled"
    assert job.reason.startswith("waited 30")
    assert "queue_timeout is 300 s; blocked by cpu: needs 2 CPU, 1 CPU free" in job.reason


def test_12_a_driver_that_finds_no_node_in_time_fails_the_task_with_the_schedulers_words(
    ref, namespace, kubernetes, listen
):
    operator = task(ref, namespace, spec=full_node(spark_application("pi")), driver_scheduling_timeout=1)
    following = submit(operator)
    said = listen(following)
    event = fire(following)
    assert event["status"] == "timed_out"
    assert "No node takes driver" in said.text
    with pytest.raises(
        AirflowException, match=r"does not run after \d+ s \(driver_scheduling_timeout is 1 s\)"
    ):
        operator.resume_finished(task_context(), event)
    assert "didn't match Pod's node affinity/selector" in event["message"]
    assert names(kubernetes, namespace) == []


def test_12_the_authors_execution_timeout_limits_the_run_and_never_the_queue(ref, namespace):
    operator = task(ref, namespace, spec=LONG, execution_timeout=timedelta(hours=2))
    queued = deferral(operator.execute, task_context())
    assert (queued.timeout, request_of(queued).queue_timeout_seconds) == (None, 0)
    assert submit(operator).limits.run == 2 * HOUR


def starved(ref, namespace, kubernetes, policy, **changes):
    """Run a driver whose executor finds no room; return its operator and trigger."""
    spec = spark_application("pi", runtime="120s")
    spec["spec"]["executor"].update(changes)
    if not changes:
        kubernetes.set_quota(namespace, {"requests.cpu": "1"})
    operator = task(ref, namespace, spec=spec, on_starvation=policy, executor_readiness_timeout=2)
    return operator, submit(operator)


def test_13_a_driver_whose_executors_a_quota_refuses_returns_to_the_queue(ref, namespace, kubernetes):
    operator, following = starved(ref, namespace, kubernetes, "requeue")
    event = fire(following)
    assert (event["status"], event["action"]) == ("starved", "requeue")
    request = request_of(deferral(operator.resume_finished, task_context(), event))
    assert "has 0 of 1 executors and no room for more" in request.reason
    assert "exceeded quota: quota, requested: requests.cpu=1" in request.reason
    assert (request.admission, request.application) == (1, following.name)
    assert names(kubernetes, namespace) == []


def test_13_a_driver_whose_executors_find_no_node_fails_the_task(ref, namespace, kubernetes):
    operator, following = starved(ref, namespace, kubernetes, "fail", nodeSelector={"disk": "on-no-node"})
    event = fire(following)
    with pytest.raises(AirflowException, match=r"has 0 of 1 executors .* 1 pod: 0/\d+ nodes are available"):
        operator.resume_finished(task_context(), event)
    assert names(kubernetes, namespace) == []


def test_13_a_warning_is_said_once_and_the_job_goes_on(listen):
    following = trigger(executors=2, limits={"executor_readiness": 10}, on_starvation="warn")
    said = listen(following)
    now = time.time()
    driver = pod(started=now - 60)
    waiting = pod("executor", phase="Pending", created=now - 50, unschedulable="0/3 nodes are available")
    assert fires(following, *[picture(app(), driver, waiting)] * 3) is None
    (warned,) = [line for line in said.lines if "has 0 of 2 executors" in line]
    # Real time passes between the clock's reading above and the trigger's own.
    (seconds,) = re.findall(r"no room for more for (\d+) s \(executor_readiness_timeout is 10 s\)", warned)
    assert 50 <= int(seconds) < 60


def test_13_too_few_executors_without_evidence_are_no_starvation():
    following = trigger(executors=2, limits={"executor_readiness": 10}, on_starvation="fail")
    driver = pod(started=time.time() - HOUR)
    assert fires(following, picture(app(), driver), picture(app(), driver, pod("executor"))) is None


def test_17_restart_policy_is_never_unless_the_author_says_otherwise(ref, namespace, kubernetes):
    following = submit(task(ref, namespace, spec=LONG))
    spec = kubernetes.application(namespace, following.name)["spec"]
    assert spec["restartPolicy"] == {"type": "Never"}


def test_17_a_rerun_by_the_authors_policy_is_waited_for(ref, namespace, kubernetes):
    policy = {"type": "OnFailure", "onFailureRetries": 1, "onFailureRetryInterval": 1}
    spec = spark_application("pi", exit_code=3, restartPolicy=policy)
    event = fire(submit(task(ref, namespace, spec=spec)))
    assert event["state"] == "FAILED"
    assert kubernetes.application(namespace, event["name"])["status"]["executionAttempts"] == 2


def test_17_a_failed_driver_whose_rerun_succeeds_is_a_success():
    states = ("SUBMITTED", "RUNNING", "FAILING", "PENDING_RERUN", "SUBMITTED", "RUNNING", "SUCCEEDING")
    pictures = [picture(app(state)) for state in (*states, "COMPLETED")]
    number, event = fires(trigger(), *pictures)
    assert (number, event["status"]) == (len(states), "completed")


OTHERS = [
    ({}, {"kueue.x-k8s.io/queue-name": "team"}, "Kueue (label kueue.x-k8s.io/queue-name: team)"),
    ({"batchScheduler": "volcano"}, {}, "Volcano (spec.batchScheduler: volcano)"),
    ({"batchScheduler": "yunikorn"}, {}, "YuniKorn (spec.batchScheduler: yunikorn)"),
    ({"batchScheduler": "kube-scheduler"}, {}, "a scheduler plugin (spec.batchScheduler: kube-scheduler)"),
]


@pytest.mark.parametrize(
    ("fields", "labels", "words"), OTHERS, ids=["kueue", "volcano", "yunikorn", "plugin"]
)
def test_18_an_application_for_another_queue_skips_ours_and_is_followed(
    ref, namespace, kubernetes, listen, fields, labels, words
):
    spec = spark_application("pi", **fields)
    spec["metadata"]["labels"] = labels
    operator = task(ref, namespace, spec=spec)
    said = listen(operator)
    following = deferral(operator.execute, task_context()).trigger
    assert isinstance(following, SparkApplicationTrigger)
    assert f"The application asks for {words}: submitting without a queue" in said.lines
    found = kubernetes.application(namespace, following.name)
    assert labels.items() <= found["metadata"]["labels"].items()
    assert fire(following)["status"] == "completed"


def test_18_a_suspended_application_is_waited_for_and_no_clock_runs():
    limits = {"submission": 1, "driver_scheduling": 1, "run": 1, "executor_readiness": 1}
    following = trigger(limits=limits, executors=2, on_starvation="fail")
    pictures = [picture(app(state, driver="")) for state in ("SUSPENDED", "SUSPENDED", "SUSPENDING")]
    assert fires(following, *pictures) is None
    resumed = [picture(app("RESUMING", driver="")), picture(app("SUBMITTED", submitted=time.time()))]
    assert fires(following, *resumed, picture(app("COMPLETED")))[1]["status"] == "completed"


PATH = "/apis/sparkoperator.k8s.io/v1beta2/namespaces/n/sparkapplications"
PODS = "/api/v1/namespaces/n/pods"


def listing(state, version):
    item = {
        "metadata": {"namespace": "n", "name": "pi", "uid": "u", "resourceVersion": version},
        "status": {"applicationState": {"state": state}},
    }
    return lambda request: request.reply({"metadata": {"resourceVersion": version}, "items": [item]})


def test_19_a_namespace_is_listed_and_watched_once_and_listed_again_after_410(api):
    api.on(PATH, listing("RUNNING", "10"), listing("COMPLETED", "20"))
    api.on("watch:" + PATH, lambda request: request.refuse(410, "too old"), lambda request: request.hang())
    api.on(PODS, lambda request: request.reply({"metadata": {"resourceVersion": "1"}, "items": []}))
    api.on("watch:" + PODS, lambda request: request.hang())
    triggers = [trigger() for _ in range(20)]

    async def until_all_fired():
        waiting = set(triggers)
        async with asyncio.timeout(30), aclosing(_watch(api.connection, "n")) as snapshots:
            async for snapshot in snapshots:
                waiting -= {each for each in waiting if await each._judge(snapshot)}
                if not waiting:
                    return

    asyncio.run(until_all_fired())
    assert len({each.shared_stream_key() for each in triggers}) == 1
    assert [len(api.lists(path)) for path in (PATH, PODS)] == [2, 1]
    assert api.watches(PATH)[0]["resourceVersion"] == "10"
    assert api.lists(PODS)[0]["labelSelector"] == "priority-spark/job,spark-role"


def test_19_tasks_of_other_namespaces_and_connections_do_not_share(ref):
    keys = {
        SparkApplicationTrigger(
            connection=connection, namespace=namespace, name="a", uid="u"
        ).shared_stream_key()
        for connection in (ref.to_json(), {"conn_id": "other"})
        for namespace in ("n", "m")
    }
    assert len(keys) == 4
