# SPDX-License-Identifier: Apache-2.0
"""The declared state of a site: what is there, and how it becomes what a file says.

What a file names it describes whole: a key that is left out goes back to its default, a pool that is left
out of a queue's pools is removed. What it does not name (another queue, another cluster, a part of the file
that is missing) stays. Whether a queue is paused or drains is no declared state: it is something a person
does at night, and no file should undo it in the morning.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import configuration
from airflow_priority_spark.arbiter.acting import By, line_up
from airflow_priority_spark.arbiter.queue_actions import (
    QUEUE_FIELDS,
    Change,
    add_pool,
    pool_values,
    remove_pool,
    set_pool,
    set_queue,
)
from airflow_priority_spark.arbiter.site_actions import (
    CLUSTER_FIELDS,
    find_cluster,
    rules,
    set_cluster,
    set_rules,
    set_site,
    site_values,
)
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.model import QueueKey
from airflow_priority_spark.settings import parse_pools
from airflow_priority_spark.store.models import Cluster, Pool, Queue
from airflow_priority_spark.store.queues import ensure_queue


def declared(session: Session) -> configuration.Declaration:
    """Return what is there, in the form of a declarative file."""
    clusters = session.scalars(select(Cluster).order_by(Cluster.name)).all()
    names = {cluster.cluster_id: cluster.name for cluster in clusters}
    queues = session.scalars(select(Queue)).all()
    return configuration.Declaration(
        site=configuration.Site(**site_values(session)),
        clusters=[
            configuration.DeclaredCluster(
                name=cluster.name, **{key: getattr(cluster, key) for key in CLUSTER_FIELDS}
            )
            for cluster in clusters
        ],
        queues=[
            configuration.DeclaredQueue(
                cluster=names[queue.cluster_id],
                namespace=queue.namespace,
                pools=_pools(session, queue.id),
                **{key: getattr(queue, key) for key in QUEUE_FIELDS},
            )
            for queue in sorted(queues, key=lambda queue: (names[queue.cluster_id], queue.namespace))
        ],
        rules=rules(session),
    )


def _pools(session: Session, queue_id: int) -> dict[str, configuration.Pool]:
    rows = session.scalars(
        select(Pool).where(Pool.queue_id == queue_id).order_by(Pool.weight.desc(), Pool.id)
    )
    return {row.name: configuration.Pool(**pool_values(row)) for row in rows}


def apply_declaration(session: Session, declaration: configuration.Declaration, by: By) -> tuple[Change, ...]:
    """Make what is there what the file says, in the caller's transaction; return what that changed.

    :raises NotFound: when it names a cluster that nobody knows.
    :raises InvalidInput: when it does not say which of several clusters a queue belongs to.
    :raises Conflict: when a pool that it leaves out still holds jobs.
    """
    line_up(session)
    changes: list[Change] = []
    once = _Once()
    for number, wanted in enumerate(declaration.clusters or ()):
        cluster_id = find_cluster(session, wanted.name).cluster_id
        once.named(f"clusters[{number}].name", wanted.name, cluster_id)
        values = {key: getattr(wanted, key) for key in CLUSTER_FIELDS}
        changes += set_cluster(session, cluster_id, values, by)
    for number, queue in enumerate(declaration.queues or ()):
        cluster = _cluster_of(session, queue, f"queues[{number}].cluster")
        once.named(f"queues[{number}].namespace", queue.namespace, (cluster.cluster_id, queue.namespace))
        changes += _apply_queue(session, queue, cluster, by)
    if declaration.rules is not None:
        changes += set_rules(session, declaration.rules, by)
    if declaration.site is not None:
        changes += set_site(session, declaration.site.model_dump(), by)
    return tuple(changes)


class _Once:
    """Refuses what a file names twice in other words, such as a cluster by its name and by its id."""

    def __init__(self) -> None:
        self._fields: dict[Hashable, str] = {}

    def named(self, field: str, value: str, what: Hashable) -> None:
        if what in self._fields:
            raise InvalidInput(field, value, f"what no other part names; {self._fields[what]} is the same")
        self._fields[what] = field


def _apply_queue(
    session: Session, wanted: configuration.DeclaredQueue, cluster: Cluster, by: By
) -> Iterable[Change]:
    queue_id = session.scalar(
        select(Queue.id).where(Queue.cluster_id == cluster.cluster_id, Queue.namespace == wanted.namespace)
    )
    changes: list[Change] = []
    if queue_id is None:
        key = QueueKey(cluster.cluster_id, wanted.namespace)
        pools = wanted.pools or {}
        weights = {name: pool.weight for name, pool in pools.items()}
        queue_id = ensure_queue(session, key, weights or parse_pools(by.settings.priority_pools), by.now).id
        made = {name: pool.weight for name, pool in _pools(session, queue_id).items()}
        changes.append(Change(f"queue {cluster.name}/{wanted.namespace}", "", None, {"pools": made}))
    changes += set_queue(session, queue_id, {key: getattr(wanted, key) for key in QUEUE_FIELDS}, by)
    if wanted.pools is not None:
        changes += _apply_pools(session, queue_id, wanted.pools, by)
    return changes


def _cluster_of(session: Session, wanted: configuration.DeclaredQueue, field: str) -> Cluster:
    if wanted.cluster is not None:
        return find_cluster(session, wanted.cluster)
    clusters = session.scalars(select(Cluster).order_by(Cluster.name)).all()
    if len(clusters) != 1:
        known = ", ".join(cluster.name for cluster in clusters) or "none is known yet"
        raise InvalidInput(field, None, f"the name of the cluster of queue {wanted.namespace} ({known})")
    return clusters[0]


def _apply_pools(
    session: Session, queue_id: int, wanted: dict[str, configuration.Pool], by: By
) -> Iterable[Change]:
    there = _pools(session, queue_id)
    for name, pool in wanted.items():
        if name in there:
            yield from set_pool(session, queue_id, name, pool.model_dump(), by)
        else:
            yield add_pool(session, queue_id, name, pool.model_dump(), by)
    for name in there:
        if name not in wanted:
            yield remove_pool(session, queue_id, name, by)
