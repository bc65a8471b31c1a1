# SPDX-License-Identifier: Apache-2.0
"""The clusters' newest pictures and the arbiter's state, as people see them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.errors import DatabaseNotMigrated
from airflow_priority_spark.store.models import ArbiterState, CapacitySnapshot, Cluster


@dataclass(frozen=True, slots=True)
class ClusterPicture:
    """The newest picture of a cluster; ``data`` is what ``store.snapshots`` recorded."""

    cluster_id: str
    cluster: str
    taken_at: datetime.datetime
    age_seconds: float
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ArbiterStatus:
    """Who leads.

    :param leader: host, process and a random part; empty when nobody leads.
    :param alive: the lease has not expired.
    :param idle_seconds: since the last cycle that was recorded; ``None`` before the first.
    """

    leader: str
    alive: bool
    epoch: int
    cycle: int
    lease_until: datetime.datetime | None
    last_cycle_at: datetime.datetime | None
    idle_seconds: float | None
    summary: dict[str, Any]


def latest_snapshots(session: Session, now: datetime.datetime) -> tuple[ClusterPicture, ...]:
    """Return the newest picture of every cluster that has one, by cluster name (one statement)."""
    newest = (
        select(CapacitySnapshot.id)
        .where(CapacitySnapshot.cluster_id == Cluster.cluster_id)
        .order_by(CapacitySnapshot.taken_at.desc(), CapacitySnapshot.id.desc())
        .limit(1)
        .correlate(Cluster)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Cluster.cluster_id, Cluster.name, CapacitySnapshot.taken_at, CapacitySnapshot.data)
        .join(CapacitySnapshot, CapacitySnapshot.id == newest)
        .order_by(Cluster.name)
    )
    return tuple(
        ClusterPicture(cluster_id, name, taken_at, (now - taken_at).total_seconds(), data)
        for cluster_id, name, taken_at, data in rows
    )


def arbiter_status(session: Session, now: datetime.datetime) -> ArbiterStatus:
    """Return who leads and how fresh the last cycle is (one statement).

    :raises DatabaseNotMigrated: when the arbiter's row is missing.
    """
    row = session.scalar(select(ArbiterState))
    if row is None:
        raise DatabaseNotMigrated("the arbiter's row is missing; run: airflow db migrate")
    idle = (now - row.last_cycle_at).total_seconds() if row.last_cycle_at else None
    return ArbiterStatus(
        leader=row.holder,
        alive=row.lease_until is not None and row.lease_until >= now,
        epoch=row.epoch,
        cycle=row.cycle,
        lease_until=row.lease_until,
        last_cycle_at=row.last_cycle_at,
        idle_seconds=idle,
        summary=row.summary or {},
    )
