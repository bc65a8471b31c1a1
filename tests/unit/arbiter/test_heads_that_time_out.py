# SPDX-License-Identifier: Apache-2.0
"""A head that capacity blocks for too long: warned of, tried again, cancelled or held."""

from __future__ import annotations

import datetime

import pytest
from airflow.utils.state import TaskInstanceState

from airflow_priority_spark.arbiter import actions
from tests import builders
from tests.unit.arbiter.site import pool_row, set_pool, set_queue, set_site, told
from tests.unit.arbiter.world import World

BIG = builders.make_demand(executors=5)  # 6 CPU: the whole quota
SMALL = builders.make_demand(executors=1)  # 2 CPU
SENTENCE = "blocked at the head of team-a/normal for 100 s by cpu: needs 6 CPU, 4 CPU free of quota quota"


@pytest.fixture
def blocked(world):
    """A small job runs; a large one is blocked at the head of ``normal``, a small one waits behind it."""
    world.defer("runs", demand=SMALL)
    world.cycle()
    world.start("runs")
    set_site(world, head_timeout_seconds=100)
    world.defer("head", demand=BIG)
    world.defer("behind", demand=SMALL)
    world.cycle()
    assert world.admitted() == ["runs"]
    return world


def after(world: World, seconds: int) -> None:
    """Let the head's clock reach so many seconds."""
    since = pool_row(world).head_timeout_since
    world.now = since + datetime.timedelta(seconds=seconds - 1)
    world.cycle()


def test_it_is_cancelled_with_its_numbers_and_the_next_one_becomes_head(blocked):
    after(blocked, 99)
    assert blocked.job("head").state == "queued"
    after(blocked, 100)
    head = blocked.job("head")
    assert (head.state, head.reason) == ("cancelled", SENTENCE)
    assert head.ended_at == blocked.now
    assert blocked.admitted() == ["runs", "behind"]


def test_its_task_fails_without_airflow_retries(blocked):
    after(blocked, 100)
    event = told(blocked, "head")
    assert (event.outcome, event.reason, event.retry) == ("cancelled", SENTENCE, False)
    assert blocked.task("head").state == TaskInstanceState.SCHEDULED


def test_its_task_may_use_airflow_retries_where_the_site_says_so(database):
    world = World(database, retry_on_cancel=True, head_timeout_seconds=10)
    world.defer("runs", demand=SMALL)
    world.defer("head", demand=BIG)
    world.cycle(12)
    assert world.job("head").state == "cancelled"
    assert told(world, "head").retry is True


def test_warnings_are_given_at_half_and_at_80_percent_each_once(blocked):
    for seconds in (49, 50, 51, 79, 80, 81, 99):
        after(blocked, seconds)
    said = [line for line in blocked.reasons(blocked.job("head")) if "head timeout" in line]
    assert said == [
        f"queued: blocked at the head of team-a/normal for {seconds} s by cpu: "
        f"needs 6 CPU, 4 CPU free of quota quota: {seconds} % of its head timeout has passed"
        for seconds in (50, 80)
    ]


def test_a_retry_restarts_the_clock_and_keeps_the_position(blocked):
    set_pool(blocked, head_retry_count=1)
    after(blocked, 100)
    head = blocked.job("head")
    assert (head.state, head.head_retries) == ("queued", 1)
    assert head.reason == f"{SENTENCE}; retry 1: it keeps its position, its clock begins again"
    assert pool_row(blocked).head_job_id == head.id
    assert pool_row(blocked).head_timeout_since == blocked.now
    after(blocked, 99)
    assert blocked.job("head").state == "queued"
    after(blocked, 100)
    assert blocked.job("head").state == "cancelled", "no retry is left"


def test_a_retry_may_go_to_the_tail_and_lets_the_others_pass(blocked):
    set_pool(blocked, head_retry_count=1, head_retry_position="tail")
    blocked.defer("last", demand=BIG)
    after(blocked, 100)
    head = blocked.job("head")
    assert "it goes to the tail of its pool, its clock begins again" in head.reason
    assert head.position_at >= blocked.job("last").position_at
    blocked.cycle()
    assert blocked.admitted() == ["runs", "behind"]
    assert pool_row(blocked).head_job_id == blocked.job("last").id


def test_it_may_be_held_for_a_person_with_what_blocked_it(blocked):
    set_queue(blocked, head_timeout_action="hold")
    after(blocked, 100)
    head = blocked.job("head")
    assert (head.state, head.held_reason, head.reason) == ("held", "timeout", SENTENCE)
    assert (head.blocking_resource, head.parked) == ("cpu", True)
    assert blocked.task("head").state == TaskInstanceState.DEFERRED
    blocked.cycle(5)
    assert blocked.admitted() == ["runs", "behind"]
    assert blocked.job("head").state == "held"


def test_a_held_one_that_is_requeued_has_all_its_retries_and_starts_when_there_is_room(blocked):
    set_pool(blocked, head_timeout_action="hold", head_retry_count=1)
    after(blocked, 100)
    after(blocked, 100)
    assert (blocked.job("head").state, blocked.job("head").head_retries) == ("held", 1)
    with blocked.database.session() as session, session.begin():
        actions.requeue_job(session, blocked.job("head").id, actions.By("alice", blocked.now))
    assert (blocked.job("head").state, blocked.job("head").head_retries) == ("queued", 0)
    blocked.end("runs")
    blocked.start("behind")
    blocked.end("behind")
    blocked.cycle(3)
    assert blocked.admitted()[-1] == "head"


@pytest.mark.parametrize("pause", ["stale picture", "paused queue", "limit"])
def test_its_clock_stands_still_while_it_is_not_capacity_that_it_waits_for(blocked, pause):
    after(blocked, 60)

    def standing(still: bool) -> None:
        if pause == "stale picture":
            blocked.cluster.fresh = not still
        elif pause == "paused queue":
            set_queue(blocked, paused=still)
        else:
            set_queue(blocked, job_limit=1 if still else None)
        blocked.cycle()

    standing(True)
    blocked.now += datetime.timedelta(seconds=1000)
    blocked.cycle()
    assert blocked.job("head").state == "queued"
    standing(False)
    assert blocked.job("head").state == "queued"
    blocked.cycle(seconds=30)
    assert blocked.job("head").state == "queued"
    blocked.cycle(seconds=20)
    assert blocked.job("head").state == "cancelled"


def test_one_that_is_not_head_has_no_clock(blocked):
    """Behind the blocked head nobody's time runs, however long it takes."""
    set_pool(blocked, head_timeout_seconds=100_000)
    blocked.cycle(seconds=5000)
    assert {blocked.job(name).state for name in ("head", "behind")} == {"queued"}
    assert pool_row(blocked).head_job_id == blocked.job("head").id


def test_a_job_that_left_while_the_decision_was_made_is_not_cancelled(blocked, monkeypatch):
    """Its task was set to success by a person between the picture and the transaction."""
    from airflow_priority_spark.arbiter import apply

    lock = apply._lock_waiting

    def leave(session, seen):
        blocked_job = blocked.job("head")
        if blocked_job.id in seen:
            session.execute(
                apply.resume.update(apply.resume.TaskInstance)
                .where(apply.resume.TaskInstance.id == blocked_job.ti_id)
                .values(state="success")
            )
        return lock(session, seen)

    monkeypatch.setattr(apply, "_lock_waiting", leave)
    after(blocked, 100)
    assert blocked.job("head").state == "queued"
    blocked.cycle()
    assert blocked.job("head").reason == "the task was set to success while it waited"
