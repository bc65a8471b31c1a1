# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark report``: what the queue would have done to observed jobs."""

import datetime

import pytest

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.jobs import move
from airflow_priority_spark.store.snapshots import save_snapshot
from tests.builders import NOW
from tests.store.rows import CLUSTER, make_job

VERDICT = {
    "resource": "cpu",
    "needed": 3000,
    "free": 2000,
    "holder": "quota team-a",
    "detail": "",
    "sentence": "cpu: needs 3 CPU, 2 CPU free of quota team-a",
}


@pytest.fixture
def observed(session, queue):
    """Let a job run observed: two executors of one CPU beside its driver."""

    def observed(task_id, *, at=0.0, lasts=100.0, verdict=None, flow="observe", **columns):
        came = NOW + datetime.timedelta(seconds=at)
        job = make_job(session, queue, task_id=task_id, enqueued_at=came, flow=flow, **columns)
        job.observed = verdict
        move(session, job, JobState.ADMITTED, "admitted at once", "arbiter", came)
        if lasts is not None:
            end = came + datetime.timedelta(seconds=lasts)
            move(session, job, JobState.SUCCEEDED, "the task succeeded", "arbiter", end)
        session.commit()
        return job.id

    return observed


@pytest.fixture
def quota(session):
    """The namespace has a quota of eight CPUs."""

    def quota(**hard):
        limits = {key.replace("_", "."): amount for key, amount in (hard or {"requests_cpu": 8000}).items()}
        data = {"quotas": [{"namespace": "team-a", "name": "quota", "hard": limits, "used": {}}]}
        save_snapshot(session, CLUSTER, data, NOW)
        session.commit()

    quota()
    return quota


def test_jobs_that_had_room_would_not_have_waited(observed, quota, airflow):
    observed("a")
    observed("b")
    report = airflow.json("report")
    assert report["queues"] == [
        {
            "cluster": "spark-prod",
            "namespace": "team-a",
            "observed": 2,
            "would_wait": 0,
            "on": None,
            "mean_wait_seconds": 0.0,
            "p95_wait_seconds": 0.0,
            "max_wait_seconds": 0.0,
            "deadlocks": 0,
        }
    ]
    assert (report["jobs"], report["deadlocks"]) == ([], [])


def test_what_would_have_waited_says_on_what_and_for_how_long(observed, quota, airflow):
    observed("a")
    observed("b", at=1)
    late = observed("c", at=2, verdict=VERDICT)
    report = airflow.json("report")
    [row] = report["queues"]
    assert (row["observed"], row["would_wait"], row["on"], row["max_wait_seconds"]) == (3, 1, "cpu (1)", 98.0)
    assert report["jobs"] == [
        {
            "id": late,
            "task": "etl/run-1/c",
            "namespace": "team-a",
            "pool": "normal",
            "admitted_at": (NOW + datetime.timedelta(seconds=2)).isoformat(),
            "would_wait_seconds": 98.0,
            "on": "cpu: needs 3 CPU, 2 CPU free of quota team-a",
        }
    ]


def test_one_that_would_only_have_waited_for_its_turn_says_so(observed, quota, airflow):
    for number in range(2):
        observed(f"long-{number}", lasts=100)
    for number in range(3):
        observed(f"short-{number}", lasts=10, verdict=VERDICT)
    # When it came everything was free; in a queue the short ones would only just have begun.
    last = observed("last", at=101, lasts=10)
    waited = {row["id"]: row for row in airflow.json("report")["jobs"]}
    assert (waited[last]["would_wait_seconds"], waited[last]["on"]) == (9.0, "its turn, behind others")


def test_a_deadlock_that_was_risked_names_its_jobs_and_the_key_that_was_short(observed, quota, airflow):
    jobs = [observed(f"task-{number}", verdict=VERDICT if number > 1 else None) for number in range(8)]
    report = airflow.json("report")
    assert report["queues"][0]["deadlocks"] == 1
    [risked] = report["deadlocks"]
    assert (risked["start"], risked["lasted_seconds"], risked["jobs"]) == (NOW.isoformat(), 100.0, 8)
    assert risked["says"] == (
        "8 drivers take 8 CPU of 8 CPU requests.cpu; the executors of none of these jobs fit beside them"
    )
    assert set(risked["job_ids"].split(", ")) == set(jobs)
    assert report["queues"][0]["would_wait"] == 6


def test_a_job_that_still_runs_counts_but_its_wait_is_not_known(observed, quota, airflow):
    job_id = observed("a", lasts=None, verdict=VERDICT)
    report = airflow.json("report")
    assert (report["queues"][0]["observed"], report["queues"][0]["mean_wait_seconds"]) == (1, None)
    assert [(row["id"], row["would_wait_seconds"]) for row in report["jobs"]] == [(job_id, None)]


def test_jobs_of_the_queue_are_in_the_way_but_are_not_reported(observed, quota, airflow):
    observed("queued", flow="priority")
    observed("also-queued", flow="priority")
    observed("mine", at=1, verdict=VERDICT)
    [row] = airflow.json("report")["queues"]
    assert (row["observed"], row["max_wait_seconds"]) == (1, 99.0)


def test_only_what_was_asked_for_is_reported(observed, quota, airflow):
    observed("early")
    observed("late", at=3600)
    since = ("--since", "2026-01-01T12:30:00Z")
    assert airflow.json("report", *since)["queues"][0]["observed"] == 1
    assert airflow.json("report", "--namespace", "team-a")["queues"][0]["observed"] == 2
    assert airflow.ends("report", "--namespace", "team-z")[0] == 3


def test_without_an_observed_job_it_says_how_to_get_some(database, airflow):
    assert airflow.ends("report") == (
        3,
        "priority-spark: no job was admitted in the flow observe; "
        "`airflow priority-spark flow set --to observe` makes jobs to come go that way\n",
    )


def test_people_get_tables(observed, quota, airflow):
    for number in range(8):
        observed(f"task-{number}", verdict=VERDICT)
    table = airflow("report", "-o", "plain")
    assert all(word in table for word in ("team-a", "cpu (8)", "etl/run-1/task-7", "8 drivers take 8 CPU"))
    assert "8 jobs would have waited:\n" in table
    assert "The queue would have avoided these deadlocks, which nothing but luck prevented:\n" in table


def test_people_get_the_jobs_that_would_have_waited_longest(observed, quota, airflow):
    for number in range(12):
        observed(f"task-{number}", at=number, verdict=VERDICT)
    table = airflow("report", "-o", "plain")
    assert "12 jobs would have waited; the 10 that would have waited longest:\n" in table
    assert "etl/run-1/task-11" in table
    assert "etl/run-1/task-0 " not in table
