# SPDX-License-Identifier: Apache-2.0
"""Events say why in one word and how long it took; tallies count on when events are deleted.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-21
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_P = "priority_spark_"
_INSTANT = sa.TIMESTAMP(timezone=True).with_variant(mysql.TIMESTAMP(fsp=6), "mysql")


def _columns():
    """Return table → the columns it gains."""
    return {
        "job": [sa.Column("notify", sa.JSON, nullable=True)],
        "event": [
            sa.Column("cause", sa.String(30), nullable=True),
            sa.Column("pool", sa.String(63), nullable=True),
            sa.Column("seconds", sa.Float, nullable=True),
            sa.Column("to_notify", sa.Boolean, nullable=False, server_default=sa.false()),
        ],
        "arbiter_state": [sa.Column("tallied_until", _INSTANT, nullable=True)],
    }


# In place, never by alembic's batch mode: see 0002.
def upgrade():
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(_P + table, column)
    where = sa.text("to_notify")
    op.create_index(
        f"{_P}event_to_notify", f"{_P}event", ["id"], postgresql_where=where, sqlite_where=where
    )
    op.create_table(
        f"{_P}tally",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("sum", sa.Float, nullable=False),
        sa.Column("buckets", sa.JSON, nullable=True),
        sa.PrimaryKeyConstraint("digest", name=f"{_P}tally_pk"),
    )


def downgrade():
    op.drop_table(f"{_P}tally")
    op.drop_index(f"{_P}event_to_notify", f"{_P}event")
    for table, columns in _columns().items():
        for column in reversed(columns):
            op.drop_column(_P + table, column.name)
