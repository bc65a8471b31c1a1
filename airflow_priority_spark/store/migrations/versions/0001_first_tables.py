# SPDX-License-Identifier: Apache-2.0
"""First tables, and the two rows that exist once: the instance id and the arbiter's state.

Revision ID: 0001
Revises:
Create Date: 2026-11-21
"""

from __future__ import annotations

import datetime
import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Written out rather than imported from the model: a migration must go on building what it built.
_P = "priority_spark_"
_INSTANT = sa.TIMESTAMP(timezone=True).with_variant(mysql.TIMESTAMP(fsp=6), "mysql")
_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade():
    _create_clusters_and_queues()
    _create_job()
    _create_what_jobs_leave()
    _create_single_rows()


def downgrade():
    for name in (
        "capacity_snapshot",
        "delivery",
        "grant",
        "event",
        "job",
        "pool",
        "queue",
        "cluster_alias",
        "cluster",
        "arbiter_state",
        "instance",
    ):
        op.drop_table(_P + name)


def _create_clusters_and_queues():
    op.create_table(
        f"{_P}cluster",
        sa.Column("cluster_id", sa.String(63), nullable=False),
        sa.Column("name", sa.String(250), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", name=f"{_P}cluster_pk"),
        sa.UniqueConstraint("name", name=f"{_P}cluster_name_uq"),
    )
    op.create_table(
        f"{_P}cluster_alias",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("alias", sa.Text, nullable=False),
        sa.Column("cluster_id", sa.String(63), nullable=False),
        sa.Column("resolved_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=f"{_P}cluster_alias_pk"),
        _reference("cluster_alias", "cluster_id", "cluster.cluster_id"),
    )
    op.create_table(
        f"{_P}queue",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("cluster_id", sa.String(63), nullable=False),
        sa.Column("namespace", sa.String(63), nullable=False),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("policy", sa.String(20), nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("draining", sa.Boolean, nullable=False),
        sa.Column("capacity", sa.JSON, nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{_P}queue_pk"),
        _reference("queue", "cluster_id", "cluster.cluster_id"),
        sa.UniqueConstraint("cluster_id", "namespace", name=f"{_P}queue_cluster_id_namespace_uq"),
    )
    op.create_table(
        f"{_P}pool",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("queue_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("credit", sa.BigInteger, nullable=False),
        sa.Column("head_job_id", sa.String(36), nullable=True),
        sa.Column("head_blocked_since", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=f"{_P}pool_pk"),
        _reference("pool", "queue_id", "queue.id"),
        sa.UniqueConstraint("queue_id", "name", name=f"{_P}pool_queue_id_name_uq"),
    )


def _create_job():
    op.create_table(
        f"{_P}job",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False),
        sa.Column("ti_id", sa.Uuid, nullable=False),
        sa.Column("try_number", sa.Integer, nullable=False),
        sa.Column("clear_number", sa.Integer, nullable=False),
        sa.Column("queue_id", sa.Integer, nullable=False),
        sa.Column("pool", sa.String(63), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("position_at", _INSTANT, nullable=False),
        sa.Column("position_id", sa.BigInteger, nullable=False),
        sa.Column("deferred_at", _INSTANT, nullable=False),
        sa.Column("flow", sa.String(20), nullable=False),
        sa.Column("parked", sa.Boolean, nullable=False),
        sa.Column("demand", sa.JSON, nullable=False),
        sa.Column("connection", sa.JSON, nullable=False),
        sa.Column("keep_application", sa.Boolean, nullable=False),
        sa.Column("user", sa.String(250), nullable=True),
        sa.Column("team", sa.String(50), nullable=True),
        sa.Column("ineligible", sa.String(30), nullable=True),
        sa.Column("ineligible_detail", sa.Text, nullable=False),
        sa.Column("blocking_resource", sa.String(250), nullable=True),
        sa.Column("verdict", sa.JSON, nullable=True),
        sa.Column("blocked_since", _INSTANT, nullable=True),
        sa.Column("admission", sa.Integer, nullable=False),
        sa.Column("reschedules", sa.Integer, nullable=False),
        sa.Column("adopt", sa.Boolean, nullable=False),
        sa.Column("application_name", sa.String(253), nullable=True),
        sa.Column("application_uid", sa.String(63), nullable=True),
        sa.Column("application_state", sa.String(63), nullable=True),
        sa.Column("queued_at", _INSTANT, nullable=False),
        sa.Column("admitted_at", _INSTANT, nullable=True),
        sa.Column("submitted_at", _INSTANT, nullable=True),
        sa.Column("started_at", _INSTANT, nullable=True),
        sa.Column("ended_at", _INSTANT, nullable=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{_P}job_pk"),
        _reference("job", "queue_id", "queue.id"),
        sa.UniqueConstraint("ti_id", name=f"{_P}job_ti_id_uq"),
    )
    for name, columns in {
        "job_waiting": ["state", "queue_id", "pool", "position_at", "position_id"],
        "job_task_key": ["dag_id", "run_id", "task_id", "map_index"],
        "job_ended": ["ended_at"],
        "ix_priority_spark_job_blocking_resource": ["blocking_resource"],
    }.items():
        op.create_index(_P + name, f"{_P}job", columns)


def _create_what_jobs_leave():
    op.create_table(
        f"{_P}event",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("from_state", sa.String(20), nullable=True),
        sa.Column("to_state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.String(250), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{_P}event_pk"),
        _reference("event", "job_id", "job.id"),
    )
    op.create_index(f"{_P}ix_{_P}event_job_id", f"{_P}event", ["job_id"])
    op.create_table(
        f"{_P}grant",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("queue_id", sa.Integer, nullable=False),
        sa.Column("admission", sa.Integer, nullable=False),
        sa.Column("demand", sa.JSON, nullable=False),
        sa.Column("unchecked", sa.Boolean, nullable=False),
        sa.Column("granted_at", _INSTANT, nullable=False),
        sa.Column("valid_until", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=f"{_P}grant_pk"),
        _reference("grant", "job_id", "job.id"),
        _reference("grant", "queue_id", "queue.id"),
    )
    op.create_index(f"{_P}ix_{_P}grant_queue_id", f"{_P}grant", ["queue_id"])
    op.create_table(
        f"{_P}delivery",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("event", sa.JSON, nullable=False),
        sa.Column("decided_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=f"{_P}delivery_pk"),
        _reference("delivery", "job_id", "job.id"),
    )
    op.create_table(
        f"{_P}capacity_snapshot",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("cluster_id", sa.String(63), nullable=False),
        sa.Column("taken_at", _INSTANT, nullable=False),
        sa.Column("first_at", _INSTANT, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{_P}capacity_snapshot_pk"),
        _reference("capacity_snapshot", "cluster_id", "cluster.cluster_id"),
    )
    op.create_index(f"{_P}capacity_snapshot_taken", f"{_P}capacity_snapshot", ["cluster_id", "taken_at"])


def _create_single_rows():
    instance = op.create_table(
        f"{_P}instance",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{_P}instance_pk"),
    )
    state = op.create_table(
        f"{_P}arbiter_state",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("cycle", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(500), nullable=False),
        sa.Column("lease_until", _INSTANT, nullable=True),
        sa.Column("last_cycle_at", _INSTANT, nullable=True),
        sa.Column("summary", sa.JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name=f"{_P}arbiter_state_pk"),
    )
    now = datetime.datetime.now(datetime.UTC)
    op.bulk_insert(instance, [{"id": 1, "instance_id": str(uuid.uuid4()), "created_at": now}])
    op.bulk_insert(state, [{"id": 1, "epoch": 0, "cycle": 0, "holder": ""}])


def _reference(table, column, target):
    return sa.ForeignKeyConstraint([column], [_P + target], name=f"{_P}{table}_{column}_fk")
