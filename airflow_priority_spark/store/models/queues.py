# SPDX-License-Identifier: Apache-2.0
"""Queues and their priority pools, and the rules that lead jobs into them."""

from __future__ import annotations

import datetime
from typing import Any

from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from airflow_priority_spark.store.models.base import PREFIX, Base


class Queue(Base):
    """The jobs bound for one namespace of one cluster. ``capacity``: resource → quantity text, or null.

    ``job_limit``: most jobs admitted at once, null for any number. ``head_*``: rules for blocked heads,
    null for the site's.
    """

    __tablename__ = f"{PREFIX}queue"
    __table_args__ = (UniqueConstraint("cluster_id", "namespace"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    cluster_id: Mapped[str] = mapped_column(ForeignKey(f"{PREFIX}cluster.cluster_id"), nullable=False)
    namespace: Mapped[str] = mapped_column(String(63), nullable=False)
    weight: Mapped[int] = mapped_column(Integer, nullable=False, default=1)
    policy: Mapped[str] = mapped_column(String(20), nullable=False, default="weighted")
    paused: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False)
    draining: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False)
    capacity: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    job_limit: Mapped[int | None] = mapped_column(Integer, nullable=True)
    head_timeout_seconds: Mapped[int | None] = mapped_column(Integer, nullable=True)
    head_retry_count: Mapped[int | None] = mapped_column(Integer, nullable=True)
    head_retry_position: Mapped[str | None] = mapped_column(String(20), nullable=True)
    head_timeout_action: Mapped[str | None] = mapped_column(String(20), nullable=True)
    head_protection_seconds: Mapped[int | None] = mapped_column(Integer, nullable=True)
    updated_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    updated_by: Mapped[str | None] = mapped_column(String(250), nullable=True)


class Pool(Base):
    """A priority pool of a queue, with what the weighted round robin and the head's clocks remember.

    ``head_*`` rules: null for the queue's. ``allowed``: who may use it, lists of patterns under ``teams``,
    ``bundles``, ``dag_ids`` and ``tags``; null for anyone.
    ``head_blocked_since``: since when the head is blocked by capacity.
    ``head_timeout_since``: start of its timeout clock, moved on by every pause of that clock;
    ``head_clock_paused_at``: since when that stands still.
    ``head_warned``: the last warning given, in per cent of the timeout (0, 50 or 80).
    """

    __tablename__ = f"{PREFIX}pool"
    __table_args__ = (UniqueConstraint("queue_id", "name"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    queue_id: Mapped[int] = mapped_column(ForeignKey(f"{PREFIX}queue.id"), nullable=False)
    name: Mapped[str] = mapped_column(String(63), nullable=False)
    weight: Mapped[int] = mapped_column(Integer, nullable=False)
    credit: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0)
    head_job_id: Mapped[str | None] = mapped_column(String(36), nullable=True)
    head_blocked_since: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    job_limit: Mapped[int | None] = mapped_column(Integer, nullable=True)
    head_timeout_seconds: Mapped[int | None] = mapped_column(Integer, nullable=True)
    head_retry_count: Mapped[int | None] = mapped_column(Integer, nullable=True)
    head_retry_position: Mapped[str | None] = mapped_column(String(20), nullable=True)
    head_timeout_action: Mapped[str | None] = mapped_column(String(20), nullable=True)
    head_protection_seconds: Mapped[int | None] = mapped_column(Integer, nullable=True)
    allowed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    head_timeout_since: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    head_clock_paused_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    head_warned: Mapped[int] = mapped_column(Integer, nullable=False, default=0, server_default="0")


class PoolRule(Base):
    """A rule of the site that assigns a priority pool; the first whose every given list matches decides.

    Each list holds shell patterns of which one must match, null matches everything; ``namespace`` null:
    every queue.
    """

    __tablename__ = f"{PREFIX}rule"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, nullable=False)
    dag_ids: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    tags: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    teams: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    bundles: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    namespace: Mapped[str | None] = mapped_column(String(63), nullable=True)
    pool: Mapped[str] = mapped_column(String(63), nullable=False)


class FlowOverride(Base):
    """A deployment flow that an operator set for many jobs; the most specific decides.

    ``scope``: ``dag_id``, ``team``, ``namespace`` or ``site``, in this order; ``value``: empty for the site.
    """

    __tablename__ = f"{PREFIX}flow_override"
    __table_args__ = (UniqueConstraint("scope", "value"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    scope: Mapped[str] = mapped_column(String(20), nullable=False)
    value: Mapped[str] = mapped_column(String(250), nullable=False, default="")
    flow: Mapped[str] = mapped_column(String(20), nullable=False)
    updated_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    updated_by: Mapped[str] = mapped_column(String(250), nullable=False)
