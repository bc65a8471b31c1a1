# SPDX-License-Identifier: Apache-2.0
"""When a waiting job is cancelled: the author's time limit for the queue, which Airflow cannot watch.

A parked task has no trigger and so no trigger timeout; the arbiter looks after its limit instead.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-21
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JOB = "priority_spark_job"
_INSTANT = sa.TIMESTAMP(timezone=True).with_variant(mysql.TIMESTAMP(fsp=6), "mysql")


# In place, never by alembic's batch mode: that would drop the table, and SQLite would take along or
# refuse the events and grants that refer to its rows.
def upgrade():
    op.add_column(_JOB, sa.Column("queue_deadline", _INSTANT, nullable=True))


def downgrade():
    op.drop_column(_JOB, "queue_deadline")
