# SPDX-License-Identifier: Apache-2.0
"""Queues as people see them: how long each line is, who is at its head and what that waits for."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, JobState
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.models import Cluster, Grant, Job, Pool, Queue


@dataclass(frozen=True, slots=True)
class HeadSummary:
    """The first eligible job of a priority pool.

    :param sentence: what it waits for, with numbers; empty while it is not blocked.
    :param blocked_seconds: since when it has been blocked by capacity; ``None`` while it is not.
    """

    job_id: str
    task: TaskKey
    blocking_resource: str | None
    sentence: str
    blocked_seconds: float | None


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """A priority pool.

    :param length: queued jobs.
    :param held: jobs kept aside.
    :param active: admitted jobs that have not ended.
    :param running: those whose application runs.
    """

    name: str
    weight: int
    length: int
    held: int
    active: int
    running: int
    head: HeadSummary | None
    oldest_wait_seconds: float | None


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """A queue; the counts are the sums over its priority pools.

    :param granted: the sum of the demands of all grants.
    :param oldest_wait_seconds: of the longest waiting job; ``None`` when nothing waits.
    :param blocking: what the heads wait for, each resource once, sorted.
    """

    id: int
    cluster_id: str
    cluster: str
    namespace: str
    weight: int
    policy: str
    paused: bool
    draining: bool
    pools: tuple[PoolSummary, ...]
    length: int
    held: int
    active: int
    running: int
    granted: Resources
    oldest_wait_seconds: float | None
    blocking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """What the jobs of one priority pool add up to."""

    counts: Counter[JobState]
    oldest: datetime.datetime | None


_Lines = Mapping[tuple[int, str], _Line]
_Heads = Mapping[tuple[int, str], HeadSummary]


def list_queues(session: Session, now: datetime.datetime) -> tuple[QueueSummary, ...]:
    """Return every queue by cluster and namespace (five statements).

    :param now: waits are counted until then.
    """
    lines, heads, granted = _lines(session), _heads(session, now), _granted(session)
    pools: dict[int, list[PoolSummary]] = defaultdict(list)
    for pool in session.scalars(select(Pool).order_by(Pool.queue_id, Pool.weight.desc(), Pool.id)):
        pools[pool.queue_id].append(_pool(pool, lines, heads, now))
    rows = session.execute(
        select(Queue, Cluster.name)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .order_by(Cluster.name, Queue.namespace)
    )
    return tuple(
        _queue(queue, cluster, tuple(pools[queue.id]), granted.get(queue.id, Resources()))
        for queue, cluster in rows
    )


def _queue(queue: Queue, cluster: str, pools: tuple[PoolSummary, ...], granted: Resources) -> QueueSummary:
    waits = [pool.oldest_wait_seconds for pool in pools if pool.oldest_wait_seconds is not None]
    blocking = {pool.head.blocking_resource for pool in pools if pool.head}
    return QueueSummary(
        id=queue.id,
        cluster_id=queue.cluster_id,
        cluster=cluster,
        namespace=queue.namespace,
        weight=queue.weight,
        policy=queue.policy,
        paused=queue.paused,
        draining=queue.draining,
        pools=pools,
        length=sum(pool.length for pool in pools),
        held=sum(pool.held for pool in pools),
        active=sum(pool.active for pool in pools),
        running=sum(pool.running for pool in pools),
        granted=granted,
        oldest_wait_seconds=max(waits, default=None),
        blocking=tuple(sorted(resource for resource in blocking if resource)),
    )


def _pool(pool: Pool, lines: _Lines, heads: _Heads, now: datetime.datetime) -> PoolSummary:
    line = lines.get((pool.queue_id, pool.name), _Line(Counter(), None))
    return PoolSummary(
        name=pool.name,
        weight=pool.weight,
        length=line.counts[JobState.QUEUED],
        held=line.counts[JobState.HELD],
        active=sum(line.counts[state] for state in ACTIVE),
        running=line.counts[JobState.RUNNING],
        head=heads.get((pool.queue_id, pool.name)),
        oldest_wait_seconds=(now - line.oldest).total_seconds() if line.oldest else None,
    )


def _lines(session: Session) -> _Lines:
    """Count the open jobs of every priority pool by state."""
    lines: dict[tuple[int, str], _Line] = {}
    rows = session.execute(
        select(Job.queue_id, Job.pool, Job.state, func.count(), func.min(Job.queued_at))
        .where(Job.state.in_([str(state) for state in WAITING | ACTIVE]))
        .group_by(Job.queue_id, Job.pool, Job.state)
    )
    for queue_id, pool, state, count, oldest in rows:
        line = lines.get((queue_id, pool), _Line(Counter(), None))
        counts = line.counts + Counter({JobState(state): count})
        waits = JobState(state) in WAITING
        known = [instant for instant in (line.oldest, oldest if waits else None) if instant]
        lines[queue_id, pool] = _Line(counts, min(known, default=None))
    return lines


def _heads(session: Session, now: datetime.datetime) -> _Heads:
    rank = func.row_number().over(
        partition_by=(Job.queue_id, Job.pool),
        order_by=(Job.position_at, Job.position_id, Job.id),
    )
    eligible = (Job.state == JobState.QUEUED.value, Job.ineligible.is_(None))
    ranked = select(Job.id, rank.label("rank")).where(*eligible).subquery()
    first = select(ranked.c.id).where(ranked.c.rank == 1)
    jobs = session.scalars(select(Job).where(Job.id.in_(first)))
    return {(job.queue_id, job.pool): _head(job, now) for job in jobs}


def _head(job: Job, now: datetime.datetime) -> HeadSummary:
    return HeadSummary(
        job_id=job.id,
        task=TaskKey(job.dag_id, job.run_id, job.task_id, job.map_index),
        blocking_resource=job.blocking_resource,
        sentence=str(job.verdict["sentence"]) if job.verdict else "",
        blocked_seconds=(now - job.blocked_since).total_seconds() if job.blocked_since else None,
    )


def _granted(session: Session) -> dict[int, Resources]:
    """Add up the grants of every queue; there are as many as jobs hold capacity, not as jobs wait."""
    totals: dict[int, Resources] = defaultdict(Resources)
    demand: Any
    for queue_id, demand in session.execute(select(Grant.queue_id, Grant.demand)):
        totals[queue_id] = totals[queue_id] + demand_from_json(demand).total()
    return dict(totals)
