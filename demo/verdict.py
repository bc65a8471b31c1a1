# SPDX-License-Identifier: Apache-2.0
"""The end of the demo: what happened to each job, and whether it is what had to happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from rich.markup import escape
from rich.table import Table

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.reads import JobSummary
from demo.plan import REJECTED
from demo.table import duration

Task = tuple[str, str]
#: Whoever waited longer without being blocked itself was behind somebody.
LONG: Final = 3.0


class Measured(Protocol):
    """What ``demo.witness`` saw."""

    over_commitments: list[str]
    stuck: list[str]
    complete: bool
    fault: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts, and a sentence for everything that differs from what had to happen."""

    over_commitments: int
    succeeded: int
    rejected: int
    lost: int
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all went as it had to."""
        return not self.differences

    def lines(self) -> tuple[str, str]:
        """Return the two lines that end every demo."""
        return (
            f"over-commitments: {self.over_commitments}",
            f"jobs: {self.succeeded} succeeded, {self.rejected} rejected as expected, {self.lost} lost",
        )


def judge(
    expected: frozenset[Task], task_states: Mapping[Task, str], jobs: Sequence[JobSummary], measured: Measured
) -> Verdict:
    """Compare the run with what had to come of it.

    :param expected: every task that must have run.
    :param task_states: as Airflow's own API says them.
    :param jobs: every job row of the run.
    """
    differences = [f"over-commitment: {text}" for text in measured.over_commitments]
    differences += [f"stuck: {text}" for text in measured.stuck]
    if not measured.complete:
        differences.append(
            f"the cluster was not measured all the time; last fault: {measured.fault or 'none'}"
        )
    rows: dict[Task, list[JobSummary]] = {}
    for job in jobs:
        rows.setdefault((job.task.dag_id, job.task.task_id), []).append(job)
    good: set[Task] = set()
    for task in sorted(expected):
        wrong = _difference(task, task_states.get(task, "missing"), rows.get(task, []))
        if wrong:
            differences.append(wrong)
        else:
            good.add(task)
    differences += [f"{'.'.join(task)}: nobody asked for this job" for task in sorted(rows.keys() - expected)]
    return Verdict(
        over_commitments=len(measured.over_commitments),
        succeeded=len(good - {REJECTED}),
        rejected=len(good & {REJECTED}),
        lost=len(expected - good),
        differences=tuple(differences),
    )


def _difference(task: Task, state: str, jobs: Sequence[JobSummary]) -> str:
    """Say what is wrong with a task, or nothing."""
    name, count = ".".join(task), len(jobs)
    wanted = ("failed", JobState.FAILED) if task == REJECTED else ("success", JobState.SUCCEEDED)
    if count != 1:
        return f"{name}: has {count} jobs instead of one; the task is {state}"
    job = jobs[0]
    if (state, job.state) != wanted:
        return f"{name}: task {state}, job {job.state} ({job.reason}); expected {wanted[0]} and {wanted[1]}"
    if task == REJECTED and (job.admission or "needs" not in job.reason):
        return f"{name}: was to be rejected at once with numbers, but: {job.reason}"
    return ""


def summary_table(jobs: Sequence[JobSummary], blocked_by: Mapping[str, set[str]]) -> Table:
    """Return one row for each job, in the order of admission; what was never admitted comes last."""
    table = Table(
        box=None, pad_edge=False, header_style="bold", title="Order of admission", title_justify="left"
    )
    for title in ("#", "task", "queue/pool", "waited", "blocked by", "ran", "result"):
        table.add_column(title, justify="right" if title in ("#", "waited", "ran") else "left")
    ordered = sorted(jobs, key=lambda job: (job.admission_order is None, job.admission_order or 0))
    for number, job in enumerate(ordered, start=1):
        table.add_row(
            str(number) if job.admission_order is not None else "-",
            escape(job.task.task_id),
            f"{job.namespace}/{job.pool}",
            duration(job.wait_seconds),
            ", ".join(sorted(blocked_by.get(job.id, ()))) or ("its turn" if job.wait_seconds > LONG else ""),
            _ran(job),
            _result(job),
        )
    return table


def _ran(job: JobSummary) -> str:
    if job.admitted_at is None or job.ended_at is None:
        return ""
    return duration((job.ended_at - (job.started_at or job.admitted_at)).total_seconds())


def _result(job: JobSummary) -> str:
    return job.state.value if job.state is JobState.SUCCEEDED else escape(f"{job.state}: {job.reason}")
