# SPDX-License-Identifier: Apache-2.0
"""What Airflow's own tables say about our tasks. Reading only; ``arbiter.resume`` writes.

Airflow deletes and replaces task-instance rows as it pleases (a clear, a retry and the reset of
orphans each give the row a new id), so a job is compared with what is there now, never with what
was remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING
from airflow_priority_spark.store.models import Job


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A job whose task instance is not where the job's state says it should be.

    :param ti_state: the state of the task instance with the job's id; ``None`` when that id is gone
        or the state is empty.
    :param ti_exists: a task instance with the job's id exists.
    """

    job: Job
    ti_exists: bool
    ti_state: str | None


#: Where the task of a job that holds capacity may be; RESTARTING: while Airflow stops it.
_ON_ITS_WAY: Final = (
    TaskInstanceState.SCHEDULED,
    TaskInstanceState.QUEUED,
    TaskInstanceState.RUNNING,
    TaskInstanceState.DEFERRED,
    TaskInstanceState.RESTARTING,
)


def active_mismatches(session: Session, limit: int) -> Sequence[Mismatch]:
    """Return jobs with capacity whose task is not on its way any more (one statement)."""
    return _mismatches(session, _active(limit))


# Every cycle asks; putting the statement together takes about as long as running it.
@lru_cache(maxsize=4)
def _active(limit: int) -> Select[Any]:
    return _compared(
        limit,
        Job.state.in_([str(state) for state in ACTIVE]),
        or_(TaskInstance.id.is_(None), TaskInstance.state.is_(None), TaskInstance.state.not_in(_ON_ITS_WAY)),
    )


def waiting_mismatches(session: Session, limit: int, after: str, last: str | None) -> Sequence[Mismatch]:
    """Return waiting jobs whose task does not wait any more (one statement).

    :param after, last: only jobs with an id beyond ``after``, up to ``last`` (``None``: to the end).
    """
    statement = _compared(
        limit,
        Job.ended_at.is_(None),
        Job.id > after,
        *([Job.id <= last] if last is not None else []),
        Job.state.in_([str(state) for state in WAITING]),
        or_(TaskInstance.id.is_(None), TaskInstance.state.is_distinct_from(TaskInstanceState.DEFERRED)),
    )
    return _mismatches(session, statement)


def end_of_slice(session: Session, after: str, size: int) -> str | None:
    """Return the id of the last of the next ``size`` open jobs; ``None`` when there are not so many."""
    return session.scalar(
        select(Job.id)
        .where(Job.ended_at.is_(None), Job.id > after)
        .order_by(Job.id)
        .offset(size - 1)
        .limit(1)
    )


def _compared(limit: int, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Select jobs beside their task instances."""
    return (
        select(Job, TaskInstance.id, TaskInstance.state)
        .join(TaskInstance, TaskInstance.id == Job.ti_id, isouter=True)
        .where(*conditions)
        .order_by(Job.id)
        .limit(limit)
    )


def _mismatches(session: Session, statement: Select[Any]) -> Sequence[Mismatch]:
    return [Mismatch(job, ti_id is not None, state) for job, ti_id, state in session.execute(statement)]


class Replaced(StrEnum):
    """What became of an attempt whose task-instance id is gone."""

    CLEARED = "cleared"
    RETRIED = "retried"
    ORPHANED = "orphaned"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Successor:
    """The task instance that now stands where the job's attempt stood (``None`` ids when deleted)."""

    replaced: Replaced
    ti_id: UUID | None = None
    try_number: int = 0


#: Airflow logs one of these when an attempt ends by itself; the reset of an orphan logs nothing.
#: Source: airflow/api_fastapi/execution_api/routes/task_instances.py, airflow/models/taskinstance.py
#: (fetch_handle_failure_context), airflow/jobs/scheduler_job_runner.py (adopt_or_reset_orphaned_tasks).
_ENDED_EVENTS: Final = ("failed", "up_for_retry", "success", "skipped", "fail task", "skip task")


def successor(session: Session, job: Job) -> Successor:
    """Tell why the job's task-instance id is gone: cleared, retried, orphan reset, or deleted."""
    row = session.execute(
        select(TaskInstance.id, TaskInstance.try_number, DagRun.clear_number)
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .where(
            TaskInstance.dag_id == job.dag_id,
            TaskInstance.run_id == job.run_id,
            TaskInstance.task_id == job.task_id,
            TaskInstance.map_index == job.map_index,
        )
    ).one_or_none()
    if row is None:
        return Successor(Replaced.DELETED)
    if row.clear_number != job.clear_number:
        return Successor(Replaced.CLEARED, row.id, row.try_number)
    ended = session.scalar(
        select(Log.id)
        .where(
            Log.dag_id == job.dag_id,
            Log.run_id == job.run_id,
            Log.task_id == job.task_id,
            Log.map_index == job.map_index,
            # Later tries too: an orphan's fresh attempt gets its number only when Airflow schedules it.
            Log.try_number >= job.try_number,
            Log.event.in_(_ENDED_EVENTS),
        )
        .limit(1)
    )
    return Successor(Replaced.RETRIED if ended else Replaced.ORPHANED, row.id, row.try_number)
