# SPDX-License-Identifier: Apache-2.0
"""What holds for a queue, a pool and the site, where each value comes from, and since when.

A value of a pool is its own, its queue's, the site's (set while running), the configuration's, or the
default. Who set it is read from the audit; where that is older than what is kept, from the row itself.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.models import Audit, Cluster, Pool, Queue
from airflow_priority_spark.store.models import Setting as SettingRow
from airflow_priority_spark.store.site import SITE_KEYS

#: What a pool inherits from its queue, and a queue from the site.
INHERITED: Final = (
    "head_timeout_seconds",
    "head_retry_count",
    "head_retry_position",
    "head_timeout_action",
    "head_protection_seconds",
)
_OF_QUEUE: Final = ("weight", "policy", "job_limit", "capacity", *INHERITED)
_OF_POOL: Final = ("weight", "job_limit", "allowed", *INHERITED)
#: So many of the last changes of a queue are searched for who set a value.
_REMEMBERED: Final = 200


@dataclass(frozen=True, slots=True)
class Value:
    """A setting.

    :param source: ``pool``, ``queue``, ``site``, ``airflow.cfg`` (or an environment variable), ``default``.
    :param since: when it was set while running; ``None``: it was not.
    """

    value: Any
    source: str
    since: datetime.datetime | None = None
    by: str | None = None


def site_values(session: Session, settings: Settings) -> dict[str, Value]:
    """Return what holds for the whole site (one statement).

    :param settings: the configuration.
    """
    rows = {row.key: row for row in session.scalars(select(SettingRow))}
    found = {key: configured(settings, key) for key in SITE_KEYS}
    for key, row in rows.items():
        if key in found and row.value is not None:
            found[key] = Value(row.value, "site", row.updated_at, row.updated_by)
    return found


def configured(settings: Settings, key: str) -> Value:
    """Return a value of the configuration; one that is as it would be anyway counts as the default."""
    value = getattr(settings, key)
    return Value(value, "default" if value == getattr(Settings(), key) else "airflow.cfg")


def queue_values(session: Session, queue_id: int, settings: Settings) -> dict[str, Value] | None:
    """Return what holds for a queue, ``None`` when there is no such queue (four statements)."""
    queue = session.get(Queue, queue_id)
    if queue is None:
        return None
    name = f"{session.get_one(Cluster, queue.cluster_id).name}/{queue.namespace}"
    changes = _changes(session, "queue", [name])
    since = queue.updated_at if queue.updated_by else None
    own = _own(queue, _OF_QUEUE, "queue", changes.get(name, {}), Value(None, "", since, queue.updated_by))
    return {**_inherited(site_values(session, settings)), **own}


def pool_values(
    session: Session, queue_id: int, of_queue: Mapping[str, Value]
) -> dict[str, dict[str, Value]]:
    """Return pool → what holds for it (three statements).

    :param of_queue: from ``queue_values``.
    """
    queue = session.get_one(Queue, queue_id)
    cluster = session.get_one(Cluster, queue.cluster_id)
    pools: Sequence[Pool] = session.scalars(
        select(Pool).where(Pool.queue_id == queue_id).order_by(Pool.weight.desc(), Pool.id)
    ).all()
    names = {pool.name: f"{cluster.name}/{queue.namespace}/{pool.name}" for pool in pools}
    changes = _changes(session, "pool", names.values())
    inherited = _inherited(of_queue)
    return {
        pool.name: {
            **inherited,
            **_own(pool, _OF_POOL, "pool", changes.get(names[pool.name], {}), Value(None, "")),
        }
        for pool in pools
    }


def _inherited(values: Mapping[str, Value]) -> dict[str, Value]:
    return {key: values[key] for key in INHERITED}


def _own(
    row: Queue | Pool, keys: Iterable[str], source: str, changes: Mapping[str, Value], otherwise: Value
) -> dict[str, Value]:
    found = {}
    for key in keys:
        value = getattr(row, key)
        if value is None and key in INHERITED:
            continue
        changed = changes.get(key, otherwise)
        found[key] = Value(value, source, changed.since, changed.by)
    return found


def _changes(session: Session, kind: str, targets: Iterable[str]) -> dict[str, dict[str, Value]]:
    """Return target → key → who changed it last and when."""
    rows = session.scalars(
        select(Audit)
        .where(Audit.target_type == kind, Audit.target.in_(list(targets)))
        .order_by(Audit.id.desc())
        .limit(_REMEMBERED)
    )
    found: dict[str, dict[str, Value]] = {}
    for row in rows:
        for key in (row.details or {}).get("changed", {}):
            found.setdefault(row.target, {}).setdefault(key, Value(None, "", row.at, row.actor))
    return found
