# SPDX-License-Identifier: Apache-2.0
"""Jobs as people see them: one page of a list, or one job with its history."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Subquery, func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import WAITING, JobState
from airflow_priority_spark.scheduling.model import Demand
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.cursors import Place, decode, encode, further_than
from airflow_priority_spark.store.models import Cluster, Event, Grant, Job, Queue
from airflow_priority_spark.store.over_limits import AS_WRITTEN, PeopleLimits
from airflow_priority_spark.store.selection import ANY_JOB, JobFilter

MAX_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job as a list shows it.

    :param position: place among the queued jobs of its priority pool, from 1; ``None`` when it is not queued.
    :param wait_seconds: from enqueueing to admission, or until now.
    :param blocking_resource: what a blocked job waits for, else ``None``.
    :param sentence: one sentence that says where the job is or what it waits for.
    :param demand: the sum over all its pods.
    :param admission: how often it was admitted.
    :param admission_order: grows with every admission of any job; ``None`` while not admitted.
    :param verdict: the last blocked verdict as ``arbiter.verdicts`` writes it; ``None``: not blocked.
    :param ineligible: why it is not looked at, ``None`` when it is.
    :param held_reason: one of ``scheduling.jobs.HeldReason`` while it is held, else empty.
    """

    id: str
    ti_id: UUID
    queue_id: int
    task: TaskKey
    try_number: int
    cluster: str
    namespace: str
    pool: str
    state: JobState
    flow: str
    position: int | None
    wait_seconds: float
    blocking_resource: str | None
    sentence: str
    reason: str
    demand: Resources
    admission: int
    admission_order: int | None
    reschedules: int
    application: str | None
    application_state: str | None
    user: str | None
    team: str | None
    queued_at: datetime.datetime
    admitted_at: datetime.datetime | None
    submitted_at: datetime.datetime | None
    started_at: datetime.datetime | None
    ended_at: datetime.datetime | None
    verdict: dict[str, Any] | None
    ineligible: str | None
    held_reason: str
    service: str | None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs in order of enqueueing; ``next`` continues the list, ``None`` at its end."""

    jobs: tuple[JobSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of a job's history."""

    at: datetime.datetime
    from_state: str | None
    to_state: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class GrantSummary:
    """Capacity a job holds. ``unchecked``: given whatever the capacity was."""

    admission: int
    unchecked: bool
    granted_at: datetime.datetime
    valid_until: datetime.datetime


@dataclass(frozen=True, slots=True)
class JobDetail:
    """Everything known about one job."""

    summary: JobSummary
    ti_id: UUID
    demand: Demand
    grant: GrantSummary | None
    events: tuple[EventRow, ...]


def list_jobs(
    session: Session,
    now: datetime.datetime,
    wanted: JobFilter = ANY_JOB,
    *,
    limit: int = 100,
    after: str | None = None,
    newest_first: bool = False,
    people: PeopleLimits = AS_WRITTEN,
) -> JobPage:
    """Return a page of jobs in order of enqueueing (at most two statements).

    :param limit: at most so many jobs, up to 1000.
    :param after: the ``next`` of the page before, which had the same order.
    :param people: how the limits on people stand.
    :raises InvalidInput: when ``after`` is no such text.
    """
    conditions = wanted.conditions()
    if after is not None:
        conditions.append(further_than(decode(after), newest_first=newest_first))
    size = max(1, min(limit, MAX_PAGE))
    found = _summaries(session, now, conditions, size + 1, people, newest_first=newest_first)
    page = found[:size]
    last = page[-1][1] if len(found) > size else None
    return JobPage(tuple(summary for summary, _ in page), encode(last) if last else None)


def get_job(
    session: Session, job_id: str, now: datetime.datetime, *, people: PeopleLimits = AS_WRITTEN
) -> JobDetail | None:
    """Return one job with its history and grant, ``None`` when the id is unknown (up to five statements).

    :param people: how the limits on people stand.
    """
    found = _summaries(session, now, [Job.id == job_id], 1, people)
    if not found:
        return None
    ti_id, demand = session.execute(select(Job.ti_id, Job.demand).where(Job.id == job_id)).one()
    grant = session.execute(
        select(Grant.admission, Grant.unchecked, Grant.granted_at, Grant.valid_until).where(
            Grant.job_id == job_id
        )
    ).one_or_none()
    events = session.execute(
        select(Event.at, Event.from_state, Event.to_state, Event.reason, Event.actor)
        .where(Event.job_id == job_id)
        .order_by(Event.id)
    )
    return JobDetail(
        summary=found[0][0],
        ti_id=ti_id,
        demand=demand_from_json(demand),
        grant=GrantSummary(*grant) if grant else None,
        events=tuple(EventRow(*row) for row in events),
    )


def _summaries(
    session: Session,
    now: datetime.datetime,
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
    people: PeopleLimits,
    *,
    newest_first: bool = False,
) -> list[tuple[JobSummary, Place]]:
    line = _line()
    order = (Job.position_at, Job.position_id, Job.id)
    rows = session.execute(
        select(Job, Queue.namespace, Cluster.name, line.c.position)
        .join(Queue, Queue.id == Job.queue_id)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .join(line, line.c.id == Job.id, isouter=True)
        .where(*conditions)
        .order_by(*(column.desc() if newest_first else column for column in order))
        .limit(limit)
    ).all()
    orders = _admission_orders(session, [row[0].id for row in rows if row[0].admitted_at is not None])
    return [
        (
            summary_of(
                job, namespace, cluster, position, now, admission_order=orders.get(job.id), people=people
            ),
            Place(job.position_at, job.position_id, job.id),
        )
        for job, namespace, cluster, position in rows
    ]


def _line() -> Subquery:
    """Give a number to the queued jobs of every priority pool in their order."""
    position = func.row_number().over(
        partition_by=(Job.queue_id, Job.pool),
        order_by=(Job.position_at, Job.position_id, Job.id),
    )
    queued = Job.state == JobState.QUEUED.value
    return select(Job.id, position.label("position")).where(queued).subquery("line")


def _admission_orders(session: Session, job_ids: Sequence[str]) -> dict[str, int]:
    """Return each job's last admission as the number of its event: events of one instant keep their order."""
    if not job_ids:
        return {}
    rows = session.execute(
        select(Event.job_id, func.max(Event.id))
        .where(
            Event.job_id.in_(job_ids),
            Event.to_state == JobState.ADMITTED.value,
            Event.from_state.is_distinct_from(JobState.ADMITTED.value),
        )
        .group_by(Event.job_id)
    )
    return {row[0]: row[1] for row in rows}


def summary_of(
    job: Job,
    namespace: str,
    cluster: str,
    position: int | None,
    now: datetime.datetime,
    *,
    admission_order: int | None = None,
    people: PeopleLimits = AS_WRITTEN,
) -> JobSummary:
    """Return a row as a list shows it.

    :param position: its place in the line of its priority pool, from 1; ``None`` when it is not queued.
    :param now: a wait that goes on is counted until then.
    :param people: how the limits on people stand.
    """
    ineligible, clause = people.ineligible(job)
    until = job.admitted_at or job.ended_at or now
    return JobSummary(
        id=job.id,
        ti_id=job.ti_id,
        queue_id=job.queue_id,
        task=TaskKey(job.dag_id, job.run_id, job.task_id, job.map_index),
        try_number=job.try_number,
        cluster=cluster,
        namespace=namespace,
        pool=job.pool,
        state=JobState(job.state),
        flow=job.flow,
        position=position,
        wait_seconds=max(0.0, (until - job.queued_at).total_seconds()),
        blocking_resource=job.blocking_resource if ineligible is None else None,
        sentence=_sentence(job, position, ineligible, clause),
        reason=job.reason,
        demand=demand_from_json(job.demand).total(),
        admission=job.admission,
        admission_order=admission_order,
        reschedules=job.reschedules,
        application=job.application_name,
        application_state=job.application_state,
        user=job.user,
        team=job.team,
        queued_at=job.queued_at,
        admitted_at=job.admitted_at,
        submitted_at=job.submitted_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        # Who has come to be over a limit was not read since, and may still say what blocked it before.
        verdict=job.verdict if ineligible is None else None,
        ineligible=ineligible,
        held_reason=job.held_reason,
        service=job.service,
    )


def _sentence(job: Job, position: int | None, ineligible: str | None, clause: str) -> str:
    """Say why a waiting job waits; of another, what happened to it last."""
    if JobState(job.state) not in WAITING:
        return job.reason
    if ineligible is not None:
        return f"{ineligible}: {clause}" if clause else ineligible
    if job.verdict is not None:
        return str(job.verdict["sentence"])
    if position is not None and position > 1:
        return f"behind {position - 1} of its priority pool"
    return job.reason
