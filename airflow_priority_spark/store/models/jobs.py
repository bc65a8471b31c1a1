# SPDX-License-Identifier: Apache-2.0
"""Jobs, what happened to them, and what they hold."""

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
    String,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from airflow_priority_spark.store.models.base import PREFIX, Base, RowId

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

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
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
