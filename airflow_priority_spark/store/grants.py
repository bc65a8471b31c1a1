# SPDX-License-Identifier: Apache-2.0
"""Who holds capacity: the grants with what is needed to judge and to count them.

As many rows as jobs hold capacity, not as jobs wait; plain rows, because a cycle reads all of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, Text, cast, select, true
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


_OF_GRANT: Final = frozenset({"job_id", "queue_id", "admission", "demand", "valid_until"})


def read_grants(session: Session) -> Sequence[HeldGrant]:
    """Return every grant with its job (one statement)."""
    return _read(session)


def grants_that_ran_out(session: Session, now: datetime.datetime) -> Sequence[HeldGrant]:
    """Return admissions that no worker made use of while they held (one statement)."""
    found = _read(session, Grant.valid_until < now)
    return [row for row in found if row.state == JobState.ADMITTED.value and row.application_uid is None]


def _read(session: Session, *conditions: ColumnElement[bool]) -> Sequence[HeldGrant]:
    sqlite = session.get_bind().dialect.name == "sqlite"
    statement = (_joined() if sqlite else _looked_up()).where(*conditions)
    return [HeldGrant(*row) for row in session.execute(statement)]


@lru_cache
def _joined() -> Select[Any]:
    columns = [_demand() if name == "demand" else getattr(_table(name), name) for name in HeldGrant._fields]
    return select(*columns).join(Job, Job.id == Grant.job_id).order_by(Grant.job_id)


@lru_cache
def _looked_up() -> Select[Any]:
    """Look every grant's job up by its id.

    Grants come and go faster than PostgreSQL counts them. Expecting more than there are, it would rather read
    all jobs; a limit keeps it from that.
    """
    of_job = [getattr(Job, name) for name in HeldGrant._fields if _table(name) is Job]
    job = select(*of_job).where(Job.id == Grant.job_id).limit(1).correlate(Grant).lateral("job")
    columns = [
        _demand() if name == "demand" else job.c[name] if _table(name) is Job else getattr(Grant, name)
        for name in HeldGrant._fields
    ]
    return select(*columns).select_from(Grant).join(job, true()).order_by(Grant.job_id)


def _table(name: str) -> type[Grant | Job]:
    """Return where a column of ``HeldGrant`` stands."""
    return Grant if name in _OF_GRANT else Job


def _demand() -> ColumnElement[str]:
    return cast(Grant.demand, Text).label("demand")
