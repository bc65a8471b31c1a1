# SPDX-License-Identifier: Apache-2.0
"""Queues as people see them: how long each line is, who is at its head and what that waits for."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, JobState
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.instants import epoch
from airflow_priority_spark.store.models import Cluster, Grant, Job, Pool, Queue
from airflow_priority_spark.store.over_limits import AS_WRITTEN, PeopleLimits

#: The first warning of a head's clock, in per cent of its timeout.
_HALF: Final = 50


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
    :param average_wait_seconds: of the jobs that wait; ``None`` when nothing waits.
    :param protecting: its head keeps what it needs from the rest of its queue.
    :param late: its head was warned that half of its time is over.
    """

    name: str
    weight: int
    length: int
    held: int
    active: int
    running: int
    head: HeadSummary | None
    oldest_wait_seconds: float | None
    job_limit: int | None = None
    average_wait_seconds: float | None = None
    protecting: bool = False
    late: bool = False


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
    job_limit: int | None = None
    average_wait_seconds: float | None = None
    capacity: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """What the jobs of one priority pool add up to; ``begun``: seconds since 1970, over all that wait."""

    counts: Counter[JobState]
    oldest: datetime.datetime | None
    begun: float = 0.0

    def waits(self, now: datetime.datetime) -> tuple[int, float]:
        """Return how many wait, and for how long in sum."""
        count = sum(self.counts[state] for state in WAITING)
        return count, max(0.0, count * now.timestamp() - self.begun)


_Lines = Mapping[tuple[int, str], _Line]
_Heads = Mapping[tuple[int, str], HeadSummary]


def list_queues(
    session: Session,
    now: datetime.datetime,
    *,
    protection_seconds: float | None = None,
    people: PeopleLimits = AS_WRITTEN,
) -> tuple[QueueSummary, ...]:
    """Return every queue by cluster and namespace (five statements).

    :param now: waits are counted until then.
    :param protection_seconds: the site's, for heads whose pool and queue have none of their own; ``None``:
        nobody wants to know who protects.
    :param people: how the limits on people stand; who is over one is no head.
    """
    lines, heads, granted = _lines(session), _heads(session, now, people), _granted(session)
    pools: dict[int, list[PoolSummary]] = defaultdict(list)
    found = session.scalars(select(Pool).order_by(Pool.queue_id, Pool.weight.desc(), Pool.id)).all()
    for pool in found:
        pools[pool.queue_id].append(_pool(pool, lines, heads, now))
    rows = session.execute(
        select(Queue, Cluster.name)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .order_by(Cluster.name, Queue.namespace)
    )
    own = {(pool.queue_id, pool.name): pool.head_protection_seconds for pool in found}
    return tuple(
        _queue(
            queue,
            cluster,
            _protected(queue, pools[queue.id], own, protection_seconds),
            granted.get(queue.id, Resources()),
            _average([lines[key].waits(now) for key in lines if key[0] == queue.id]),
        )
        for queue, cluster in rows
    )


def _average(waits: Iterable[tuple[int, float]]) -> float | None:
    count, seconds = 0, 0.0
    for some, sum_of_some in waits:
        count, seconds = count + some, seconds + sum_of_some
    return seconds / count if count else None


def _protected(
    queue: Queue,
    pools: Sequence[PoolSummary],
    own: Mapping[tuple[int, str], int | None],
    site: float | None,
) -> tuple[PoolSummary, ...]:
    """Mark the one head that protects: as ``scheduling.heads.QueueLines.protector`` finds it."""
    if site is None:
        return tuple(pools)
    blocked: list[tuple[float, str, str]] = []
    for pool in pools:
        after = own[queue.id, pool.name]
        if after is None:
            after = queue.head_protection_seconds
        if pool.head is None or pool.head.blocked_seconds is None:
            continue
        if pool.head.blocked_seconds >= (site if after is None else after):
            blocked.append((-pool.head.blocked_seconds, pool.head.job_id, pool.name))
    protector = min(blocked)[2] if blocked else None
    return tuple(replace(pool, protecting=pool.name == protector) for pool in pools)


def _queue(
    queue: Queue,
    cluster: str,
    pools: tuple[PoolSummary, ...],
    granted: Resources,
    average: float | None,
) -> QueueSummary:
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
        job_limit=queue.job_limit,
        average_wait_seconds=average,
        capacity=queue.capacity,
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
        job_limit=pool.job_limit,
        average_wait_seconds=_average([line.waits(now)]),
        late=pool.head_warned >= _HALF and pool.head_job_id is not None,
    )


def _lines(session: Session) -> _Lines:
    """Count the open jobs of every priority pool by state."""
    lines: dict[tuple[int, str], _Line] = {}
    rows = session.execute(
        select(
            Job.queue_id,
            Job.pool,
            Job.state,
            func.count(),
            func.min(Job.queued_at),
            func.sum(epoch(session, Job.queued_at)),
        )
        .where(Job.state.in_([str(state) for state in WAITING | ACTIVE]))
        .group_by(Job.queue_id, Job.pool, Job.state)
    )
    for queue_id, pool, state, count, oldest, begun in rows:
        line = lines.get((queue_id, pool), _Line(Counter(), None))
        counts = line.counts + Counter({JobState(state): count})
        waits = JobState(state) in WAITING
        known = [instant for instant in (line.oldest, oldest if waits else None) if instant]
        begun_before = line.begun + (float(begun) if waits else 0.0)
        lines[queue_id, pool] = _Line(counts, min(known, default=None), begun_before)
    return lines


def _heads(session: Session, now: datetime.datetime, people: PeopleLimits) -> _Heads:
    rank = func.row_number().over(
        partition_by=(Job.queue_id, Job.pool),
        order_by=(Job.position_at, Job.position_id, Job.id),
    )
    eligible = (Job.state == JobState.QUEUED.value, *people.conditions())
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
