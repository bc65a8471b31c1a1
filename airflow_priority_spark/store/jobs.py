# SPDX-License-Identifier: Apache-2.0
"""Job rows: creation, the one way to change their state, their grants and what their tasks are to be told.

``move`` is the only writer of ``Job.state``: it asks the transition table, stamps the instant and
writes the event row in the same transaction, so that no change of state is without a reason.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, column, delete, func, or_, select, tuple_, update, values
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState, check_transition, is_terminal
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.store.causes import Cause, notice_of
from airflow_priority_spark.store.job_ids import new_job_id
from airflow_priority_spark.store.models import Delivery, Event, Grant, Job
from airflow_priority_spark.store.writing import insert_later

MAX_REASON: Final = 4000
#: Counting a line takes longer the longer it is; from here on its length is no news to anybody.
MOST_COUNTED: Final = 10_000


def task_key(job: Job) -> TaskKey:
    """Return the identity of the job's task over all its attempts."""
    return TaskKey(job.dag_id, job.run_id, job.task_id, job.map_index)


def create_job(session: Session, state: JobState, reason: str, actor: str, **columns: Any) -> Job:
    """Insert a job with its first event.

    :param columns: every other column of ``Job`` that has no default.
    """
    job = Job(id=new_job_id(), state=state.value, reason=reason[:MAX_REASON], **columns)
    if is_terminal(state):
        job.ended_at = job.queued_at
    session.add(job)
    session.flush()
    _event(session, job, None, state, reason, actor, job.queued_at, _first(job))
    return job


def create_jobs(session: Session, rows: Sequence[Mapping[str, Any]], actor: str) -> Sequence[Job]:
    """Insert jobs, each with its first event (two statements).

    :param rows: every column of ``Job`` that has no default, but for the id.
    """
    created = [Job(id=new_job_id(), **row) for row in rows]
    session.add_all(created)
    session.flush()
    for job in created:
        _event(session, job, None, JobState(job.state), job.reason, actor, job.queued_at, _first(job))
    return created


def _first(job: Job) -> Cause | None:
    return Cause.RETRY if job.try_number > 1 else None


_STAMPS: Final[Mapping[JobState, str]] = {
    JobState.ADMITTED: "admitted_at",
    JobState.SUBMITTED: "submitted_at",
    JobState.RUNNING: "started_at",
}


def move(
    session: Session,
    job: Job,
    state: JobState,
    reason: str,
    actor: str,
    now: datetime.datetime,
    *,
    cause: Cause | None = None,
) -> None:
    """Change a job's state, with an event; the caller flushes, so that many jobs are written at once.

    :param cause: why, where the states do not say it all.
    :raises IllegalTransition: when the table of transitions does not know the way.
    """
    current = JobState(job.state)
    check_transition(job.id, current, state)
    seconds = _lasted(job, current, state, now)
    job.state = state.value
    job.reason = reason[:MAX_REASON]
    if state in _STAMPS:
        setattr(job, _STAMPS[state], now)
    if state is not JobState.QUEUED:
        job.verdict = job.blocking_resource = job.blocked_since = None
    if state is JobState.QUEUED:
        job.admitted_at = job.submitted_at = job.started_at = None
    if state is not JobState.HELD:
        job.ineligible, job.ineligible_detail, job.held_reason = None, "", ""
    if is_terminal(state):
        job.ended_at, job.parked = now, False
    _event(session, job, current, state, reason, actor, now, cause, seconds)


def _lasted(job: Job, before: JobState, after: JobState, now: datetime.datetime) -> float | None:
    """Return how long what ends here has lasted: a wait, the way from admission to running, a run."""
    since = None
    if after is JobState.ADMITTED:
        # A job that came back waits since then: its time on the cluster was no time in the queue.
        since = max(job.queued_at, job.deferred_at) if job.reschedules else job.queued_at
    elif after is JobState.RUNNING:
        since = job.admitted_at
    elif is_terminal(after) and before is JobState.RUNNING:
        since = job.started_at
    return max(0.0, (now - since).total_seconds()) if since is not None else None


def hold(
    session: Session, job: Job, why: HeldReason, reason: str, actor: str, now: datetime.datetime
) -> None:
    """Keep a queued job aside.

    :param why: decides who releases it.
    """
    cause = Cause.HEAD_TIMEOUT if why is HeldReason.TIMEOUT else None
    move(session, job, JobState.HELD, reason, actor, now, cause=cause)
    job.held_reason = why.value
    job.ineligible = "paused" if why is HeldReason.PAUSED else "held"
    job.ineligible_detail = job.reason


def note(
    session: Session,
    job: Job,
    reason: str,
    actor: str,
    now: datetime.datetime,
    *,
    cause: Cause | None = None,
) -> None:
    """Write an event that does not change the state."""
    _event(session, job, JobState(job.state), JobState(job.state), reason, actor, now, cause)


def _event(  # noqa: PLR0913, PLR0917 - a row has as many columns
    session: Session,
    job: Job,
    before: JobState | None,
    after: JobState,
    reason: str,
    actor: str,
    now: datetime.datetime,
    cause: Cause | None = None,
    seconds: float | None = None,
) -> None:
    row = {
        "job_id": job.id,
        "at": now,
        "from_state": before.value if before else None,
        "to_state": after.value,
        "reason": reason[:MAX_REASON],
        "actor": actor[:250],
        "cause": cause,
        "pool": job.pool,
        "seconds": seconds,
        "to_notify": notice_of(before, after, cause) is not None,
    }
    insert_later(session, Event, row)


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


def jobs_of_attempts(session: Session, ti_ids: Collection[UUID]) -> dict[UUID, Job]:
    """Return the jobs of task-instance ids (one statement)."""
    found = session.scalars(select(Job).where(Job.ti_id.in_(list(ti_ids))))
    return {job.ti_id: job for job in found}


def open_jobs_of_tasks(session: Session, keys: Collection[TaskKey]) -> Sequence[Job]:
    """Return the jobs of tasks that have not ended, newest first (one statement)."""
    columns = tuple_(Job.dag_id, Job.run_id, Job.task_id, Job.map_index)
    wanted = [(key.dag_id, key.run_id, key.task_id, key.map_index) for key in keys]
    return session.scalars(
        select(Job).where(columns.in_(wanted), Job.ended_at.is_(None)).order_by(Job.queued_at.desc(), Job.id)
    ).all()


def give_grant(
    session: Session, job: Job, *, unchecked: bool, now: datetime.datetime, valid_until: datetime.datetime
) -> None:
    """Write the grant of the job's current admission, replacing that of an earlier one."""
    give_grants(session, {job: unchecked}, now=now, valid_until=valid_until)


def give_grants(
    session: Session, jobs: Mapping[Job, bool], *, now: datetime.datetime, valid_until: datetime.datetime
) -> None:
    """Write the grants of the jobs' current admissions, replacing those of earlier ones.

    :param jobs: job → is the grant unchecked, given whatever the room.
    """
    ids = [job.id for job in jobs]
    known = {row.job_id: row for row in session.scalars(select(Grant).where(Grant.job_id.in_(ids)))}
    for job, unchecked in jobs.items():
        row = known.get(job.id) or Grant(job_id=job.id)
        row.queue_id, row.admission, row.demand = job.queue_id, job.admission, job.demand
        row.unchecked, row.granted_at, row.valid_until = unchecked, now, valid_until
        session.add(row)
    session.flush()


def extend_grants(session: Session, job_ids: Collection[str], valid_until: datetime.datetime) -> None:
    """Let these admissions hold until ``valid_until`` (one statement)."""
    session.execute(
        update(Grant)
        .where(Grant.job_id.in_(list(job_ids)))
        .values(valid_until=valid_until)
        .execution_options(synchronize_session="fetch")
    )


def release_grants(session: Session, job_ids: Collection[str]) -> None:
    """End the promises to these jobs, where there are any (one statement)."""
    session.flush()
    session.execute(
        delete(Grant).where(Grant.job_id.in_(list(job_ids))).execution_options(synchronize_session="fetch")
    )


def lock_queued(session: Session, job_ids: Collection[str]) -> Sequence[Job]:
    """Lock those of the jobs that are queued, and return them as they are now (one statement)."""
    return session.scalars(
        select(Job)
        .where(Job.id.in_(list(job_ids)), Job.state == JobState.QUEUED.value)
        .order_by(Job.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


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
    promise_all(session, {job: event}, now)


def promise_all(session: Session, events: Mapping[Job, dict[str, Any]], now: datetime.datetime) -> None:
    """Note the events that the jobs' tasks are to be resumed with; each stays parked until then."""
    ids = [job.id for job in events]
    known = {row.job_id: row for row in session.scalars(select(Delivery).where(Delivery.job_id.in_(ids)))}
    for job, event in events.items():
        job.parked = True
        row = known.get(job.id) or Delivery(job_id=job.id)
        row.event, row.decided_at = event, now
        session.add(row)
    session.flush()


def promised(session: Session, job_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the events that the tasks of these jobs are to be resumed with (one statement)."""
    rows = session.execute(select(Delivery.job_id, Delivery.event).where(Delivery.job_id.in_(list(job_ids))))
    return {row.job_id: row.event for row in rows}


def told(session: Session, job_ids: Collection[str]) -> None:
    """Forget what was to be told to these jobs' tasks: they were told, or are gone (two statements)."""
    if not job_ids:
        return
    ids, options = list(job_ids), {"synchronize_session": "fetch"}
    session.execute(delete(Delivery).where(Delivery.job_id.in_(ids)).execution_options(**options))
    session.execute(update(Job).where(Job.id.in_(ids)).values(parked=False).execution_options(**options))


def promised_jobs(session: Session) -> Sequence[str]:
    """Return the jobs whose tasks are still to be told something, oldest first."""
    return session.scalars(select(Delivery.job_id).order_by(Delivery.decided_at, Delivery.job_id)).all()


def places(
    session: Session, positions: Mapping[tuple[int, str], tuple[datetime.datetime, int]]
) -> dict[tuple[int, str], int]:
    """Return the place that a position has among a pool's waiting jobs: 1 is the head (one statement).

    Nobody counts behind ``MOST_COUNTED`` jobs: any place beyond is returned as one more.

    :param positions: queue and pool → ``position_at`` and ``position_id`` of a job.
    """
    if not positions:
        return {}
    columns = (Job.queue_id, Job.pool, Job.position_at, Job.position_id)
    # A common table expression: SQLite cannot name the columns of VALUES in a FROM clause.
    line = (
        values(*(column(each.name, each.type) for each in columns))
        .data([(*line, *position) for line, position in positions.items()])
        .cte("line")
    )
    before = or_(
        Job.position_at < line.c.position_at,
        and_(Job.position_at == line.c.position_at, Job.position_id < line.c.position_id),
    )
    same = (Job.queue_id == line.c.queue_id, Job.pool == line.c.pool)
    earlier = select(Job.id).where(Job.state == JobState.QUEUED.value, *same, before).correlate(line)
    count = select(func.count()).select_from(earlier.limit(MOST_COUNTED).subquery())
    rows = session.execute(select(line.c.queue_id, line.c.pool, count.scalar_subquery()))
    return {(queue_id, pool): ahead + 1 for queue_id, pool, ahead in rows}


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
