# SPDX-License-Identifier: Apache-2.0
"""Events say why in one word and how long it took; tallies count on when events are deleted.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-21
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_P = "priority_spark_"


def _columns():
    """Return table → the columns it gains."""
    return {
        "job": [sa.Column("notify", sa.JSON, nullable=True)],
        "event": [
            sa.Column("cause", sa.String(30), nullable=True),
            sa.Column("pool", sa.String(63), nullable=True),
            sa.Column("seconds", sa.Float, nullable=True),
            sa.Column("to_notify", sa.Boolean, nullable=False, server_default=sa.false()),
            sa.Column("to_tally", sa.Boolean, nullable=False, server_default=sa.true()),
        ],
    }


# In place, never by alembic's batch mode: see 0002.
def upgrade():
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(_P + table, column)
    for name in ("to_notify", "to_tally"):
        where = sa.text(name)
        index, table = f"{_P}event_{name}", f"{_P}event"
        op.create_index(index, table, ["id"], postgresql_where=where, sqlite_where=where)
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
    for name in ("to_tally", "to_notify"):
        op.drop_index(f"{_P}event_{name}", f"{_P}event")
    for table, columns in _columns().items():
        for column in reversed(columns):
            op.drop_column(_P + table, column.name)
