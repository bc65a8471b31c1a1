# SPDX-License-Identifier: Apache-2.0
"""A site with queues, jobs, a picture of its cluster and a leader; and its metrics as numbers."""

import datetime

import pytest

from airflow_priority_spark.metrics.bounds import Bounds
from airflow_priority_spark.metrics.collector import SiteCollector
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.snapshots import save_snapshot, save_summary
from tests.builders import NOW
from tests.store.rows import CLUSTER, make_job, make_queue

PICTURE = {
    "fresh": True,
    "stale_reason": "",
    "mode": "quota+nodes",
    "fixed_nodes": True,
    "own": {},
    "nodes": {
        "count": 3,
        "ready": 2,
        "allocatable": {"cpu": 8000, "memory": 2**34},
        "requested": {"cpu": 2500},
    },
    "quotas": [
        {
            "namespace": "team-a",
            "name": "compute",
            "hard": {"requests.cpu": 6000, "requests.memory": 2**33},
            "used": {"requests.cpu": 1500, "requests.memory": 2**31},
        }
    ],
}
VERDICT = {
    "resource": "cpu",
    "needed": 4000,
    "free": 1500,
    "holder": "quota compute",
    "detail": "",
    "sentence": "needs 4 cpu, 1.5 free of quota compute",
}


def later(seconds: float) -> datetime.datetime:
    return NOW + datetime.timedelta(seconds=seconds)


@pytest.fixture
def site(session, database):
    """What every metric has a sample of; its instants end at ``later(200)``."""
    leadership = Leadership(database.session, "host/1", lambda: later(195), 10)
    assert leadership.acquire()
    queue = make_queue(session)
    blocked = make_job(session, queue, pool="high", enqueued_at=later(0))
    blocked.verdict, blocked.blocking_resource, blocked.blocked_since = VERDICT, "cpu", later(80)
    make_job(session, queue, pool="high", enqueued_at=later(20), try_number=2)
    jobs.hold(session, make_job(session, queue), jobs.HeldReason.PERSON, "held by alice", "alice", later(5))
    run(session, queue, JobState.ADMITTED, dag_id="fresh", team="blue")
    run(session, queue, JobState.RUNNING, dag_id="etl", team="blue")
    ended = run(session, queue, JobState.RUNNING, dag_id="report")
    jobs.move(session, ended, JobState.SUCCEEDED, "done", "arbiter", later(150))
    back = run(session, queue, JobState.RUNNING, dag_id="report")
    jobs.note(session, back, "its executors find no room", "arbiter", later(60), cause=Cause.STARVED)
    jobs.move(session, back, JobState.QUEUED, "back", "arbiter", later(61), cause=Cause.STARVED)
    jobs.release_grants(session, [back.id])
    jobs.move(session, back, JobState.CANCELLED, "late", "arbiter", later(62), cause=Cause.QUEUE_TIMEOUT)
    save_snapshot(session, CLUSTER, PICTURE, later(190))
    save_summary(session, {"unresolved": {}}, later(198))
    session.commit()
    return queue


def run(session, queue, state: JobState, **columns):
    """Return a job that was admitted after 10 s, with its grant, and runs after 30."""
    job = make_job(session, queue, **columns)
    jobs.move(session, job, JobState.ADMITTED, "admitted", "arbiter", later(10))
    jobs.give_grant(session, job, unchecked=False, now=later(10), valid_until=later(310))
    if state is JobState.RUNNING:
        jobs.move(session, job, JobState.RUNNING, "runs", "arbiter", later(30))
    return job


@pytest.fixture
def scrape(database):
    """Collect what an exporter collects: metric name and labels → value."""

    def collect(bounds: Bounds | None = None, now: datetime.datetime | None = None) -> "Scrape":
        collector = SiteCollector(database.session, bounds or Bounds(), lambda: now or later(200))
        return Scrape(collector.collect())

    return collect


class Scrape:
    """The samples of one scrape."""

    def __init__(self, families) -> None:
        self.families = list(families)
        self.samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.families
            for sample in family.samples
        }

    def all(self, name: str, **labels: str) -> dict[tuple, float]:
        """Return the samples of a name that have these labels, the cluster's left out."""
        return {
            key: value
            for (found, key), value in self.samples.items()
            if found == f"priority_spark_{name}" and labels.items() <= dict(key).items()
        }

    def __call__(self, name: str, **labels: str) -> float:
        """Return the one sample of a name that has these labels."""
        [value] = self.all(name, **labels).values()
        return value

    def steady(self) -> dict:
        """Return what must not differ between two exporters."""
        return {key: value for key, value in self.samples.items() if "scrape_duration" not in key[0]}
