# SPDX-License-Identifier: Apache-2.0
"""What metrics are made of: a fixed number of statements, whatever the number of jobs."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, JobState
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.models import Cluster, Grant, Job, Queue
from airflow_priority_spark.store.status_reads import (
    ArbiterStatus,
    ClusterPicture,
    arbiter_status,
    latest_snapshots,
)
from airflow_priority_spark.store.tallies import Amounts, totals


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A queue's name and settings."""

    id: int
    cluster_id: str
    cluster: str
    namespace: str
    paused: bool
    draining: bool
    capacity: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class JobCount:
    """Open jobs that are alike.

    :param oldest: first instant at which one of them was queued; of admitted jobs: admitted.
    """

    queue_id: int
    pool: str
    state: JobState
    ineligible: str | None
    blocking_resource: str | None
    count: int
    oldest: datetime.datetime


@dataclass(frozen=True, slots=True)
class HeadFacts:
    """The first eligible job of a priority pool; ``verdict``: why it is blocked, if it is."""

    queue_id: int
    pool: str
    queued_at: datetime.datetime
    blocked_since: datetime.datetime | None
    verdict: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Holding:
    """What one job holds.

    :param ended_at: its end, when the grant still waits for the pods to be gone.
    """

    job_id: str
    queue_id: int
    pool: str
    team: str
    dag_id: str
    task_id: str
    resources: Resources
    ended_at: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Site:
    """All of it, at one moment."""

    now: datetime.datetime
    queues: dict[int, QueueFacts]
    counts: tuple[JobCount, ...]
    heads: tuple[HeadFacts, ...]
    holdings: tuple[Holding, ...]
    pictures: tuple[ClusterPicture, ...]
    arbiter: ArbiterStatus
    totals: Amounts


def read_site(session: Session, now: datetime.datetime) -> Site:
    """Read everything (seven statements).

    :raises DatabaseNotMigrated: when the arbiter's row is missing.
    """
    return Site(
        now,
        _queues(session),
        _counts(session),
        _heads(session),
        _holdings(session),
        latest_snapshots(session, now),
        arbiter_status(session, now),
        totals(session),
    )


def _queues(session: Session) -> dict[int, QueueFacts]:
    rows = session.execute(
        select(
            Queue.id,
            Queue.cluster_id,
            Cluster.name,
            Queue.namespace,
            Queue.paused,
            Queue.draining,
            Queue.capacity,
        ).join(Cluster, Cluster.cluster_id == Queue.cluster_id)
    )
    return {row.id: QueueFacts(*row) for row in rows}


def _counts(session: Session) -> tuple[JobCount, ...]:
    groups = (Job.queue_id, Job.pool, Job.state, Job.ineligible, Job.blocking_resource)
    # Never missing: every job was queued once.
    oldest: Any = func.coalesce(func.min(Job.admitted_at), func.min(Job.queued_at), type_=Job.queued_at.type)
    rows = session.execute(
        select(*groups, func.count(), oldest)
        .where(Job.state.in_([str(state) for state in WAITING | ACTIVE]))
        .group_by(*groups)
    )
    return tuple(
        JobCount(queue_id, pool, JobState(state), ineligible, resource, count, first)
        for queue_id, pool, state, ineligible, resource, count, first in rows
    )


def _heads(session: Session) -> tuple[HeadFacts, ...]:
    rank = func.row_number().over(
        partition_by=(Job.queue_id, Job.pool), order_by=(Job.position_at, Job.position_id, Job.id)
    )
    eligible = (Job.state == JobState.QUEUED.value, Job.ineligible.is_(None))
    ranked = select(Job.id, rank.label("rank")).where(*eligible).subquery()
    rows = session.execute(
        select(Job.queue_id, Job.pool, Job.queued_at, Job.blocked_since, Job.verdict).where(
            Job.id.in_(select(ranked.c.id).where(ranked.c.rank == 1))
        )
    )
    return tuple(HeadFacts(*row) for row in rows)


def _holdings(session: Session) -> tuple[Holding, ...]:
    rows = session.execute(
        select(
            Grant.job_id,
            Grant.queue_id,
            Job.pool,
            Job.team,
            Job.dag_id,
            Job.task_id,
            Grant.demand,
            Job.ended_at,
        ).join(Job, Job.id == Grant.job_id)
    )
    return tuple(
        Holding(
            job_id,
            queue_id,
            pool,
            team or "",
            dag_id,
            task_id,
            demand_from_json(demand).total(),
            ended_at,
        )
        for job_id, queue_id, pool, team, dag_id, task_id, demand, ended_at in rows
    )
