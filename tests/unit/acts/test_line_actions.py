# SPDX-License-Identifier: Apache-2.0
"""A waiting job's pool, place and demand."""

from __future__ import annotations

import pytest

from airflow_priority_spark.arbiter.actions import change_demand, change_pool, hold_job, move_job, set_pool
from airflow_priority_spark.errors import Conflict, InvalidInput
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.spark.request import demand_from_json
from tests.builders import NOW, make_demand
from tests.unit.acts.test_job_actions import SENTENCE, refused

VERDICT = {"resource": "cpu", "needed": 2, "free": 1, "holder": "quota team-a", "sentence": "cpu: too little"}


def blocked(office, job_id):
    office.change(job_id, verdict=VERDICT, blocking_resource="cpu", blocked_since=NOW)


def test_a_job_in_another_pool_stands_by_the_time_it_came(office):
    early = office.job("early")
    office.job("late", pool="high")
    blocked(office, early)
    office.act(change_pool, early, "high")
    assert office.line("high") == ["early", "late"]
    job = office.get(early)
    assert (job.verdict, job.blocking_resource, job.blocked_since) == (None, None, None)
    assert office.events(early)[-1] == ("queued", f"moved from pool normal to high {SENTENCE}", "alice")
    assert office.audits()[-1].details == {"before": "normal", "after": "high"}


def test_an_unknown_pool_names_those_of_the_queue(office):
    job_id = office.job("a")
    assert refused(office, change_pool, job_id, "urgent", error=InvalidInput) == (
        "pool: 'urgent' is not valid; allowed: high, normal (the pools of queue team-a)"
    )


def test_the_pool_it_is_in_is_refused(office):
    job_id = office.job("a")
    assert refused(office, change_pool, job_id, "normal") == f"job {job_id} waits in pool normal already"


def test_a_pool_that_is_not_open_to_the_job_says_to_whom_it_is(office):
    job_id = office.job("a", team="blue")
    office.act(set_pool, office.queue(), "high", {"allowed": {"teams": ["red", "green*"]}})
    assert refused(office, change_pool, job_id, "high") == (
        "priority pool team-a/high is not open to DAG etl, no tag, team blue, no bundle; "
        "allowed: team red, green*"
    )
    office.act(change_pool, office.job("b", team="greenish"), "high")
    assert office.line("high") == ["b"]


@pytest.mark.parametrize(
    ("where", "other", "line"),
    [
        ("first", None, ["c", "a", "b", "d"]),
        ("last", None, ["a", "b", "d", "c"]),
        ("before", "a", ["c", "a", "b", "d"]),
        ("before", "b", ["a", "c", "b", "d"]),
        ("before", "d", ["a", "b", "c", "d"]),
        ("after", "a", ["a", "c", "b", "d"]),
        ("after", "d", ["a", "b", "d", "c"]),
    ],
)
@pytest.mark.parametrize("crowd", [False, True])
def test_a_job_moves_to_the_place_it_is_given(office, where, other, line, crowd):
    # A crowd: all came at the same instant, so that there is no place between two of them.
    came = {"enqueued_at": NOW} if crowd else {}
    jobs = {task_id: office.job(task_id, **came) for task_id in "abcd"}
    office.act(move_job, jobs["c"], where, other_id=jobs.get(other))
    assert office.line() == line
    said = f"moved {where} job {jobs[other]}" if other else f"moved {where} of its pool"
    assert office.events(jobs["c"])[-1][1] == f"{said} {SENTENCE}"


def test_moving_again_and_again_keeps_an_order(office):
    jobs = {task_id: office.job(task_id, enqueued_at=NOW) for task_id in "abcdef"}
    for mover, mark in ("fb", "eb", "db", "cb", "ab"):
        office.act(move_job, jobs[mover], "before", other_id=jobs[mark])
    assert office.line() == ["f", "e", "d", "c", "a", "b"]


def test_a_job_that_was_moved_up_is_still_before_what_comes_later(office):
    office.job("a")
    second = office.job("b")
    office.act(move_job, second, "first")
    office.job("c")
    assert office.line() == ["b", "a", "c"]


def test_a_held_job_has_no_place(office):
    held, other = office.job("a"), office.job("b")
    office.act(hold_job, held)
    assert refused(office, move_job, held, "first") == (
        f"job {held} is held and has no place in the line; release it first"
    )
    assert refused(office, move_job, other, "before", other_id=held) == (
        f"job {held} is held and has no place in the line"
    )


def test_jobs_of_two_pools_have_no_order(office):
    job_id, other = office.job("a"), office.job("b", pool="high")
    assert refused(office, move_job, job_id, "before", other_id=other) == (
        f"job {other} waits in team-a/high, job {job_id} in team-a/normal; "
        "only jobs of one pool have an order, change the pool first"
    )


@pytest.mark.parametrize("itself", [True, False])
def test_before_whom_must_be_said(office, itself):
    job_id = office.job("a")
    other = job_id if itself else None
    assert refused(office, move_job, job_id, "before", error=InvalidInput, other_id=other) == (
        f"before: {other!r} is not valid; allowed: the id of another job of the same priority pool"
    )


def test_a_mark_that_does_not_wait_is_refused(office):
    job_id, other = office.job("a"), office.job("b", state=JobState.SUCCEEDED)
    assert refused(office, move_job, job_id, "after", other_id=other) == (
        f"job {other} has ended: succeeded; only a waiting job can be a mark to move after"
    )


def test_a_job_asks_for_another_amount(office):
    job_id = office.job("a")
    blocked(office, job_id)
    office.act(change_demand, job_id, make_demand(executors=1))
    job = office.get(job_id)
    assert demand_from_json(job.demand) == make_demand(executors=1)
    assert job.verdict is None
    said = office.events(job_id)[-1][1]
    assert said.startswith("demand changed from ")
    assert said.endswith(SENTENCE)


def test_the_same_demand_is_no_change(office):
    job_id = office.job("a")
    with pytest.raises(Conflict, match=f"job {job_id} asks for that already: "):
        office.act(change_demand, job_id, make_demand())
