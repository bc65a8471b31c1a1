# SPDX-License-Identifier: Apache-2.0
"""Events that a notifier has still to be told of, and jobs of which it is time to tell."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.causes import Cause, notice_of
from airflow_priority_spark.store.models import Event, Job, Queue


@dataclass(frozen=True, slots=True)
class Notification:
    """One event, of one job, that somebody may want to know of.

    :param names: notifiers that the job's author wants told.
    """

    notice: str
    reason: str
    at: datetime.datetime
    job_id: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    namespace: str
    pool: str
    team: str
    names: tuple[str, ...]


def waiting(session: Session, limit: int) -> Sequence[int]:
    """Return events that nobody has been told of, oldest first (one statement)."""
    return session.scalars(select(Event.id).where(Event.to_notify).order_by(Event.id).limit(limit)).all()


def take(session: Session, limit: int) -> list[Notification]:
    """Return notifications, and forget that they were to be sent (three statements)."""
    ids = waiting(session, limit)
    if not ids:
        return []
    rows = session.execute(
        select(Event, Job, Queue.namespace)
        .join(Job, Job.id == Event.job_id)
        .join(Queue, Queue.id == Job.queue_id)
        .where(Event.id.in_(ids))
        .order_by(Event.id)
    ).all()
    found = [_notification(event, job, namespace) for event, job, namespace in rows]
    session.execute(
        update(Event)
        .where(Event.id.in_(ids))
        .values(to_notify=False)
        .execution_options(synchronize_session=False)
    )
    return [item for item in found if item is not None]


def _notification(event: Event, job: Job, namespace: str) -> Notification | None:
    notice = notice_of(event.from_state, event.to_state, event.cause)
    if notice is None:
        return None
    return Notification(
        notice=notice.value,
        reason=event.reason,
        at=event.at,
        job_id=job.id,
        dag_id=job.dag_id,
        run_id=job.run_id,
        task_id=job.task_id,
        map_index=job.map_index,
        namespace=namespace,
        pool=event.pool or job.pool,
        team=job.team or "",
        names=tuple((job.notify or {}).get(notice.value, ())),
    )


def newly_blocked(session: Session, before: datetime.datetime, limit: int) -> Sequence[Job]:
    """Return jobs that capacity blocks since then or longer, of which that was not said (one statement)."""
    said = exists().where(
        Event.job_id == Job.id, Event.cause == Cause.BLOCKED.value, Event.at >= Job.blocked_since
    )
    return session.scalars(
        select(Job)
        .where(Job.blocking_resource.is_not(None), Job.state == JobState.QUEUED.value)
        .where(Job.blocked_since <= before, ~said)
        .order_by(Job.blocked_since, Job.id)
        .limit(limit)
    ).all()


def running_and_untold(session: Session, job_ids: Collection[str], cause: Cause) -> Sequence[Job]:
    """Return those of the jobs that run, of which this was not said in their present run (one statement)."""
    said = exists().where(Event.job_id == Job.id, Event.cause == cause.value, Event.at >= Job.started_at)
    return session.scalars(
        select(Job).where(Job.id.in_(list(job_ids)), Job.state == JobState.RUNNING.value, ~said)
    ).all()
