# SPDX-License-Identifier: Apache-2.0
"""The rows that exist once: who this Airflow installation is, and the arbiter's state.

Two installations may share a cluster, so everything created there carries the instance id, and it
must never change: it is drawn once, when the tables are created, under the migration's lock.
"""

from __future__ import annotations

import datetime

from sqlalchemy import Connection, insert, select
from sqlalchemy.orm import Session

from airflow_priority_spark.errors import DatabaseNotMigrated
from airflow_priority_spark.store.models import ArbiterState, Instance

#: The primary key of both rows.
ONLY_ROW = 1


def create_single_rows(connection: Connection, *, instance_id: str, now: datetime.datetime) -> None:
    """Insert the instance row and the arbiter's row where they are missing.

    :param connection: in a transaction that excludes other migrations.
    :param instance_id: a fresh UUID; dropped when the installation already has one.
    """
    if connection.execute(select(Instance.id)).first() is None:
        row = {"id": ONLY_ROW, "instance_id": instance_id, "created_at": now}
        connection.execute(insert(Instance).values(row))
    if connection.execute(select(ArbiterState.id)).first() is None:
        connection.execute(insert(ArbiterState).values(id=ONLY_ROW, epoch=0, cycle=0, holder=""))


def instance_id(session: Session) -> str:
    """Return the identity of this Airflow installation, a UUID in canonical form.

    :raises DatabaseNotMigrated: when the migration has not drawn it.
    """
    found = session.scalar(select(Instance.instance_id).where(Instance.id == ONLY_ROW))
    if found is None:
        raise DatabaseNotMigrated("the installation has no instance id yet; run: airflow db migrate")
    return found
