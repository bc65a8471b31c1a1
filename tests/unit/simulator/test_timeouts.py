# SPDX-License-Identifier: Apache-2.0
"""Heads whose time is up are retried, cancelled or held, at the instant at which it is up."""

from __future__ import annotations

from airflow_priority_spark.simulator.outcome import Fate
from airflow_priority_spark.simulator.run import simulate
from tests.unit.simulator.sites import job, queue, schedule, site

BUSY = [job("busy", cpu=4, runtime=100)]
SENTENCE = "blocked at the head of team-a/normal for 30 s by cpu: needs 1 CPU, 0 CPU free of quota team-a"


def run(*arrivals, **settings):
    outcome = simulate(site(queue(cpu=4), **settings), [*BUSY, *arrivals])
    return outcome, {record.job_id: record for record in outcome.jobs}


def test_a_head_that_is_blocked_for_the_timeout_is_cancelled_and_says_why():
    outcome, jobs = run(job("a", 5), timeout=30)
    assert schedule(outcome)["a"] == (None, 35)
    assert (jobs["a"].fate, jobs["a"].reason) == (Fate.CANCELLED, SENTENCE)
    assert outcome.makespan == 100_000_000


def test_the_next_heads_clock_starts_when_it_becomes_head():
    outcome, _ = run(job("a", 5), job("b", 6), job("c", 7), timeout=30)
    assert schedule(outcome) == {"busy": (0, 100), "a": (None, 35), "b": (None, 65), "c": (None, 95)}


def test_with_the_action_hold_it_is_kept_aside():
    _, jobs = run(job("a", 5), timeout=30, timeout_action="hold")
    record = jobs["a"]
    assert (record.fate, record.finished, record.reason) == (Fate.HELD, None, SENTENCE)


def test_retries_restart_the_clock_at_the_same_position():
    outcome, _ = run(job("a", 5), job("b", 6, runtime=1), timeout=30, retry_count=2)
    # 35 and 65 are retries; at 95 its time is up, and b, which became head, starts when there is room.
    assert schedule(outcome) == {"busy": (0, 100), "a": (None, 95), "b": (100, 101)}


def test_a_retry_may_send_the_job_to_the_tail_of_its_pool():
    outcome, _ = run(
        job("a", 5), job("b", 6, cpu=4, runtime=1), timeout=70, retry_count=1, retry_position="tail"
    )
    assert schedule(outcome) == {"busy": (0, 100), "b": (100, 101), "a": (101, 111)}


def test_a_head_that_starts_in_time_is_left_alone():
    outcome, jobs = run(job("a", 75), timeout=30)
    assert schedule(outcome)["a"] == (100, 110)
    assert jobs["a"].fate is Fate.FINISHED


def test_without_a_timeout_a_head_waits_for_ever():
    outcome, _ = run(job("a", 1), timeout=0)
    assert schedule(outcome)["a"] == (100, 110)
