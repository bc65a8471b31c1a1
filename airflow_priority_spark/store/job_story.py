# SPDX-License-Identifier: Apache-2.0
"""One job with everything around it: its demand, its history, its grant, who is ahead of it.

A fixed number of statements, whatever the length of its line.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import Demand
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.airflow_waits import waits_in_airflow
from airflow_priority_spark.store.job_lists import positions
from airflow_priority_spark.store.job_reads import GrantSummary, JobSummary, summary_of
from airflow_priority_spark.store.models import Cluster, Event, Grant, Job, Queue
from airflow_priority_spark.store.over_limits import AS_WRITTEN, PeopleLimits

#: So many jobs ahead are shown, and so many events at a time.
AHEAD: Final = 10
EVENTS: Final = 500


@dataclass(frozen=True, slots=True)
class StoryEvent:
    """One line of a history; ``id`` grows with time."""

    id: int
    at: datetime.datetime
    from_state: str | None
    to_state: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """A job before another in its line."""

    id: str
    pool: str
    dag_id: str
    task_id: str
    sentence: str


@dataclass(frozen=True, slots=True)
class JobStory:
    """A job and what is around it.

    :param declared: what its author asks for, while a person has set another demand.
    :param events: its history from the start, at most ``EVENTS``.
    :param ahead: the first of those before it in its pool.
    :param waits_in_airflow: what of Airflow an admitted job waits for, ``None``: for nothing known.
    """

    summary: JobSummary
    demand: Demand
    declared: Demand | None
    exceeds_demand: bool
    grant: GrantSummary | None
    events: tuple[StoryEvent, ...]
    ahead: tuple[Ahead, ...]
    waits_in_airflow: str | None


def dag_and_state(session: Session, job_id: UUID) -> tuple[str, JobState] | None:
    """Return whose job it is and its state, ``None`` when nobody knows it (one statement)."""
    row = session.execute(select(Job.dag_id, Job.state).where(Job.id == str(job_id))).one_or_none()
    return (row.dag_id, JobState(row.state)) if row else None


def job_story(
    session: Session, job_id: UUID, now: datetime.datetime, people: PeopleLimits = AS_WRITTEN
) -> JobStory | None:
    """Return everything around a job, ``None`` when nobody knows it.

    :param people: how the limits on people stand.
    """
    row = session.execute(
        select(Job, Queue.namespace, Cluster.name)
        .join(Queue, Queue.id == Job.queue_id)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .where(Job.id == str(job_id))
    ).one_or_none()
    if row is None:
        return None
    job, namespace, cluster = row
    position = positions(session, [job]).get(job.id)
    return JobStory(
        summary=summary_of(job, namespace, cluster, position, now, people=people),
        demand=demand_from_json(job.demand),
        declared=demand_from_json(job.declared) if job.declared else None,
        exceeds_demand=job.exceeds_demand,
        grant=_grant(session, job.id),
        events=events_after(session, job.id, 0),
        ahead=_ahead(session, job) if position is not None else (),
        waits_in_airflow=_airflow(session, job, now),
    )


def events_after(session: Session, job_id: str, after: int, limit: int = EVENTS) -> tuple[StoryEvent, ...]:
    """Return events of a job in order, behind the one with the id ``after`` (one statement)."""
    rows = session.execute(
        select(Event.id, Event.at, Event.from_state, Event.to_state, Event.reason, Event.actor)
        .where(Event.job_id == job_id, Event.id > after)
        .order_by(Event.id)
        .limit(limit)
    )
    return tuple(StoryEvent(*row) for row in rows)


def _grant(session: Session, job_id: str) -> GrantSummary | None:
    row = session.execute(
        select(Grant.admission, Grant.unchecked, Grant.granted_at, Grant.valid_until).where(
            Grant.job_id == job_id
        )
    ).one_or_none()
    return GrantSummary(*row) if row else None


def _ahead(session: Session, job: Job) -> tuple[Ahead, ...]:
    before = or_(
        Job.position_at < job.position_at,
        and_(Job.position_at == job.position_at, Job.position_id < job.position_id),
        and_(Job.position_at == job.position_at, Job.position_id == job.position_id, Job.id < job.id),
    )
    rows: Sequence[Job] = session.scalars(
        select(Job)
        .where(Job.state == JobState.QUEUED.value, Job.queue_id == job.queue_id, Job.pool == job.pool, before)
        .order_by(Job.position_at, Job.position_id, Job.id)
        .limit(AHEAD)
    ).all()
    return tuple(Ahead(each.id, each.pool, each.dag_id, each.task_id, _says(each)) for each in rows)


def _says(job: Job) -> str:
    if job.ineligible is not None:
        return f"{job.ineligible}: {job.ineligible_detail}" if job.ineligible_detail else job.ineligible
    return str(job.verdict["sentence"]) if job.verdict else "queued"


def _airflow(session: Session, job: Job, now: datetime.datetime) -> str | None:
    if job.state != JobState.ADMITTED.value:
        return None
    # The arbiter writes the sentence down when it is news; a younger one is asked for here.
    found = waits_in_airflow(session, now).get(job.id)
    return found or (job.reason if job.reason.startswith("admitted, but ") else None)
