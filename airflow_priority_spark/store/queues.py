# SPDX-License-Identifier: Apache-2.0
"""Clusters, the connections that lead to them, queues and their priority pools."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.models.pool import Pool as AirflowPool
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.model import QueueKey
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
    """A queue with its database id; ``pools``: name → who may use it, as in ``Pool.allowed``."""

    id: int
    key: QueueKey
    pools: dict[str, Mapping[str, Any] | None]
    draining: bool


def ensure_queue(
    session: Session, key: QueueKey, pools: Mapping[str, int], now: datetime.datetime
) -> QueueRow:
    """Return the queue of a namespace, made with the given priority pools when it is new."""
    return ensure_queues(session, [key], pools, now)[key]


def ensure_queues(
    session: Session, keys: Collection[QueueKey], pools: Mapping[str, int], now: datetime.datetime
) -> dict[QueueKey, QueueRow]:
    """Return the queues of namespaces, made with the given priority pools where they are new.

    One statement where all are there.
    """
    found = _find_queues(session, keys)
    new = [key for key in keys if key not in found]
    for key in new:
        queue = Queue(cluster_id=key.cluster_id, namespace=key.namespace, created_at=now)
        session.add(queue)
        session.flush()
        session.add_all(Pool(queue_id=queue.id, name=name, weight=weight) for name, weight in pools.items())
        session.flush()
        mirror_airflow_pools(session, queue, pools)
    return {**found, **_find_queues(session, new)}


def _find_queues(session: Session, keys: Collection[QueueKey]) -> dict[QueueKey, QueueRow]:
    if not keys:
        return {}
    wanted = tuple_(Queue.cluster_id, Queue.namespace).in_([(key.cluster_id, key.namespace) for key in keys])
    rows = session.execute(
        select(Queue.id, Queue.cluster_id, Queue.namespace, Queue.draining, Pool.name, Pool.allowed)
        .join(Pool, Pool.queue_id == Queue.id, isouter=True)
        .where(wanted)
        .order_by(Pool.id)
    )
    found: dict[QueueKey, QueueRow] = {}
    for queue_id, cluster_id, namespace, draining, name, allowed in rows:
        key = QueueKey(cluster_id, namespace)
        row = found.setdefault(key, QueueRow(queue_id, key, {}, draining))
        if name is not None:
            row.pools[name] = allowed
    return found


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
