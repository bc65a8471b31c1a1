# SPDX-License-Identifier: Apache-2.0
"""Clusters, the connections that lead to them, queues and their priority pools."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from airflow.models.pool import Pool as AirflowPool
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.model import PoolState, PoolView, QueueKey, QueueView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.store.models import Cluster, ClusterAlias, Pool, Queue


def cluster_of_alias(session: Session, alias: str) -> str | None:
    """Return the cluster a connection led to when last resolved, or ``None``."""
    return session.scalar(select(ClusterAlias.cluster_id).where(ClusterAlias.digest == _digest(alias)))


def remember_cluster(
    session: Session, alias: str, cluster_id: str, conn_id: str, now: datetime.datetime
) -> None:
    """Record that a connection leads to a cluster; the first connection gives the cluster its name."""
    if session.get(Cluster, cluster_id) is None:
        taken = session.scalar(select(Cluster.cluster_id).where(Cluster.name == conn_id))
        name = f"{conn_id}-{cluster_id[:8]}" if taken else conn_id
        session.add(Cluster(cluster_id=cluster_id, name=name, created_at=now))
        session.flush()
    row = session.get(ClusterAlias, _digest(alias))
    if row is None:
        session.add(ClusterAlias(digest=_digest(alias), alias=alias, cluster_id=cluster_id, resolved_at=now))
    else:
        row.cluster_id, row.resolved_at = cluster_id, now
    session.flush()


def known_aliases(session: Session) -> dict[str, str]:
    """Return alias text → cluster id of every connection ever resolved."""
    return {row.alias: row.cluster_id for row in session.scalars(select(ClusterAlias))}


def _digest(alias: str) -> str:
    return hashlib.sha256(alias.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue with its database id; ``pools`` are the names that a job may ask for."""

    id: int
    key: QueueKey
    pools: frozenset[str]
    draining: bool


def ensure_queue(
    session: Session, key: QueueKey, pools: Mapping[str, int], now: datetime.datetime
) -> QueueRow:
    """Return the queue of a namespace, made with the given priority pools when it is new."""
    queue = session.scalar(
        select(Queue).where(Queue.cluster_id == key.cluster_id, Queue.namespace == key.namespace)
    )
    if queue is None:
        queue = Queue(cluster_id=key.cluster_id, namespace=key.namespace, created_at=now)
        session.add(queue)
        session.flush()
        session.add_all(Pool(queue_id=queue.id, name=name, weight=weight) for name, weight in pools.items())
        session.flush()
        mirror_airflow_pools(session, queue, pools)
    names = session.scalars(select(Pool.name).where(Pool.queue_id == queue.id))
    return QueueRow(queue.id, key, frozenset(names), queue.draining)


def airflow_pool_name(cluster_name: str, namespace: str, pool: str) -> str:
    """Return the Airflow pool that mirrors a priority pool: ``spark.<cluster>.<namespace>.<pool>``.

    Airflow pool names hold at most 256 characters and, for metrics, only ``[A-Za-z0-9_.-]``.
    """
    cluster = re.sub(r"[^A-Za-z0-9_.-]+", "-", cluster_name)[:100]
    return f"spark.{cluster}.{namespace}.{pool}"[:256]


def mirror_airflow_pools(session: Session, queue: Queue, pools: Iterable[str]) -> None:
    """Make the unlimited Airflow pools into which admitted tasks move, where they are missing."""
    cluster = session.get_one(Cluster, queue.cluster_id)
    for pool in pools:
        name = airflow_pool_name(cluster.name, queue.namespace, pool)
        if session.scalar(select(AirflowPool.id).where(AirflowPool.pool == name)) is None:
            session.add(
                AirflowPool(
                    pool=name,
                    slots=-1,
                    description=f"Admitted Spark jobs of queue {queue.namespace}, priority pool {pool}. "
                    "Unlimited on purpose: the queue has already decided that they may start.",
                    include_deferred=False,
                )
            )
    session.flush()


@dataclass(frozen=True, slots=True)
class QueueTable:
    """All queues as the decision sees them, and the ids and names to get back to the tables."""

    views: tuple[QueueView, ...]
    ids: Mapping[QueueKey, int]
    keys: Mapping[int, QueueKey]
    cluster_names: Mapping[str, str]

    def weight(self, key: QueueKey, pool: str) -> int:
        """Return a priority pool's weight; 1 when it is gone."""
        view = next((view for view in self.views if view.key == key), None)
        return next((item.weight for item in view.pools if item.name == pool), 1) if view else 1


def read_queues(session: Session) -> QueueTable:
    """Read every queue with its pools (two statements, however many jobs wait)."""
    pools: dict[int, list[PoolView]] = {}
    for pool in session.scalars(select(Pool).order_by(Pool.queue_id, Pool.id)):
        since = pool.head_blocked_since.timestamp() if pool.head_blocked_since else None
        pools.setdefault(pool.queue_id, []).append(
            PoolView(pool.name, pool.weight, pool.credit, pool.head_job_id, since)
        )
    views, ids, names = [], {}, {}
    rows = session.execute(
        select(Queue, Cluster.name).join(Cluster, Cluster.cluster_id == Queue.cluster_id).order_by(Queue.id)
    )
    for queue, cluster_name in rows:
        key = QueueKey(queue.cluster_id, queue.namespace)
        ids[key], names[queue.cluster_id] = queue.id, cluster_name
        views.append(_view(queue, key, tuple(pools.get(queue.id, ()))))
    return QueueTable(tuple(views), ids, {queue_id: key for key, queue_id in ids.items()}, names)


def _view(queue: Queue, key: QueueKey, pools: tuple[PoolView, ...]) -> QueueView:
    return QueueView(
        key=key,
        pools=pools,
        weight=queue.weight,
        policy="strict" if queue.policy == "strict" else "weighted",
        paused=queue.paused,
        capacity=Resources.parse(queue.capacity) if queue.capacity is not None else None,
    )


def save_pool_states(
    session: Session, table: QueueTable, states: Mapping[tuple[QueueKey, str], PoolState]
) -> int:
    """Write the credits and head clocks that changed; return how many pools did."""
    before = {(view.key, pool.name): pool for view in table.views for pool in view.pools}
    changed = 0
    for (key, name), state in states.items():
        pool = before.get((key, name))
        known = pool and PoolState(pool.credit, pool.head_id, pool.head_blocked_since)
        if known is None or known == state:
            continue
        changed += 1
        since = state.head_blocked_since
        session.execute(
            update(Pool)
            .where(Pool.queue_id == table.ids[key], Pool.name == name)
            .values(
                credit=state.credit,
                head_job_id=state.head_id,
                head_blocked_since=datetime.datetime.fromtimestamp(since, datetime.UTC)
                if since is not None
                else None,
            )
        )
    return changed


def pool_states_changed(table: QueueTable, states: Mapping[tuple[QueueKey, str], PoolState]) -> bool:
    """Tell whether ``save_pool_states`` would write anything, so that an idle cycle writes nothing."""
    return any(
        states.get((view.key, pool.name), None)
        not in (None, PoolState(pool.credit, pool.head_id, pool.head_blocked_since))
        for view in table.views
        for pool in view.pools
    )
