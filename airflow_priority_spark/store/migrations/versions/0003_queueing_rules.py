# SPDX-License-Identifier: Apache-2.0
"""The queueing rules a site sets while running: limits, heads' clocks, who may use what, flows, audit.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-21
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_P = "priority_spark_"
_INSTANT = sa.TIMESTAMP(timezone=True).with_variant(mysql.TIMESTAMP(fsp=6), "mysql")
_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_IN_LINE = (
    "state = 'queued' AND flow = 'priority' AND NOT adopt "
    "AND (ineligible IS NULL OR ineligible <> 'previous-attempt')"
)
_ASIDE = "state = 'queued' AND (flow <> 'priority' OR adopt OR ineligible = 'previous-attempt')"


def _head_columns():
    return [
        sa.Column("head_timeout_seconds", sa.Integer, nullable=True),
        sa.Column("head_retry_count", sa.Integer, nullable=True),
        sa.Column("head_retry_position", sa.String(20), nullable=True),
        sa.Column("head_timeout_action", sa.String(20), nullable=True),
        sa.Column("head_protection_seconds", sa.Integer, nullable=True),
    ]


def _columns():
    """Return table → the columns it gains."""
    return {
        "cluster": [
            sa.Column("mode", sa.String(40), nullable=True),
            sa.Column("nodes", sa.String(20), nullable=True),
            sa.Column("job_limit", sa.Integer, nullable=True),
            sa.Column("node_maxima", sa.JSON, nullable=True),
        ],
        "queue": [
            sa.Column("job_limit", sa.Integer, nullable=True),
            *_head_columns(),
            sa.Column("updated_at", _INSTANT, nullable=True),
            sa.Column("updated_by", sa.String(250), nullable=True),
        ],
        "pool": [
            sa.Column("job_limit", sa.Integer, nullable=True),
            *_head_columns(),
            sa.Column("allowed", sa.JSON, nullable=True),
            sa.Column("head_timeout_since", _INSTANT, nullable=True),
            sa.Column("head_clock_paused_at", _INSTANT, nullable=True),
            sa.Column("head_warned", sa.Integer, nullable=False, server_default="0"),
        ],
        "job": [
            sa.Column("service", sa.String(250), nullable=True),
            sa.Column("bundle", sa.String(250), nullable=True),
            sa.Column("tags", sa.JSON, nullable=True),
            sa.Column("head_retries", sa.Integer, nullable=False, server_default="0"),
            sa.Column("exceeds_demand", sa.Boolean, nullable=False, server_default=sa.false()),
            sa.Column("held_reason", sa.String(30), nullable=False, server_default=sa.text("''")),
            sa.Column("observed", sa.JSON, nullable=True),
            sa.Column("declared", sa.JSON, nullable=True),
        ],
        "arbiter_state": [sa.Column("revision", sa.BigInteger, nullable=False, server_default="0")],
    }


# In place, never by alembic's batch mode: see 0002.
def upgrade():
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(_P + table, column)
    _create_indexes()
    _create_tables()


def downgrade():
    for name in ("audit", "setting", "flow_override", "rule"):
        op.drop_table(_P + name)
    op.drop_index(f"{_P}ix_{_P}event_at", f"{_P}event")
    for name in ("job_deadline", "job_dag", "job_open", "job_aside", "job_front"):
        op.drop_index(_P + name, f"{_P}job")
    for table, columns in _columns().items():
        for column in reversed(columns):
            op.drop_column(_P + table, column.name)


def _create_indexes():
    op.create_index(
        f"{_P}job_front",
        f"{_P}job",
        ["queue_id", "pool", "position_at", "position_id", "id"],
        postgresql_include=["user", "service", "dag_id"],
        postgresql_where=sa.text(_IN_LINE),
        sqlite_where=sa.text(_IN_LINE),
    )
    aside = sa.text(_ASIDE)
    op.create_index(f"{_P}job_aside", f"{_P}job", ["id"], postgresql_where=aside, sqlite_where=aside)
    op.create_index(f"{_P}job_open", f"{_P}job", ["ended_at", "id"])
    op.create_index(f"{_P}job_dag", f"{_P}job", ["state", "dag_id"])
    op.create_index(f"{_P}job_deadline", f"{_P}job", ["queue_deadline"])
    op.create_index(f"{_P}ix_{_P}event_at", f"{_P}event", ["at"])


def _create_tables():
    op.create_table(
        f"{_P}rule",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("dag_ids", sa.JSON, nullable=True),
        sa.Column("tags", sa.JSON, nullable=True),
        sa.Column("teams", sa.JSON, nullable=True),
        sa.Column("bundles", sa.JSON, nullable=True),
        sa.Column("namespace", sa.String(63), nullable=True),
        sa.Column("pool", sa.String(63), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{_P}rule_pk"),
    )
    op.create_table(
        f"{_P}flow_override",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("value", sa.String(250), nullable=False),
        sa.Column("flow", sa.String(20), nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("updated_by", sa.String(250), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{_P}flow_override_pk"),
        sa.UniqueConstraint("scope", "value", name=f"{_P}flow_override_scope_value_uq"),
    )
    op.create_table(
        f"{_P}setting",
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("updated_by", sa.String(250), nullable=False),
        sa.PrimaryKeyConstraint("key", name=f"{_P}setting_pk"),
    )
    op.create_table(
        f"{_P}audit",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("actor", sa.String(250), nullable=False),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column("target_type", sa.String(20), nullable=False),
        sa.Column("target", sa.String(500), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{_P}audit_pk"),
    )
    op.create_index(f"{_P}ix_{_P}audit_at", f"{_P}audit", ["at"])
    op.create_index(f"{_P}audit_target", f"{_P}audit", ["target_type", "target"])
