# SPDX-License-Identifier: Apache-2.0
"""The package can always be switched off: every waiting task goes back to Airflow."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from airflow_priority_spark.arbiter.unpark import unpark
from tests.unit.arbiter.test_way_of_a_job import BIG, SMALL, event_of


def waiting(world, count=3):
    world.defer("big", demand=BIG)
    world.cycle()
    for index in range(count):
        world.defer(f"small-{index}", demand=SMALL)
    world.cycle()
    return [f"small-{index}" for index in range(count)]


def test_waiting_tasks_go_on_as_legacy_with_unchecked_grants(world):
    names = waiting(world)
    count = unpark(world.database.session, action="legacy", actor="alice", batch_size=2)
    assert count == 3
    for name in names:
        job, event = world.job(name), event_of(world.task(name))
        assert (job.state, job.flow, job.parked) == ("admitted", "legacy", False)
        assert (event.outcome, event.job_id, event.admission) == ("legacy", job.id, 1)
        assert world.grants()[job.id].unchecked
        assert world.task(name).state == TaskInstanceState.SCHEDULED
        assert world.reasons(job)[-1] == "admitted: unparked: sent to the legacy flow"


def test_waiting_tasks_can_be_failed_instead(world):
    names = waiting(world)
    unpark(world.database.session, action="fail", actor="alice")
    assert {(world.job(name).state, world.job(name).parked) for name in names} == {("cancelled", False)}
    assert event_of(world.task(names[0])).outcome == "cancelled"


def test_a_dry_run_only_counts(world):
    names = waiting(world)
    assert unpark(world.database.session, action="legacy", actor="alice", dry_run=True) == 3
    assert {world.job(name).state for name in names} == {"queued"}


def test_unpark_again_finds_nothing(world):
    waiting(world)
    unpark(world.database.session, action="legacy", actor="alice")
    assert unpark(world.database.session, action="legacy", actor="alice") == 0


@pytest.mark.parametrize("database_kind", [pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_a_task_that_somebody_holds_a_lock_on_is_waited_for(world):
    (name,) = waiting(world, 1)
    with world.database.session() as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(select(TaskInstance.id).where(TaskInstance.task_id == name).with_for_update())
        unparking = pool.submit(unpark, world.database.session, action="legacy", actor="alice")
        time.sleep(0.5)
        assert not unparking.done()
        holder.rollback()
        assert unparking.result(timeout=20) == 1
    assert (world.job(name).state, world.task(name).state) == ("admitted", TaskInstanceState.SCHEDULED)


def test_a_task_that_is_gone_ends_its_job(world):
    (name,) = waiting(world, 1)
    world.delete_task(name)
    unpark(world.database.session, action="legacy", actor="alice")
    assert world.job(name).reason == "unparked: the task was not waiting"


def test_a_task_that_was_admitted_but_not_told_is_told_too(world):
    world.loop = world.arbiter("arbiter-2", settle_seconds=3600.0)
    (name,) = waiting(world, 1)
    assert (world.job("big").state, world.job("big").parked) == ("admitted", True)
    count = unpark(
        world.database.session, action="legacy", actor="alice", dry_run=True, clock=lambda: world.now
    )
    assert count == 2
    assert unpark(world.database.session, action="legacy", actor="alice", clock=lambda: world.now) == 2
    assert event_of(world.task("big")).outcome == "admitted"
    assert event_of(world.task(name)).outcome == "legacy"
    assert {world.job(task).parked for task in ("big", name)} == {False}
