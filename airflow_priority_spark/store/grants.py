# SPDX-License-Identifier: Apache-2.0
"""Who holds capacity: the grants with what is needed to judge and to count them.

As many rows as jobs hold capacity, not as jobs wait; plain rows, because a cycle reads all of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, cast, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.store.models import Grant, Job


class HeldGrant(NamedTuple):
    """A grant and its job. ``demand`` is JSON text, to be parsed once."""

    job_id: str
    queue_id: int
    admission: int
    demand: str
    valid_until: datetime.datetime
    state: str
    pool: str
    user: str | None
    service: str | None
    application_uid: str | None
    exceeds_demand: bool
    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    @property
    def task_key(self) -> TaskKey:
        """The identity of the job's task over all its attempts."""
        return TaskKey(self.dag_id, self.run_id, self.task_id, self.map_index)


_OF_GRANT = ("job_id", "queue_id", "admission", "valid_until")


def read_grants(session: Session) -> Sequence[HeldGrant]:
    """Return every grant with its job (one statement)."""
    return _read(session)


def grants_that_ran_out(session: Session, now: datetime.datetime) -> Sequence[HeldGrant]:
    """Return admissions that no worker made use of while they held (one statement)."""
    return _read(
        session,
        Grant.valid_until < now,
        Job.state == JobState.ADMITTED.value,
        Job.application_uid.is_(None),
    )


def _read(session: Session, *conditions: ColumnElement[bool]) -> Sequence[HeldGrant]:
    statement = select(*_columns()).join(Job, Job.id == Grant.job_id).where(*conditions)
    return [HeldGrant(*row) for row in session.execute(statement.order_by(Grant.job_id))]


def _columns() -> list[ColumnElement[Any]]:
    return [
        cast(Grant.demand, Text).label(name)
        if name == "demand"
        else getattr(Grant if name in _OF_GRANT else Job, name)
        for name in HeldGrant._fields
    ]
