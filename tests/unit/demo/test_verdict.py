# SPDX-License-Identifier: Apache-2.0
"""The end of the demo: every way in which a run can differ from what had to come of it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.store.reads import JobSummary
from demo.plan import REJECTED
from demo.verdict import judge

NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
GOOD = ("nightly_reports", "words")
EXPECTED = frozenset({GOOD, REJECTED})
STATES = {GOOD: "success", REJECTED: "failed"}
TOO_BIG = "cpu: needs 41 CPU, 8 CPU free of quota team-b"


@dataclass
class Measured:
    over_commitments: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    complete: bool = True
    fault: str = ""


def a_job(task, state, **fields):
    job = JobSummary(
        id=".".join(task),
        ti_id=UUID(int=1),
        queue_id=1,
        task=TaskKey(task[0], "demo", task[1]),
        try_number=1,
        cluster="kubernetes_default",
        namespace="team-b",
        pool="high",
        state=state,
        flow="priority",
        position=None,
        wait_seconds=1.0,
        blocking_resource=None,
        sentence="",
        reason="",
        demand=Resources(),
        admission=1,
        admission_order=1,
        reschedules=0,
        application=None,
        application_state=None,
        user=None,
        team=None,
        queued_at=NOW,
        admitted_at=NOW,
        submitted_at=NOW,
        started_at=NOW,
        ended_at=NOW,
        verdict=None,
        ineligible=None,
        held_reason="",
        service=None,
    )
    return replace(job, **fields)


SUCCEEDED = a_job(GOOD, JobState.SUCCEEDED)
TURNED_AWAY = a_job(REJECTED, JobState.FAILED, admission=0, admission_order=None, reason=TOO_BIG)


def test_a_run_in_which_all_went_well_passes_with_the_two_lines():
    verdict = judge(EXPECTED, STATES, [SUCCEEDED, TURNED_AWAY], Measured())
    assert verdict.passed
    assert verdict.lines() == ("over-commitments: 0", "jobs: 1 succeeded, 1 rejected as expected, 0 lost")


@pytest.mark.parametrize(
    ("states", "jobs", "says"),
    [
        ({**STATES, GOOD: "failed"}, [SUCCEEDED, TURNED_AWAY], "nightly_reports.words: task failed"),
        ({REJECTED: "failed"}, [SUCCEEDED, TURNED_AWAY], "nightly_reports.words: task missing"),
        (STATES, [TURNED_AWAY], "nightly_reports.words: has 0 jobs instead of one"),
        (STATES, [SUCCEEDED, SUCCEEDED, TURNED_AWAY], "nightly_reports.words: has 2 jobs instead of one"),
        (STATES, [replace(SUCCEEDED, state=JobState.RUNNING), TURNED_AWAY], "job running"),
        (STATES, [SUCCEEDED, replace(TURNED_AWAY, admission=1)], "was to be rejected at once"),
        (STATES, [SUCCEEDED, replace(TURNED_AWAY, reason="no")], "was to be rejected at once with numbers"),
    ],
)
def test_a_task_that_did_not_come_to_its_end_is_lost_and_named(states, jobs, says):
    verdict = judge(EXPECTED, states, jobs, Measured())
    assert not verdict.passed
    assert verdict.lost == 1
    assert says in verdict.differences[0]


def test_a_job_that_nobody_asked_for_is_a_difference():
    stray = a_job(("other", "task"), JobState.SUCCEEDED)
    verdict = judge(EXPECTED, STATES, [SUCCEEDED, TURNED_AWAY, stray], Measured())
    assert verdict.differences == ("other.task: nobody asked for this job",)


@pytest.mark.parametrize(
    ("measured", "says"),
    [
        (Measured(over_commitments=["team-a: pods request 5 of 4 cpu"]), "pods request 5 of 4 cpu"),
        (Measured(stuck=["driver a has 0 of 1 executors"]), "stuck: driver a"),
        (Measured(complete=False, fault="refused"), "not measured all the time; last fault: refused"),
    ],
)
def test_what_the_witness_saw_decides_too(measured, says):
    verdict = judge(EXPECTED, STATES, [SUCCEEDED, TURNED_AWAY], measured)
    assert not verdict.passed
    assert says in verdict.differences[0]
