# SPDX-License-Identifier: Apache-2.0
"""All queues and pools as a decision sees them, and what the pools must remember afterwards.

Two statements read them, however many there are and however many jobs wait; one statement writes the
pools that changed.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.model import HeadRules, PoolState, PoolView, QueueKey, QueueView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.models import Cluster, Pool, Queue
from airflow_priority_spark.store.site import head_rules
from airflow_priority_spark.store.writing import update_rows

PoolKey = tuple[QueueKey, str]


@dataclass(frozen=True, slots=True)
class ClusterRules:
    """What a site has set for one cluster; ``None``: as the configuration says.

    :param mode: one of ``settings.CAPACITY_MODES``.
    :param nodes: ``auto``, ``fixed`` or ``elastic``.
    :param limit: at most so many jobs are admitted in it at a time; ``None``: any number.
    :param node_maxima: what elastic nodes may grow to; ``None``: nobody knows.
    """

    name: str
    mode: str | None = None
    nodes: str | None = None
    limit: int | None = None
    node_maxima: Resources | None = None


@dataclass(frozen=True, slots=True)
class QueueTable:
    """All queues as the decision sees them, and the ids and names to get back to the tables.

    :param ids: queue → its number in the tables; ``keys`` is the way back.
    :param pool_ids: likewise of priority pools.
    :param weights: of the pools.
    :param clusters: of those that have a queue.
    """

    views: tuple[QueueView, ...] = ()
    ids: Mapping[QueueKey, int] = field(default_factory=dict)
    keys: Mapping[int, QueueKey] = field(default_factory=dict)
    pool_ids: Mapping[PoolKey, int] = field(default_factory=dict)
    weights: Mapping[PoolKey, int] = field(default_factory=dict)
    clusters: Mapping[str, ClusterRules] = field(default_factory=dict)

    def has(self, part: QueueTable) -> bool:
        """Tell whether everything in another table is in this one, and the same."""
        mine = {view.key: view for view in self.views if view.key in part.ids}
        return (
            all(mine.get(view.key) == view for view in part.views)
            and part.ids.items() <= self.ids.items()
            and part.pool_ids.items() <= self.pool_ids.items()
            and part.clusters.items() <= self.clusters.items()
        )

    def weight(self, key: QueueKey, pool: str) -> int:
        """Return a priority pool's weight; 1 when it is gone."""
        return self.weights.get((key, pool), 1)


NO_QUEUES: Final = QueueTable()

_HEAD: Final = (
    "head_timeout_seconds",
    "head_retry_count",
    "head_retry_position",
    "head_timeout_action",
    "head_protection_seconds",
)
_POOLS: Final = select(
    Pool.queue_id,
    Pool.id,
    Pool.name,
    Pool.weight,
    Pool.job_limit,
    Pool.credit,
    Pool.head_job_id,
    Pool.head_blocked_since,
    Pool.head_timeout_since,
    Pool.head_clock_paused_at,
    Pool.head_warned,
    *(getattr(Pool, name) for name in _HEAD),
).order_by(Pool.queue_id, Pool.id)
_QUEUES: Final = (
    select(
        Queue.id,
        Queue.cluster_id,
        Queue.namespace,
        Queue.weight,
        Queue.policy,
        Queue.paused,
        Queue.capacity,
        Queue.job_limit,
        *(getattr(Queue, name) for name in _HEAD),
        Cluster.name.label("cluster_name"),
        Cluster.mode,
        Cluster.nodes,
        Cluster.job_limit.label("cluster_limit"),
        Cluster.node_maxima,
    )
    .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
    .order_by(Queue.id)
)


def read_queues(session: Session, site: Settings, only: Collection[int] | None = None) -> QueueTable:
    """Read every queue with its pools; a pool's rules for heads are its own, its queue's or the site's.

    :param site: from ``store.site.read_site``.
    :param only: the ids of queues; ``None``: all.
    """
    of_pools, of_queues = _POOLS, _QUEUES
    if only is not None:
        of_pools, of_queues = _POOLS.where(Pool.queue_id.in_(only)), _QUEUES.where(Queue.id.in_(only))
    pools: dict[int, list[Any]] = defaultdict(list)
    for row in session.execute(of_pools):
        pools[row.queue_id].append(row)
    rules = head_rules(site)
    views, ids, pool_ids, weights, clusters = [], {}, {}, {}, {}
    for queue in session.execute(of_queues):
        key = QueueKey(queue.cluster_id, queue.namespace)
        ids[key] = queue.id
        clusters[queue.cluster_id] = _cluster(queue)
        members = pools[queue.id]
        pool_ids.update({(key, row.name): row.id for row in members})
        weights.update({(key, row.name): row.weight for row in members})
        own = _resolved(queue, rules)
        views.append(_view(queue, key, tuple(_pool(row, own) for row in members)))
    keys = {queue_id: key for key, queue_id in ids.items()}
    return QueueTable(tuple(views), ids, keys, pool_ids, weights, clusters)


def _cluster(row: Any) -> ClusterRules:
    maxima = Resources.parse(row.node_maxima) if row.node_maxima is not None else None
    return ClusterRules(row.cluster_name, row.mode, row.nodes, row.cluster_limit, maxima)


def _view(row: Any, key: QueueKey, pools: tuple[PoolView, ...]) -> QueueView:
    return QueueView(
        key=key,
        pools=pools,
        weight=row.weight,
        policy="strict" if row.policy == "strict" else "weighted",
        paused=row.paused,
        capacity=Resources.parse(row.capacity) if row.capacity is not None else None,
        limit=row.job_limit,
    )


def _resolved(row: Any, wider: HeadRules) -> HeadRules:
    """Return the rules of a queue or pool: what it has set, the rest from the wider scope."""
    own = {name.removeprefix("head_"): value for name in _HEAD if (value := getattr(row, name)) is not None}
    return replace(wider, **own) if own else wider


def _pool(row: Any, wider: HeadRules) -> PoolView:
    return PoolView(
        name=row.name,
        weight=row.weight,
        credit=row.credit,
        head_id=row.head_job_id,
        head_blocked_since=_seconds(row.head_blocked_since),
        head_timeout_since=_seconds(row.head_timeout_since),
        head_clock_paused_at=_seconds(row.head_clock_paused_at),
        head_warned=row.head_warned,
        head_rules=_resolved(row, wider),
        limit=row.job_limit,
    )


def _seconds(instant: datetime.datetime | None) -> float | None:
    return instant.timestamp() if instant is not None else None


def _instant(seconds: float | None) -> datetime.datetime | None:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC) if seconds is not None else None


def number_of_queues(session: Session) -> int:
    """Return how many queues there are (one statement)."""
    return session.scalar(select(func.count()).select_from(Queue)) or 0


def changed_pools(table: QueueTable, states: Mapping[PoolKey, PoolState]) -> dict[PoolKey, PoolState]:
    """Return the states that differ from what was read, so that an idle cycle writes nothing."""
    pools = {(view.key, pool.name): pool for view in _of(table, states) for pool in view.pools}
    return {
        place: state
        for place, state in states.items()
        if (pool := pools.get(place)) is not None and state != pool.state()
    }


def with_states(table: QueueTable, states: Mapping[PoolKey, PoolState]) -> QueueTable:
    """Return the table as it is once these states have been saved."""
    changed: dict[QueueKey, dict[str, PoolState]] = defaultdict(dict)
    for (key, name), state in changed_pools(table, states).items():
        changed[key][name] = state
    if not changed:
        return table
    return replace(
        table,
        views=tuple(
            replace(
                view,
                pools=tuple(
                    pool.with_state(changed[view.key][pool.name]) if pool.name in changed[view.key] else pool
                    for pool in view.pools
                ),
            )
            if view.key in changed
            else view
            for view in table.views
        ),
    )


def _of(table: QueueTable, states: Mapping[PoolKey, PoolState]) -> Iterable[QueueView]:
    keys = {key for key, _ in states}
    return (view for view in table.views if view.key in keys)


def save_pool_states(session: Session, table: QueueTable, states: Mapping[PoolKey, PoolState]) -> int:
    """Write the credits and head clocks that changed (one statement); return how many pools did."""
    changed = changed_pools(table, states)
    update_rows(
        session,
        Pool.__table__,
        [_row(table.pool_ids[place], state) for place, state in changed.items()],
    )
    return len(changed)


_REMEMBERED: Final = (
    "credit",
    "head_job_id",
    "head_blocked_since",
    "head_timeout_since",
    "head_clock_paused_at",
    "head_warned",
)


def _row(pool_id: int, state: PoolState) -> dict[str, Any]:
    values = (
        state.credit,
        state.head_id,
        _instant(state.head_blocked_since),
        _instant(state.head_timeout_since),
        _instant(state.head_clock_paused_at),
        state.head_warned,
    )
    return {"id": pool_id, **dict(zip(_REMEMBERED, values, strict=True))}
