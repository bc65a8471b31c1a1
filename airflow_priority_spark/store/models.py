# SPDX-License-Identifier: Apache-2.0
"""The tables.

They live in Airflow's metadata database, in a ``MetaData`` of their own and without foreign keys
into Airflow's tables: Airflow deletes its rows when it pleases, and ours must outlive them (a grant
is released when its pods are gone, not when a DAG run is cleaned up). All instants are UTC.

Whatever is written here must be the same as what the migrations build; a test compares the two.
"""

from __future__ import annotations

import datetime
from typing import Any, Final
from uuid import UUID

from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PREFIX: Final = "priority_spark_"
VERSION_TABLE: Final = "priority_spark_alembic_version"

#: SQLite numbers rows by itself only for a column that is exactly INTEGER.
_RowId = BigInteger().with_variant(Integer, "sqlite")


# Conditions of partial indexes, as texts: a query finds the index only if it says the very same.
#: Queued and waiting for its turn in the line of its pool.
JOB_IN_LINE: Final = (
    "state = 'queued' AND flow = 'priority' AND NOT adopt "
    "AND (ineligible IS NULL OR ineligible <> 'previous-attempt')"
)
#: Queued and not waiting for its turn: admitted whatever the room, or kept by an earlier attempt.
JOB_ASIDE: Final = "state = 'queued' AND (flow <> 'priority' OR adopt OR ineligible = 'previous-attempt')"
#: The few of very many events that somebody has still to look at.
EVENT_TO_NOTIFY: Final = "to_notify"
EVENT_TO_TALLY: Final = "to_tally"


class Base(DeclarativeBase):
    """Base of all tables, with names for every constraint so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": f"{PREFIX}ix_%(column_0_N_label)s",
            "uq": "%(table_name)s_%(column_0_N_name)s_uq",
            "fk": "%(table_name)s_%(column_0_name)s_fk",
            "pk": "%(table_name)s_pk",
        }
    )


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


class Job(Base):
    """One attempt of one task that wants to run a Spark application.

    ``(position_at, position_id)`` is its place: creation time and id of the trigger that enqueued it.
    ``deferred_at``: when its task deferred to the queue for the last time.
    ``queue_deadline``: when it is cancelled if it still waits, null for never.
    ``parked``: its task instance waits without a trigger, only we can resume it.
    ``verdict``: the last blocked verdict as JSON; ``ineligible``: why it is not looked at.
    ``adopt``: it waits again because Airflow lost its attempt; an application it has is taken up again.
    ``service``: the service it belongs to, for limits, as its DAG names it; ``bundle``: of its DAG.
    ``head_retries``: how often it was let wait on after the head's timeout.
    ``exceeds_demand``: its pods use more than it declared.
    ``declared``: what its author asks for, while a person has set another ``demand``; else null.
    ``held_reason``: one of ``scheduling.jobs.HeldReason`` while it is held, else empty; the sentence is
    in ``reason``.
    ``observed``: of the flow ``observe``, the verdict that would have made it wait; null: it had room.
    ``notify``: notice → names of notifiers that its author wants told, null for none.
    """

    __tablename__ = f"{PREFIX}job"
    __table_args__ = (
        UniqueConstraint("ti_id"),
        # What a cycle reads: the first rows of each line, found without touching the others.
        Index(
            f"{PREFIX}job_front",
            "queue_id",
            "pool",
            "position_at",
            "position_id",
            "id",
            postgresql_include=["user", "service", "dag_id"],
            postgresql_where=text(JOB_IN_LINE),
            sqlite_where=text(JOB_IN_LINE),
        ),
        # And the few that do not wait for their turn.
        Index(f"{PREFIX}job_aside", "id", postgresql_where=text(JOB_ASIDE), sqlite_where=text(JOB_ASIDE)),
        Index(f"{PREFIX}job_open", "ended_at", "id"),
        Index(f"{PREFIX}job_dag", "state", "dag_id"),
        Index(f"{PREFIX}job_deadline", "queue_deadline"),
        Index(f"{PREFIX}job_waiting", "state", "queue_id", "pool", "position_at", "position_id"),
        Index(f"{PREFIX}job_task_key", "dag_id", "run_id", "task_id", "map_index"),
        Index(f"{PREFIX}job_ended", "ended_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    dag_id: Mapped[str] = mapped_column(String(250), nullable=False)
    run_id: Mapped[str] = mapped_column(String(250), nullable=False)
    task_id: Mapped[str] = mapped_column(String(250), nullable=False)
    map_index: Mapped[int] = mapped_column(Integer, nullable=False)
    ti_id: Mapped[UUID] = mapped_column(Uuid(), nullable=False)
    try_number: Mapped[int] = mapped_column(Integer, nullable=False)
    clear_number: Mapped[int] = mapped_column(Integer, nullable=False)

    queue_id: Mapped[int] = mapped_column(ForeignKey(f"{PREFIX}queue.id"), nullable=False)
    pool: Mapped[str] = mapped_column(String(63), nullable=False)
    state: Mapped[str] = mapped_column(String(20), nullable=False)
    position_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    position_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    deferred_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    flow: Mapped[str] = mapped_column(String(20), nullable=False)
    parked: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False)
    demand: Mapped[dict[str, Any]] = mapped_column(JSON, nullable=False)
    connection: Mapped[dict[str, Any]] = mapped_column(JSON, nullable=False)
    keep_application: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False)
    user: Mapped[str | None] = mapped_column(String(250), nullable=True)
    team: Mapped[str | None] = mapped_column(String(50), nullable=True)

    ineligible: Mapped[str | None] = mapped_column(String(30), nullable=True)
    ineligible_detail: Mapped[str] = mapped_column(Text, nullable=False, default="")
    blocking_resource: Mapped[str | None] = mapped_column(String(250), nullable=True, index=True)
    verdict: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    blocked_since: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)

    admission: Mapped[int] = mapped_column(Integer, nullable=False, default=0)
    reschedules: Mapped[int] = mapped_column(Integer, nullable=False, default=0)
    adopt: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False)
    application_name: Mapped[str | None] = mapped_column(String(253), nullable=True)
    application_uid: Mapped[str | None] = mapped_column(String(63), nullable=True)
    application_state: Mapped[str | None] = mapped_column(String(63), nullable=True)

    queued_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    admitted_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    submitted_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    started_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    ended_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    reason: Mapped[str] = mapped_column(Text, nullable=False, default="")
    # From here on in the order of the migrations, so that both ways to the tables make the same ones.
    queue_deadline: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, nullable=True)
    service: Mapped[str | None] = mapped_column(String(250), nullable=True)
    bundle: Mapped[str | None] = mapped_column(String(250), nullable=True)
    tags: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    head_retries: Mapped[int] = mapped_column(Integer, nullable=False, default=0, server_default="0")
    exceeds_demand: Mapped[bool] = mapped_column(
        Boolean, nullable=False, default=False, server_default=false()
    )
    held_reason: Mapped[str] = mapped_column(
        String(30), nullable=False, default="", server_default=text("''")
    )
    observed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    declared: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), nullable=True)
    notify: Mapped[dict[str, list[str]] | None] = mapped_column(JSON(none_as_null=True), nullable=True)


class Event(Base):
    """What happened to a job and why; one row for every transition.

    ``cause``: one of ``store.causes.Cause``, or null. ``pool``: the job's then.
    ``seconds``: how long what the event ended has lasted: the wait of an admission, the time from admission
    to running, the run of an end; else null. ``to_notify``: a notifier has still to be told.
    ``to_tally``: no tally counts it yet.
    """

    __tablename__ = f"{PREFIX}event"
    __table_args__ = (
        Index(
            f"{PREFIX}event_to_notify",
            "id",
            postgresql_where=text(EVENT_TO_NOTIFY),
            sqlite_where=text(EVENT_TO_NOTIFY),
        ),
        Index(
            f"{PREFIX}event_to_tally",
            "id",
            postgresql_where=text(EVENT_TO_TALLY),
            sqlite_where=text(EVENT_TO_TALLY),
        ),
    )

    id: Mapped[int] = mapped_column(_RowId, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey(f"{PREFIX}job.id"), nullable=False, index=True)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False, index=True)
    from_state: Mapped[str | None] = mapped_column(String(20), nullable=True)
    to_state: Mapped[str] = mapped_column(String(20), nullable=False)
    reason: Mapped[str] = mapped_column(Text, nullable=False)
    actor: Mapped[str] = mapped_column(String(250), nullable=False)
    cause: Mapped[str | None] = mapped_column(String(30), nullable=True)
    pool: Mapped[str | None] = mapped_column(String(63), nullable=True)
    seconds: Mapped[float | None] = mapped_column(Float, nullable=True)
    to_notify: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False, server_default=false())
    to_tally: Mapped[bool] = mapped_column(Boolean, nullable=False, default=True, server_default=true())


class Grant(Base):
    """Capacity promised to an admitted job; the row is deleted when the promise ends."""

    __tablename__ = f"{PREFIX}grant"

    job_id: Mapped[str] = mapped_column(ForeignKey(f"{PREFIX}job.id"), primary_key=True)
    queue_id: Mapped[int] = mapped_column(ForeignKey(f"{PREFIX}queue.id"), nullable=False, index=True)
    admission: Mapped[int] = mapped_column(Integer, nullable=False)
    demand: Mapped[dict[str, Any]] = mapped_column(JSON, nullable=False)
    unchecked: Mapped[bool] = mapped_column(Boolean, nullable=False, default=False)
    granted_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)
    valid_until: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)


class Delivery(Base):
    """An event that a parked task is to be resumed with, once Airflow can take it; deleted when it was."""

    __tablename__ = f"{PREFIX}delivery"

    job_id: Mapped[str] = mapped_column(ForeignKey(f"{PREFIX}job.id"), primary_key=True)
    event: Mapped[dict[str, Any]] = mapped_column(JSON, nullable=False)
    decided_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False)


class CapacitySnapshot(Base):
    """What a cluster looked like: quotas, nodes, freshness. The newest row is rewritten for a minute."""

    __tablename__ = f"{PREFIX}capacity_snapshot"
    __table_args__ = (Index(f"{PREFIX}capacity_snapshot_taken", "cluster_id", "taken_at"),)

    id: Mapped[int] = mapped_column(_RowId, primary_key=True)
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

    id: Mapped[int] = mapped_column(_RowId, primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, nullable=False, index=True)
    actor: Mapped[str] = mapped_column(String(250), nullable=False)
    action: Mapped[str] = mapped_column(String(50), nullable=False)
    target_type: Mapped[str] = mapped_column(String(20), nullable=False)
    target: Mapped[str] = mapped_column(String(500), nullable=False)
    reason: Mapped[str] = mapped_column(Text, nullable=False)
    details: Mapped[dict[str, Any]] = mapped_column(JSON, nullable=False)
