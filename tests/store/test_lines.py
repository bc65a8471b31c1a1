# SPDX-License-Identifier: Apache-2.0
"""Queues and places in line for a whole batch of new jobs: one statement each, however many queues."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, select

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import QueueKey
from airflow_priority_spark.store.jobs import places
from airflow_priority_spark.store.models import Pool
from airflow_priority_spark.store.queues import ensure_queues
from tests.builders import NOW
from tests.store.rows import CLUSTER, make_job, make_queue

POOLS = {"high": 90, "normal": 10}


@pytest.fixture
def statements(database):
    seen = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: seen.append(call[2]))
    return seen


def test_places_are_counted_in_each_line_by_position(session, statements):
    team_a, team_b = make_queue(session), make_queue(session, "team-b")
    first, second, third = (
        make_job(session, team_a, enqueued_at=NOW + timedelta(seconds=number)) for number in (0, 1, 1)
    )
    high = make_job(session, team_a, pool="high")
    make_job(session, team_a, state=JobState.HELD)
    session.commit()
    statements.clear()

    found = places(
        session,
        {
            (team_a.id, "normal"): (third.position_at, third.position_id),
            (team_a.id, "high"): (high.position_at, high.position_id + 1),
            (team_b.id, "normal"): (first.position_at, first.position_id),
        },
    )

    assert second.position_at == third.position_at, "who deferred at one instant stands by number"
    assert found == {(team_a.id, "normal"): 3, (team_a.id, "high"): 2, (team_b.id, "normal"): 1}
    assert len(statements) == 1


def test_nobody_counts_a_line_to_its_end(session, monkeypatch):
    monkeypatch.setattr("airflow_priority_spark.store.jobs.MOST_COUNTED", 3)
    queue = make_queue(session)
    made = [make_job(session, queue, enqueued_at=NOW + timedelta(seconds=number)) for number in range(6)]
    session.commit()
    found = [
        places(session, {(queue.id, "normal"): (job.position_at, job.position_id)})[queue.id, "normal"]
        for job in made
    ]
    assert found == [1, 2, 3, 4, 4, 4]


def test_no_line_needs_no_statement(session, statements):
    assert places(session, {}) == {}
    assert ensure_queues(session, [], POOLS, NOW) == {}
    assert statements == []


def test_queues_that_are_there_are_found_at_once_and_new_ones_are_made(session, statements):
    old = [make_queue(session, f"team-{number}") for number in range(5)]
    old[0].draining = True
    pool = session.scalars(select(Pool).where(Pool.queue_id == old[1].id, Pool.name == "high")).one()
    pool.allowed = {"dag_ids": ["etl"]}
    session.commit()
    keys = [QueueKey(CLUSTER, f"team-{number}") for number in range(5)]
    statements.clear()

    found = ensure_queues(session, keys, POOLS, NOW)

    assert len(statements) == 1
    assert [found[key].id for key in keys] == [queue.id for queue in old]
    assert [found[key].draining for key in keys] == [True, False, False, False, False]
    assert found[keys[1]].pools == {"high": {"dag_ids": ["etl"]}, "normal": None}

    new = QueueKey(CLUSTER, "team-new")
    both = ensure_queues(session, [*keys, new], {"urgent": 3}, NOW)
    assert (set(both), both[new].pools) == ({*keys, new}, {"urgent": None})
    assert ensure_queues(session, [new], POOLS, NOW)[new] == both[new]
