# SPDX-License-Identifier: Apache-2.0
"""What every cluster, queue and pool has of its own, in a fixed number of statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.store.models import Audit, Cluster, Pool, Queue
from airflow_priority_spark.store.settings_reads import INHERITED, Value

_OF_CLUSTER: Final = ("mode", "nodes", "node_maxima", "job_limit")
_OF_QUEUE: Final = ("weight", "policy", "job_limit", "capacity", *INHERITED)
_OF_POOL: Final = ("weight", "job_limit", "allowed", *INHERITED)
#: So many of the last changes are searched for who set a value.
_REMEMBERED: Final = 5000

#: (kind, name, key) → who set it, and when.
_Changes = dict[tuple[str, str, str], Value]


@dataclass(frozen=True, slots=True)
class OwnValue:
    """A value that is not inherited.

    :param scope: ``cluster``, ``queue`` or ``pool``.
    :param where: its name, as ``spark-prod/team-a/high``.
    """

    scope: str
    where: str
    queue_id: int | None
    key: str
    value: Value


def own_settings(session: Session) -> list[OwnValue]:
    """Return the values that clusters, queues and pools do not inherit, by name (four statements)."""
    changes = _changes(session)
    clusters = session.scalars(select(Cluster).order_by(Cluster.name)).all()
    names = {cluster.cluster_id: cluster.name for cluster in clusters}
    queues = sorted(session.scalars(select(Queue)), key=lambda each: (names[each.cluster_id], each.namespace))
    pools: dict[int, list[Pool]] = {}
    for pool in session.scalars(select(Pool).order_by(Pool.weight.desc(), Pool.id)):
        pools.setdefault(pool.queue_id, []).append(pool)
    found: list[OwnValue] = []
    for cluster in clusters:
        found += _own(cluster, "cluster", cluster.name, None, _OF_CLUSTER, changes)
    for queue in queues:
        where = f"{names[queue.cluster_id]}/{queue.namespace}"
        found += _own(queue, "queue", where, queue.id, _OF_QUEUE, changes)
        for pool in pools.get(queue.id, ()):
            found += _own(pool, "pool", f"{where}/{pool.name}", queue.id, _OF_POOL, changes)
    return found


def _own(
    row: Any, scope: str, where: str, queue_id: int | None, keys: Sequence[str], changes: _Changes
) -> Iterator[OwnValue]:
    for key in keys:
        value = getattr(row, key)
        if value is not None:
            set_by = changes.get((scope, where, key), Value(None, ""))
            yield OwnValue(scope, where, queue_id, key, Value(value, scope, set_by.since, set_by.by))


def _changes(session: Session) -> _Changes:
    rows = session.scalars(
        select(Audit)
        .where(Audit.target_type.in_(["cluster", "queue", "pool"]), Audit.action.in_(["set", "add"]))
        .order_by(Audit.id.desc())
        .limit(_REMEMBERED)
    )
    found: _Changes = {}
    for row in rows:
        details = row.details or {}
        for key in details.get("changed") or details.get("values") or {}:
            found.setdefault((row.target_type, row.target, key), Value(None, "", row.at, row.actor))
    return found
