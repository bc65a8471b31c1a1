# SPDX-License-Identifier: Apache-2.0
"""What is read of pods and logs, and what a task's log says of them."""

from __future__ import annotations

import asyncio

import pytest

from airflow_priority_spark.triggers.following import FailureBook, spark_pod
from airflow_priority_spark.triggers.starvation import ShortageClock
from airflow_priority_spark.triggers.telling import last_lines, summarize
from airflow_priority_spark.triggers.watching import Snapshot
from tests.operator.scripts import KEY, LABELS, app, fires, picture, pod, trigger

QUOTA = "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"
CREATED = "2026-01-01T00:00:00Z"


def raw(role="executor", *, phase="Failed", terminated=None, uid="u1", **more):
    status = {"phase": phase, **more.pop("status", {})}
    if terminated is not None:
        container = {"name": f"spark-kubernetes-{role}", "state": {"terminated": terminated}}
        sidecar = {"name": "sidecar", "state": {"terminated": {"exitCode": 99}}}
        status["containerStatuses"] = [sidecar, container]
    labels = {**LABELS, "spark-role": role}
    metadata = {
        "namespace": "n",
        "name": "exec-1",
        "uid": uid,
        "labels": labels,
        "creationTimestamp": CREATED,
    }
    return {"metadata": {**metadata, **more}, "status": status}


@pytest.mark.parametrize(
    ("found", "failure"),
    [
        (raw(terminated={"exitCode": 137, "reason": "OOMKilled"}), "exit code 137 (OOMKilled)"),
        (raw(terminated={"exitCode": 1, "reason": "Error"}), "exit code 1"),
        (raw(status={"reason": "Evicted", "message": "low on memory"}), "Evicted: low on memory"),
        (raw(), "failed"),
        (raw(terminated={"exitCode": 143}, deletionTimestamp=CREATED), ""),
        (raw(phase="Succeeded", terminated={"exitCode": 0}), ""),
    ],
)
def test_how_a_pod_failed_is_that_of_sparks_container(found, failure):
    assert spark_pod(found).failure == failure


def test_a_failed_executor_is_remembered_when_its_pod_is_gone():
    book = FailureBook()
    for _ in range(2):
        book.convert(raw(terminated={"exitCode": 1}))
    book.convert(raw("driver", terminated={"exitCode": 1}, uid="u2"))
    assert [item.failure for item in book.failures()] == ["exit code 1"]


def test_the_log_and_the_event_say_how_executors_failed(listen):
    following = trigger()
    said = listen(following)
    failures = [
        pod("executor", f"exec-{n}", phase="Failed", failure="exit code 137 (OOMKilled)") for n in (1, 2)
    ]
    _, event = fires(
        following, picture(app(), failures=failures), picture(app("FAILED", error="x"), failures=failures)
    )
    assert [line for line in said.lines if "Executor" in line] == [
        "Executor exec-1 failed: exit code 137 (OOMKilled)",
        "Executor exec-2 failed: exit code 137 (OOMKilled)",
    ]
    assert event["executor_failures"] == "2 executors failed: 2 by exit code 137 (OOMKilled)"
    assert summarize([]) == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("spark-submit --conf spark.hadoop.key=s3cr3t failed", ""),
        (
            f"--conf key=s3cr3t: pods is forbidden: {QUOTA}",
            QUOTA,
        ),
    ],
)
def test_the_event_has_nothing_of_the_spark_operators_words_but_a_quotas_refusal(listen, words, message):
    following = trigger()
    said = listen(following)
    _, event = fires(following, picture(app("FAILED", error=words)))
    assert event["message"] == message
    assert "s3cr3t" not in repr(event)
    assert words in said.text, "the task log is the author's"


def test_the_log_says_what_the_scheduler_says_of_waiting_pods_and_that_they_found_a_node(listen):
    following = trigger()
    said = listen(following)
    waiting = [
        pod("executor", f"exec-{n}", phase="Pending", unschedulable="0/3 nodes are available") for n in (1, 2)
    ]
    up = [pod("executor", f"exec-{n}") for n in (1, 2)]
    fires(following, *[picture(app(), *waiting)] * 2, picture(app(), *up))
    assert [line for line in said.lines if "node" in line] == [
        "No node takes executor of n/pi: 2 pods: 0/3 nodes are available",
        "Every executor pod of n/pi has found a node, or is gone",
    ]


def states_said(listen, *pictures):
    following = trigger()
    said = listen(following)
    fires(following, *pictures)
    return [line.partition("n/pi: ")[2] for line in said.lines if "n/pi: " in line]


def test_a_run_that_no_picture_showed_is_told_with_its_times(listen):
    over = app("COMPLETED", ended=7203.0)
    assert states_said(
        listen, picture(app("SUBMITTED", driver="")), picture(over, pod(phase="Succeeded", started=7201.0))
    ) == [
        "SUBMITTED",
        "SUBMITTED -> RUNNING (from 02:00:01Z to 02:00:03Z, seen afterwards) -> COMPLETED, "
        "driver pod pi-driver",
    ]
    assert states_said(listen, picture(app("COMPLETED"))) == [
        "RUNNING (seen afterwards) -> COMPLETED, driver pod pi-driver"
    ]


def test_a_run_that_was_seen_is_told_once(listen):
    said = states_said(listen, *[picture(app(state)) for state in ("RUNNING", "SUCCEEDING", "COMPLETED")])
    assert [line.partition(",")[0] for line in said] == [
        "RUNNING",
        "RUNNING -> SUCCEEDING",
        "SUCCEEDING -> COMPLETED",
    ]
    said = states_said(listen, *[picture(app(state)) for state in ("SUCCEEDING", "COMPLETED")])
    assert sum("RUNNING" in line for line in said) == 1


def test_a_driver_that_failed_is_told_to_have_run_only_if_it_did(listen):
    pictures = [picture(app("SUBMITTED")), picture(app("FAILED", error="no such image"))]
    assert not any("RUNNING" in line for line in states_said(listen, *pictures))
    ended = picture(app("FAILED"), pod(phase="Failed", started=1.0))
    assert "from 00:00:01Z, seen afterwards" in states_said(listen, pictures[0], ended)[-1]


def test_each_run_of_an_application_that_is_run_again_is_told(listen):
    states = ("RUNNING", "PENDING_RERUN", "SUBMITTED", "COMPLETED")
    said = states_said(listen, *[picture(app(state)) for state in states])
    assert "RUNNING (seen afterwards)" in said[-1]


def test_without_permission_to_watch_pods_the_end_is_still_told(listen):
    following = trigger()
    said = listen(following)
    blind = {"synced": True, "pods_error": "cannot list pods: forbidden"}
    pictures = [Snapshot({"pi": app(state)}, **blind) for state in ("RUNNING", "RUNNING", "COMPLETED")]
    assert fires(following, *pictures)[1]["status"] == "completed"
    assert sum("Pods cannot be watched" in line for line in said.lines) == 1


def test_evidence_that_is_not_renewed_is_forgotten():
    clock, driver = ShortageClock(2), pod(started=0.0)
    clock.refused("exceeded quota: q", 100.0)
    assert clock.look(app(), driver, [], 150.0).seconds == 50.0
    assert clock.look(app(), driver, [], 161.0).message == ""
    waiting = pod("executor", phase="Pending", created=170.0, unschedulable="no node")
    assert clock.look(app(), driver, [waiting], 200.0).seconds == 30.0
    ready = [pod("executor", f"e{n}") for n in (1, 2)]
    assert clock.look(app(), driver, ready, 210.0) is None
    assert clock.look(app("SUCCEEDING"), driver, [], 220.0) is None


async def test_the_end_of_a_pods_log_is_read_and_a_missing_one_is_empty(kubernetes, namespace, connection):
    from tests.unit.spark_cluster import spark_application

    kubernetes.submit(namespace, spark_application("pi"))
    await asyncio.to_thread(kubernetes.until_state, namespace, "pi", "COMPLETED")
    driver = pod("driver", "pi-driver")
    here = type(driver)(namespace, "pi-driver", "driver", KEY, "Succeeded", 0.0)
    assert last_lines(connection, here, lines=1)[0].endswith("exit code 0")
    assert last_lines(connection, type(driver)(namespace, "gone", "driver", KEY, "Failed", 0.0)) == []
