# SPDX-License-Identifier: Apache-2.0
"""The past in numbers: depth, wait and use over time, and what was waited for."""

from __future__ import annotations

import datetime

import pytest

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.jobs import move
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.snapshots import save_snapshot
from tests.api.conftest import Site
from tests.builders import NOW
from tests.store.rows import CLUSTER

MINUTE = datetime.timedelta(minutes=1)
GIB = 2**30


def admit(site: Site, job_id: str, at: datetime.datetime) -> None:
    with site.database.session() as session, session.begin():
        move(session, session.get_one(Job, job_id), JobState.ADMITTED, "fits", "arbiter", at)


def picture(site: Site, at: datetime.datetime, *, used: int = 0, hard: int = 100 * GIB) -> None:
    quota = {
        "namespace": "team-a",
        "name": "compute",
        "hard": {"requests.memory": hard},
        "used": {"requests.memory": used},
    }
    with site.database.session() as session, session.begin():
        save_snapshot(session, CLUSTER, {"quotas": [quota]}, at)


def history(site: Site, **parameters):
    span = {"from": NOW.isoformat(), "to": (NOW + 10 * MINUTE).isoformat(), "step": 120}
    answer = site.get("/history", **{**span, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_line_tells_how_many_waited_and_how_long(site):
    first, second = site.job(enqueued_at=NOW), site.job(enqueued_at=NOW + 3 * MINUTE)
    site.job(enqueued_at=NOW - 60 * MINUTE)
    admit(site, first, NOW + 5 * MINUTE)
    admit(site, second, NOW + 5 * MINUTE)

    found = history(site)

    assert (found["at"][0], found["step_seconds"], len(found["at"])) == ("2026-01-01T12:00:00Z", 120, 5)
    (line,) = found["lines"]
    assert (line["cluster"], line["namespace"], line["pool"]) == ("spark-prod", "team-a", "normal")
    assert line["depth"] == [2, 3, 1, 1, 1]
    assert line["admitted"] == [0, 0, 2, 0, 0]
    assert line["average_wait_seconds"] == [None, None, 210.0, None, None]
    assert line["longest_wait_seconds"] == [None, None, 300.0, None, None]


def test_a_job_that_was_cancelled_has_left_its_line_without_being_admitted(site):
    job_id = site.job(enqueued_at=NOW)
    with site.database.session() as session, session.begin():
        job = session.get_one(Job, job_id)
        move(session, job, JobState.CANCELLED, "no longer needed", "alice", NOW + 5 * MINUTE)

    (line,) = history(site)["lines"]

    assert (line["depth"], line["admitted"]) == ([1, 1, 0, 0, 0], [0] * 5)


def test_use_is_that_of_the_last_picture_of_each_step(site):
    site.queue()
    for minutes, used in ((0, 10), (1, 20), (4, 30)):
        picture(site, NOW + minutes * MINUTE, used=used * GIB)

    (series,) = history(site)["usage"]

    assert (series["namespace"], series["resource"]) == ("team-a", "requests.memory")
    assert series["used"] == [20 * GIB, None, 30 * GIB, None, None]
    assert series["hard"] == [100 * GIB, None, 100 * GIB, None, None]


def test_another_namespace_has_a_past_of_its_own(site):
    site.job(enqueued_at=NOW)
    picture(site, NOW)
    found = history(site, namespace="team-b")
    assert (found["lines"], found["usage"]) == ([], [])


@pytest.mark.parametrize(("namespace", "expected"), [(None, 2), ("team-a", 2), ("team-b", 0)])
def test_the_heat_map_counts_everybody_behind_a_blocked_head(site, namespace, expected):
    """Two jobs wait for memory from one picture to the next, a minute later; only the head says so."""
    site.job(enqueued_at=NOW, blocking_resource="memory")
    site.job(enqueued_at=NOW)
    for minutes in (0, 1):
        picture(site, NOW + minutes * MINUTE)

    span = {"from": NOW.isoformat(), "to": (NOW + 10 * MINUTE).isoformat()}
    answer = site.get("/history/heatmap", **span, **({"namespace": namespace} if namespace else {}))

    cell = {"hour": "2026-01-01T12:00:00Z", "resource": "memory", "job_seconds": 60.0 * expected}
    assert answer.json()["cells"] == ([cell] if expected else [])


def test_a_picture_counts_for_two_minutes_at_most_when_nobody_took_another(site):
    site.job(enqueued_at=NOW, blocking_resource="cpu")
    for minutes in (0, 30):
        picture(site, NOW + minutes * MINUTE)
    (cell,) = site.get("/history/heatmap", to=(NOW + 60 * MINUTE).isoformat()).json()["cells"]
    assert (cell["resource"], cell["job_seconds"]) == ("cpu", 120.0)
