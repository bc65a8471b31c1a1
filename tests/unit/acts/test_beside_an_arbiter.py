# SPDX-License-Identifier: Apache-2.0
"""Acts while an arbiter runs: between its look and its writing, and while it writes."""

from __future__ import annotations

import threading
import time

import pytest

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.arbiter.actions import By
from airflow_priority_spark.arbiter.apply import apply
from tests.unit.arbiter.world import World


@pytest.fixture
def world(database):
    return World(database)


@pytest.fixture
def meanwhile(world, monkeypatch):
    """Let something happen after the arbiter has decided and before it writes."""

    def meanwhile(act) -> None:
        todo = [act]

        def applied_late(*arguments):
            if todo:
                todo.pop()()
            return apply(*arguments)

        monkeypatch.setattr("airflow_priority_spark.arbiter.loop.apply", applied_late)

    return meanwhile


def act(world, what, *args, **options):
    with world.database.session() as session, session.begin():
        what(session, *args, By("alice", world.now, settings=world.loop.settings), **options)


def waiting(world, *tasks) -> list[str]:
    """Let tasks wait in the queue, none of them admitted yet."""
    world.cluster.fresh = False
    for task in tasks:
        world.defer(task)
    world.cycle()
    world.cluster.fresh = True
    return [world.job(task).id for task in tasks]


def queue_id(world) -> int:
    with world.database.session() as session:
        return actions.find_queue(session, "team-a")


def test_a_queue_that_is_paused_in_between_admits_nothing(world, meanwhile):
    waiting(world, "a", "b")
    meanwhile(lambda: act(world, actions.pause_queue, queue_id(world)))
    world.cycle(2)
    assert world.admitted() == []
    act(world, actions.resume_queue, queue_id(world))
    world.cycle()
    assert world.admitted() == ["a", "b"]


@pytest.mark.parametrize(
    ("what", "options", "state"),
    [
        (actions.hold_job, {}, "held"),
        (actions.cancel_job, {}, "cancelled"),
    ],
)
def test_a_job_that_is_taken_away_in_between_is_not_admitted(world, meanwhile, what, options, state):
    first, _ = waiting(world, "a", "b")
    meanwhile(lambda: act(world, what, first, **options))
    world.cycle(2)
    assert (world.admitted(), world.job("a").state) == (["b"], state)


def test_a_job_that_is_sent_to_legacy_in_between_is_not_admitted_twice(world, meanwhile):
    first, _ = waiting(world, "a", "b")
    meanwhile(lambda: act(world, actions.send_to_legacy, first))
    world.cycle(2)
    job = world.job("a")
    assert (job.admission, job.flow, world.grants()[first].unchecked) == (1, "legacy", True)


def test_a_job_that_is_moved_in_between_goes_by_its_new_place(world, meanwhile):
    first, _, _ = waiting(world, "a", "b", "c")
    meanwhile(lambda: act(world, actions.move_job, first, "last"))
    # Six CPUs: two jobs of three pods fit.
    world.cycle(2)
    assert world.admitted() == ["b", "c"]


def test_a_job_that_changes_its_pool_in_between_is_charged_to_the_new_one(world, meanwhile):
    (first,) = waiting(world, "a")
    meanwhile(lambda: act(world, actions.change_pool, first, "high"))
    world.cycle(2)
    assert (world.admitted(), world.job("a").pool) == (["a"], "high")


def test_a_held_job_is_admitted_when_it_is_released(world):
    (first,) = waiting(world, "a")
    act(world, actions.hold_job, first)
    world.cycle()
    assert world.admitted() == []
    act(world, actions.release_job, first)
    world.cycle()
    assert world.admitted() == ["a"]


def test_what_came_while_a_queue_drained_comes_in_when_it_is_resumed(world):
    waiting(world, "a")
    act(world, actions.drain_queue, queue_id(world))
    world.defer("late")
    world.cycle(2)
    assert (world.admitted(), world.job("late").held_reason) == (["a"], "draining")
    act(world, actions.resume_queue, queue_id(world))
    world.cycle(2)
    assert world.admitted() == ["a", "late"]


def test_jobs_moved_to_observe_are_all_admitted_with_what_would_have_made_them_wait(world):
    world.cluster.quotas["team-a"] = {"requests.cpu": "3"}
    waiting(world, "a", "b", "c")
    done = actions.migrate_flow(
        world.database.session, actions.Scope("site"), "observe", By("alice", world.now)
    )
    assert len(done.moved) == 3
    world.cycle(2)
    assert world.admitted() == ["a", "b", "c"]
    assert [world.job(task).observed and world.job(task).observed["resource"] for task in "abc"] == [
        None,
        "cpu",
        "cpu",
    ]


def test_a_limit_holds_from_the_next_cycle_on(world):
    waiting(world, "a", "b")
    act(world, actions.set_queue, queue_id(world), {"job_limit": 1})
    world.cycle(2)
    assert world.admitted() == ["a"]
    act(world, actions.set_queue, queue_id(world), {"job_limit": None})
    world.cycle()
    assert world.admitted() == ["a", "b"]


@pytest.mark.parametrize("database_kind", [pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_an_act_waits_for_a_cycle_that_writes(world):
    (first,) = waiting(world, "a")
    with world.loop.leadership.transaction():
        acting = threading.Thread(target=act, args=(world, actions.hold_job, first))
        acting.start()
        time.sleep(0.5)
        assert acting.is_alive()
    acting.join(20)
    assert (acting.is_alive(), world.job("a").state) == (False, "held")


def test_an_arbiter_that_waited_for_an_act_goes_on(world):
    waiting(world, "a")
    world.cycle()
    epoch = world.loop.leadership.epoch
    act(world, actions.pause_queue, queue_id(world))
    world.cycle(2)
    assert world.loop.leadership.epoch == epoch
