# SPDX-License-Identifier: Apache-2.0
"""Which tasks Airflow can take back.

A worker that defers ends, and its executor reports that end. If the task runs again before the scheduler
has taken the report in, the scheduler takes the report for the new run and fails the task ("state
mismatch", https://github.com/apache/airflow/issues/72716). The scheduler sends its heartbeat after it has
taken the reports in, in the same loop; so a heartbeat that is later than the deferral by the time a worker
needs to end shows that it has. A scheduler that is gone reports nothing any more.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from airflow.configuration import conf
from airflow.jobs.job import Job as AirflowJob
from airflow.jobs.job import JobState
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from airflow_priority_spark.store.models import Delivery, Job


def has_settled(
    session: Session, ti_id: UUID, deferred_at: datetime.datetime, seconds: float, now: datetime.datetime
) -> bool:
    """Tell whether Airflow can take a resume of a task that has deferred.

    :param seconds: the time a worker needs to end.
    """
    if now < deferred_at + datetime.timedelta(seconds=seconds):
        return False
    row = session.execute(
        select(AirflowJob.state, AirflowJob.latest_heartbeat)
        .join(TaskInstance, TaskInstance.queued_by_job_id == AirflowJob.id)
        .where(TaskInstance.id == ti_id)
    ).one_or_none()
    return row is None or _has_seen_the_end(row, deferred_at, seconds, now)


def settled_tasks(
    session: Session,
    deferred: Collection[tuple[UUID, datetime.datetime]],
    seconds: float,
    now: datetime.datetime,
) -> frozenset[UUID]:
    """Return those task instances that Airflow can take (at most one statement).

    :param deferred: task-instance ids, and when each has deferred.
    """
    late = {ti_id: at for ti_id, at in deferred if now >= at + datetime.timedelta(seconds=seconds)}
    if not late:
        return frozenset()
    rows = session.execute(
        select(TaskInstance.id, AirflowJob.state, AirflowJob.latest_heartbeat)
        .join(AirflowJob, TaskInstance.queued_by_job_id == AirflowJob.id)
        .where(TaskInstance.id.in_(list(late)))
    )
    unseen = {row.id for row in rows if not _has_seen_the_end(row, late[row.id], seconds, now)}
    return frozenset(late.keys() - unseen)


def _has_seen_the_end(
    scheduler: Row[Any], deferred_at: datetime.datetime, seconds: float, now: datetime.datetime
) -> bool:
    if scheduler.state != JobState.RUNNING or scheduler.latest_heartbeat is None:
        return True
    silent = now - scheduler.latest_heartbeat > datetime.timedelta(
        seconds=conf.getint("scheduler", "scheduler_health_check_threshold")
    )
    return bool(silent or scheduler.latest_heartbeat >= deferred_at + datetime.timedelta(seconds=seconds))


#: So many times as many are asked about as are wanted: some have not settled, for a few seconds.
_OVERSAMPLED = 4


_PROMISED: Final = (
    select(Job.id, Job.ti_id, Job.deferred_at)
    .join(Delivery, Delivery.job_id == Job.id)
    .where(Job.deferred_at <= bindparam("latest", type_=Job.deferred_at.type))
    .order_by(Delivery.decided_at, Job.position_at, Job.position_id, Job.id)
)


@dataclass(frozen=True, slots=True)
class Due:
    """A job whose task can be told now."""

    job_id: str
    ti_id: UUID


def due_deliveries(session: Session, seconds: float, now: datetime.datetime, limit: int) -> Sequence[Due]:
    """Return whom Airflow can take of those that something is to be told, oldest first (two statements)."""
    latest = now - datetime.timedelta(seconds=seconds)
    rows = session.execute(_PROMISED.limit(limit * _OVERSAMPLED), {"latest": latest}).all()
    settled = settled_tasks(session, [(row.ti_id, row.deferred_at) for row in rows], seconds, now)
    return [Due(row.id, row.ti_id) for row in rows if row.ti_id in settled][:limit]
