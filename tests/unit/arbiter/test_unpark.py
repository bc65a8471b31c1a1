# SPDX-License-Identifier: Apache-2.0
"""The package can always be switched off: every waiting task goes back to Airflow."""

from __future__ import annotations

from airflow.utils.state import TaskInstanceState

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
    assert {world.job(name).state for name in names} == {"cancelled"}
    assert event_of(world.task(names[0])).outcome == "cancelled"


def test_a_dry_run_only_counts(world):
    names = waiting(world)
    assert unpark(world.database.session, action="legacy", actor="alice", dry_run=True) == 3
    assert {world.job(name).state for name in names} == {"queued"}


def test_unpark_again_finds_nothing(world):
    waiting(world)
    unpark(world.database.session, action="legacy", actor="alice")
    assert unpark(world.database.session, action="legacy", actor="alice") == 0


def test_a_task_that_is_gone_ends_its_job(world):
    (name,) = waiting(world, 1)
    world.delete_task(name)
    unpark(world.database.session, action="legacy", actor="alice")
    assert world.job(name).reason == "unparked: the task was not waiting"
