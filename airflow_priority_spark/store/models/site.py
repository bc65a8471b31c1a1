# SPDX-License-Identifier: Apache-2.0
"""What concerns the whole installation: its identity, its clusters, its leader, its rules, its records."""

from __future__ import annotations

import datetime
from typing import Any

from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from airflow_priority_spark.store.models.base import PREFIX, Base, RowId


class Instance(Base):
    """One row: the identity of this Airflow installation, put on everything created in a cluster."""

    __tablename__ = f"{PREFIX}instance"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    instance_id: Mapped[str] = mapped_column(String(36), nullable=False)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)


class Cluster(Base):
    """A physical Kubernetes cluster; ``cluster_id`` is the UID of its ``kube-system`` namespace.

    ``name`` is what people call it: the connection id that first led to it.
    ``mode``, ``nodes``: as the options of the same names, null for the site's.
    ``node_maxima``: resource → quantity text that elastic nodes may grow to, null for no maximum.
    """

    __tablename__ = f"{PREFIX}cluster"

    cluster_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str] = mapped_column(String(250), nullable=False, unique=True)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    # Here and in every table below: what later migrations brought comes last, in their order, so that
    # both ways to the tables make the same ones.
    mode: Mapped[str | None] = mapped_column(String(40), nullable=True)
    nodes: Mapped[str | None] = mapped_column(String(20), nullable=True)
    job_limit: Mapped[int | None] = mapped_column(Integer, nullable=True)
    node_maxima: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), nullable=True)


class ClusterAlias(Base):
    """An Airflow connection, with overrides, that leads to a cluster; ``digest`` is SHA-256 of ``alias``."""

    __tablename__ = f"{PREFIX}cluster_alias"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    alias: Mapped[str] = mapped_column(Text, nullable=False)
    cluster_id: Mapped[str] = mapped_column(ForeignKey(f"{PREFIX}cluster.cluster_id"), nullable=False)
    resolved_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)


class CapacitySnapshot(Base):
    """What a cluster looked like: quotas, nodes, freshness. The newest row is rewritten for a minute."""

    __tablename__ = f"{PREFIX}capacity_snapshot"
    __table_args__ = (Index(f"{PREFIX}capacity_snapshot_taken", "cluster_id", "taken_at"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    cluster_id: Mapped[str] = mapped_column(ForeignKey(f"{PREFIX}cluster.cluster_id"), nullable=False)
    taken_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    first_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    data: Mapped[dict[str, Any]] = mapped_column(JSON, nullable=False)


class ArbiterState(Base):
    """One row: who leads, the fence (``epoch``, ``cycle``), and how many acts of people there were.

    ``revision`` counts these acts, whatever they changed: an arbiter that has seen it need not look again.
    """

    __tablename__ = f"{PREFIX}arbiter_state"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0)
    cycle: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0)
    holder: Mapped[str] = mapped_column(String(500), nullable=False, default="")
    lease_until: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    last_cycle_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    revision: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0, server_default="0")


class Tally(Base):
    """A sum that outlives the rows it was made from: a counter, or a histogram.

    ``digest``: SHA-256 of name and labels. ``count``, ``sum``: of a counter only ``sum``.
    ``buckets``: of a histogram how many lie in each bucket, the last one without a bound; else null.
    """

    __tablename__ = f"{PREFIX}tally"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(60), nullable=False)
    labels: Mapped[list[str]] = mapped_column(JSON, nullable=False)
    count: Mapped[int] = mapped_column(BigInteger, nullable=False)
    sum: Mapped[float] = mapped_column(Float, nullable=False)
    buckets: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True), nullable=True)


class Setting(Base):
    """A site's rule that was set while running; without a row the ``[priority_spark]`` option holds."""

    __tablename__ = f"{PREFIX}setting"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON, nullable=False)
    updated_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    updated_by: Mapped[str] = mapped_column(String(250), nullable=False)


class Audit(Base):
    """What a person did, to what, and why.

    ``target_type``: ``job``, ``queue``, ``pool``, ``cluster``, ``flow``, ``rules`` or ``site``.
    """

    __tablename__ = f"{PREFIX}audit"
    __table_args__ = (Index(f"{PREFIX}audit_target", "target_type", "target"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False, index=True)
    actor: Mapped[str] = mapped_column(String(250), nullable=False)
    action: Mapped[str] = mapped_column(String(50), nullable=False)
    target_type: Mapped[str] = mapped_column(String(20), nullable=False)
    target: Mapped[str] = mapped_column(String(500), nullable=False)
    reason: Mapped[str] = mapped_column(Text, nullable=False)
    details: Mapped[dict[str, Any]] = mapped_column(JSON, nullable=False)
