# SPDX-License-Identifier: Apache-2.0
"""Job rows: creation, the one way to change their state, and the reads a cycle needs.

``move`` is the only writer of ``Job.state``: it asks the transition table, stamps the instant and
writes the event row in the same transaction, so that no change of state is without a reason.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState, check_transition, is_terminal
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.store.models import Delivery, Event, Grant, Job

MAX_REASON: Final = 4000


def task_key(job: Job) -> TaskKey:
    """Return the identity of the job's task over all its attempts."""
    return TaskKey(job.dag_id, job.run_id, job.task_id, job.map_index)


def create_job(session: Session, state: JobState, reason: str, actor: str, **columns: Any) -> Job:
    """Insert a job with its first event.

    :param columns: every other column of ``Job`` that has no default.
    """
    job = Job(id=str(uuid4()), state=state.value, reason=reason[:MAX_REASON], **columns)
    if is_terminal(state):
        job.ended_at = job.queued_at
    session.add(job)
    session.flush()
    _event(session, job, None, state, reason, actor, job.queued_at)
    return job


_STAMPS: Final[Mapping[JobState, str]] = {
    JobState.ADMITTED: "admitted_at",
    JobState.SUBMITTED: "submitted_at",
    JobState.RUNNING: "started_at",
}


def move(
    session: Session, job: Job, state: JobState, reason: str, actor: str, now: datetime.datetime
) -> None:
    """Change a job's state, with an event.

    :raises IllegalTransition: when the table of transitions does not know the way.
    """
    current = JobState(job.state)
    check_transition(job.id, current, state)
    job.state = state.value
    job.reason = reason[:MAX_REASON]
    if state in _STAMPS:
        setattr(job, _STAMPS[state], now)
    if state is not JobState.QUEUED:
        job.verdict = job.blocking_resource = job.blocked_since = None
    if state is JobState.QUEUED:
        job.admitted_at = job.submitted_at = job.started_at = None
    if state is not JobState.HELD:
        job.ineligible, job.ineligible_detail = None, ""
    if is_terminal(state):
        job.ended_at, job.parked = now, False
    session.flush()
    _event(session, job, current, state, reason, actor, now)


def note(session: Session, job: Job, reason: str, actor: str, now: datetime.datetime) -> None:
    """Write an event that does not change the state."""
    _event(session, job, JobState(job.state), JobState(job.state), reason, actor, now)


def _event(
    session: Session,
    job: Job,
    before: JobState | None,
    after: JobState,
    reason: str,
    actor: str,
    now: datetime.datetime,
) -> None:
    session.add(
        Event(
            job_id=job.id,
            at=now,
            from_state=before.value if before else None,
            to_state=after.value,
            reason=reason[:MAX_REASON],
            actor=actor[:250],
        )
    )


def history(session: Session, job_ids: Collection[str]) -> dict[str, list[str]]:
    """Return a line for every event of the jobs, oldest first, for the task log (one statement)."""
    lines: dict[str, list[str]] = {}
    rows = session.execute(
        select(Event.job_id, Event.at, Event.to_state, Event.reason)
        .where(Event.job_id.in_(list(job_ids)))
        .order_by(Event.id)
    )
    for job_id, at, state, reason in rows:
        lines.setdefault(job_id, []).append(f"{at:%Y-%m-%d %H:%M:%S}Z {state}: {reason}")
    return lines


def job_of_attempt(session: Session, ti_id: Any) -> Job | None:
    """Return the job of a task-instance id."""
    return session.scalar(select(Job).where(Job.ti_id == ti_id))


def open_jobs_of_task(session: Session, key: TaskKey) -> Sequence[Job]:
    """Return the jobs of a task that have not ended, newest first."""
    return session.scalars(
        select(Job)
        .where(
            Job.dag_id == key.dag_id,
            Job.run_id == key.run_id,
            Job.task_id == key.task_id,
            Job.map_index == key.map_index,
            Job.ended_at.is_(None),
        )
        .order_by(Job.queued_at.desc())
    ).all()


def front(session: Session, per_pool: int) -> Sequence[Job]:
    """Return the first ``per_pool`` queued jobs of every priority pool, in order.

    More can never be admitted in one cycle, so a cycle reads as much for ten thousand waiting jobs
    as for a hundred. Jobs that were found not eligible are read besides, so that they hide nobody.
    """
    rank = (
        func.row_number()
        .over(
            partition_by=(Job.queue_id, Job.pool),
            order_by=(Job.position_at, Job.position_id, Job.id),
        )
        .label("rank")
    )
    eligible = and_(Job.state == JobState.QUEUED.value, Job.ineligible.is_(None))
    ranked = select(Job.id, rank).where(eligible).subquery()
    first = select(ranked.c.id).where(ranked.c.rank <= per_pool)
    flagged = and_(Job.state == JobState.QUEUED.value, Job.ineligible.is_not(None))
    return session.scalars(
        select(Job).where(or_(Job.id.in_(first), flagged)).order_by(Job.position_at, Job.position_id, Job.id)
    ).all()


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A grant with what is needed to judge it."""

    grant: Grant
    job: Job


def read_grants(session: Session) -> Sequence[GrantRow]:
    """Return every grant with its job (one statement; as many rows as jobs hold capacity)."""
    rows = session.execute(select(Grant, Job).join(Job, Job.id == Grant.job_id).order_by(Grant.job_id))
    return [GrantRow(grant, job) for grant, job in rows]


def give_grant(
    session: Session, job: Job, *, unchecked: bool, now: datetime.datetime, valid_until: datetime.datetime
) -> None:
    """Write the grant of the job's current admission, replacing that of an earlier one."""
    row = session.get(Grant, job.id) or Grant(job_id=job.id)
    row.queue_id, row.admission, row.demand = job.queue_id, job.admission, job.demand
    row.unchecked, row.granted_at, row.valid_until = unchecked, now, valid_until
    session.add(row)
    session.flush()


def extend_grant(session: Session, job_id: str, valid_until: datetime.datetime) -> None:
    """Let the admission hold until ``valid_until``."""
    row = session.get(Grant, job_id)
    if row is not None:
        row.valid_until = valid_until
        session.flush()


def release_grant(session: Session, job_id: str) -> bool:
    """End the promise; true when there was one."""
    row = session.get(Grant, job_id)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    return True


def jobs_by_id(session: Session, job_ids: Collection[str]) -> dict[str, Job]:
    """Return jobs by id (one statement); unknown ids are missing."""
    if not job_ids:
        return {}
    return {job.id: job for job in session.scalars(select(Job).where(Job.id.in_(list(job_ids))))}


def waiting_batch(session: Session, limit: int) -> Sequence[Job]:
    """Return parked jobs that wait, oldest first."""
    waiting = [JobState.QUEUED.value, JobState.HELD.value]
    return session.scalars(
        select(Job)
        .where(Job.state.in_(waiting))
        .order_by(Job.position_at, Job.position_id, Job.id)
        .limit(limit)
    ).all()


def promise(session: Session, job: Job, event: dict[str, Any], now: datetime.datetime) -> None:
    """Note the event that the job's task, which stays parked until then, is to be resumed with."""
    job.parked = True
    row = session.get(Delivery, job.id) or Delivery(job_id=job.id)
    row.event, row.decided_at = event, now
    session.add(row)
    session.flush()


def promised(session: Session) -> Sequence[tuple[Delivery, Job]]:
    """Return the events that are to be delivered, oldest first (one statement)."""
    rows = session.execute(
        select(Delivery, Job)
        .join(Job, Job.id == Delivery.job_id)
        .order_by(Delivery.decided_at, Job.position_at, Job.position_id, Job.id)
    )
    return [(delivery, job) for delivery, job in rows]


def place(session: Session, queue_id: int, pool: str, at: datetime.datetime, number: int) -> int:
    """Return the place that a position has among a pool's waiting jobs: 1 is the head.

    :param at, number: ``position_at`` and ``position_id`` of the job.
    """
    before = or_(Job.position_at < at, and_(Job.position_at == at, Job.position_id < number))
    where = (Job.state == JobState.QUEUED.value, Job.queue_id == queue_id, Job.pool == pool, before)
    return (session.scalar(select(func.count()).select_from(Job).where(*where)) or 0) + 1


def overdue(session: Session, now: datetime.datetime, limit: int) -> Sequence[Job]:
    """Return queued jobs whose time in the queue is over, but for those that look for an application."""
    return session.scalars(
        select(Job)
        .where(Job.state == JobState.QUEUED.value, Job.queue_deadline < now, Job.adopt.is_(False))
        .order_by(Job.queue_deadline, Job.id)
        .limit(limit)
    ).all()


def count_waiting(session: Session) -> int:
    """Return how many jobs wait in our tables instead of in Airflow's triggerer."""
    waiting = [JobState.QUEUED.value, JobState.HELD.value]
    return session.scalar(select(func.count()).select_from(Job).where(Job.state.in_(waiting))) or 0
