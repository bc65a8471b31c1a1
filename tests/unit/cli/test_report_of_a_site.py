# SPDX-License-Identifier: Apache-2.0
"""``report`` on what a real arbiter did: six jobs of three CPUs each, in a quota of six.

Six drivers leave no room for the executors of any. Observed, all six are let in at once; through the queue
never more than two run. The same report is made of both, so that what it promises of the queue is seen.
"""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import update

from airflow_priority_spark.store.models import Job
from tests.unit.arbiter.world import World

TASKS = [f"task-{number}" for number in range(6)]
RUNTIME = 60


@pytest.fixture
def world(database):
    return World(database)


def run(world: World, *, ends_after: int = RUNTIME) -> None:
    """Let all tasks come, each run for a minute once it is admitted, until the last has ended."""
    for task in TASKS:
        world.defer(task)
    started: dict[str, datetime.datetime] = {}
    ended: set[str] = set()
    while len(ended) < len(TASKS):
        world.cycle()
        for task in TASKS:
            if task not in started and world.job(task).state == "admitted":
                world.start(task)
                started[task] = world.now
        for task, since in started.items():
            if task not in ended and world.now >= since + datetime.timedelta(seconds=ends_after):
                world.end(task)
                ended.add(task)
        assert world.now < started.get(TASKS[0], world.now) + datetime.timedelta(minutes=10)
        if started and len(ended) < len(TASKS):
            world.now += datetime.timedelta(seconds=9)
    world.cycle(2)


def test_jobs_that_were_observed_show_what_the_queue_would_have_done(world, airflow):
    airflow("flow", "set", "--to", "observe", "--namespace", "team-a")
    run(world)
    report = airflow.json("report")
    [row] = report["queues"]
    assert (row["observed"], row["would_wait"], row["on"], row["deadlocks"]) == (6, 4, "cpu (4)", 1)
    first = min(report["jobs"], key=lambda job: job["would_wait_seconds"])
    assert first["on"] == "cpu: needs 3 CPU, 0 CPU free of quota quota"
    # Two at a time, for about a minute each: the last two wait for two rounds.
    waits = sorted(job["would_wait_seconds"] for job in report["jobs"])
    assert all(RUNTIME - 10 < wait < RUNTIME + 30 for wait in waits[:2])
    assert all(2 * RUNTIME - 20 < wait < 2 * RUNTIME + 60 for wait in waits[2:])
    [risked] = report["deadlocks"]
    assert (risked["jobs"], risked["says"]) == (
        6,
        "6 drivers take 6 CPU of 6 CPU requests.cpu; the executors of none of these jobs fit beside them",
    )


def test_the_same_jobs_through_the_queue_risk_no_deadlock(world, airflow):
    run(world)
    with world.database.session() as session, session.begin():
        session.execute(update(Job).values(flow="observe"))
    report = airflow.json("report")
    assert (report["queues"][0]["observed"], report["deadlocks"]) == (6, [])
