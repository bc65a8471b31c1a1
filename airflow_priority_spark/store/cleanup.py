# SPDX-License-Identifier: Apache-2.0
"""Delete rows that have grown old, a few at a time.

Each function deletes at most ``limit`` rows (of jobs: at most so many jobs, with their events) and
returns how many, so that no transaction holds locks for long and a site of many years catches up over
days. Ids are read first and deleted by id: every database can do that, and none scans twice.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from airflow_priority_spark.scheduling.jobs import TERMINAL
from airflow_priority_spark.store.models import Audit, Base, CapacitySnapshot, Delivery, Event, Grant, Job


def delete_jobs(session: Session, ended_before: datetime.datetime, limit: int) -> int:
    """Delete finished jobs with their events; one that still holds capacity, or is to be told, stays."""
    ids = session.scalars(
        select(Job.id)
        .where(
            Job.ended_at < ended_before,
            ~exists().where(Event.job_id == Job.id, Event.to_tally),
            Job.state.in_([str(state) for state in TERMINAL]),
            ~exists().where(Grant.job_id == Job.id),
            ~exists().where(Delivery.job_id == Job.id),
        )
        .order_by(Job.ended_at)
        .limit(limit)
    ).all()
    _delete(session, Event, Event.job_id, ids)
    return _delete(session, Job, Job.id, ids)


def delete_events(session: Session, before: datetime.datetime, limit: int) -> int:
    """Delete old events that are counted in the tallies, also of jobs that still wait."""
    old = (Event.at < before, ~Event.to_tally)
    ids = session.scalars(select(Event.id).where(*old).order_by(Event.at).limit(limit)).all()
    return _delete(session, Event, Event.id, ids)


def delete_snapshots(session: Session, before: datetime.datetime, limit: int) -> int:
    """Delete old pictures of clusters, but for the newest of each."""
    newest = select(func.max(CapacitySnapshot.taken_at)).group_by(CapacitySnapshot.cluster_id)
    ids = session.scalars(
        select(CapacitySnapshot.id)
        .where(CapacitySnapshot.taken_at < before, CapacitySnapshot.taken_at.not_in(newest))
        .limit(limit)
    ).all()
    return _delete(session, CapacitySnapshot, CapacitySnapshot.id, ids)


def delete_audit(session: Session, before: datetime.datetime, limit: int) -> int:
    """Delete old audit rows."""
    ids = session.scalars(select(Audit.id).where(Audit.at < before).order_by(Audit.at).limit(limit)).all()
    return _delete(session, Audit, Audit.id, ids)


def _delete(
    session: Session, table: type[Base], column: InstrumentedAttribute[Any], keys: Sequence[Any]
) -> int:
    if keys:
        session.execute(delete(table).where(column.in_(keys)).execution_options(synchronize_session=False))
    return len(keys)
