# SPDX-License-Identifier: Apache-2.0
"""Airflow pools that stand for priority pools.

With an arbiter they have room without end: the queue has decided already, and an admitted task must not
queue again behind unrelated ones. Without one (``arbiter = off``) they are all there is: the slots of a
queue are split by the weights of its pools, which emulates the shares of the weighted round robin, and a
task keeps its slot while its application runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from airflow.models.pool import Pool as AirflowPool
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.store.models import Cluster, Pool, Queue
from airflow_priority_spark.store.queues import airflow_pool_name

UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True)
class Synced:
    """An Airflow pool and its slots; ``before`` is ``None`` for one that was missing, -1 is no limit."""

    name: str
    before: int | None
    slots: int


def split(slots: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Split slots by weight, to the whole slot; none gets less than one.

    The method of the largest remainder: https://en.wikipedia.org/wiki/Largest_remainder_method

    :param weights: name → weight, at least 1.
    """
    total = sum(weights.values())
    shares = {name: slots * weight // total for name, weight in weights.items()}
    rest = slots - sum(shares.values())
    by_remainder = sorted(weights, key=lambda name: (-(slots * weights[name] % total), name))
    for name in by_remainder[:rest]:
        shares[name] += 1
    return {name: max(1, share) for name, share in shares.items()}


def sync_airflow_pools(session: Session, *, arbiter: bool, slots: int) -> tuple[Synced, ...]:
    """Make the Airflow pools of all priority pools what they must be; return those that changed.

    :param arbiter: an arbiter runs on this site.
    :param slots: without one, of a queue that has no ``job_limit``.
    """
    changed = []
    rows = session.execute(
        select(Queue, Cluster.name)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .order_by(Cluster.name, Queue.namespace)
    ).all()
    for queue, cluster in rows:
        pools = session.scalars(select(Pool).where(Pool.queue_id == queue.id).order_by(Pool.id)).all()
        shares = split(queue.job_limit or slots, {pool.name: pool.weight for pool in pools})
        for pool in pools:
            name = airflow_pool_name(cluster, queue.namespace, pool.name)
            wanted = UNLIMITED if arbiter else shares[pool.name]
            if synced := _sync_one(session, name, queue.namespace, pool.name, wanted):
                changed.append(synced)
    session.flush()
    return tuple(changed)


def _sync_one(session: Session, name: str, namespace: str, pool: str, slots: int) -> Synced | None:
    row = session.scalar(select(AirflowPool).where(AirflowPool.pool == name))
    before = row.slots if row is not None else None
    limited = slots != UNLIMITED
    if row is not None and (before, row.include_deferred) == (slots, limited):
        return None
    if row is None:
        row = AirflowPool(pool=name)
        session.add(row)
    row.slots, row.include_deferred = slots, limited
    row.description = f"Spark jobs of queue {namespace}, priority pool {pool}. " + (
        "No arbiter runs: its share of the slots of the queue, also while the applications run."
        if limited
        else "Unlimited on purpose: the queue has already decided that they may start."
    )
    return Synced(name, before, slots)
