# SPDX-License-Identifier: Apache-2.0
"""Places in the line of a priority pool.

A place is a pair (instant, number), first the creation time and id of the trigger that enqueued the job.
There is always a place directly before the first and directly behind any other: the number counts on at
the same instant. Only where that place is taken do those behind it give way, one after the other.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import WAITING
from airflow_priority_spark.store.models import Job


def move_first(session: Session, job: Job) -> None:
    """Put a job before all that wait in its pool."""
    first = session.scalar(_others(job).order_by(*_PLACE).limit(1))
    if first is not None:
        _put(session, job, first.position_at, first.position_id - 1)


def move_last(session: Session, job: Job) -> None:
    """Put a job behind all that wait in its pool."""
    last = session.scalar(_others(job).order_by(*(column.desc() for column in _PLACE)).limit(1))
    if last is not None:
        _put(session, job, last.position_at, last.position_id + 1)


def move_before(session: Session, job: Job, other: Job) -> None:
    """Put a job directly before another of its pool."""
    ahead = or_(
        Job.position_at < other.position_at,
        (Job.position_at == other.position_at) & (Job.position_id < other.position_id),
    )
    last = session.scalar(_others(job, ahead).order_by(*(column.desc() for column in _PLACE)).limit(1))
    if last is None:
        _put(session, job, other.position_at, other.position_id - 1)
    else:
        _put(session, job, last.position_at, last.position_id + 1)


def move_behind(session: Session, job: Job, other: Job) -> None:
    """Put a job directly behind another of its pool."""
    _put(session, job, other.position_at, other.position_id + 1)


_PLACE = (Job.position_at, Job.position_id, Job.id)


def _others(job: Job, *conditions: ColumnElement[bool]) -> Select[Job]:
    return select(Job).where(
        Job.queue_id == job.queue_id,
        Job.pool == job.pool,
        Job.state.in_([str(state) for state in WAITING]),
        Job.id != job.id,
        *conditions,
    )


def _put(session: Session, job: Job, at: datetime.datetime, number: int) -> None:
    job.position_at, job.position_id = at, number
    behind: Sequence[Job] = session.scalars(
        _others(job, Job.position_at == at, Job.position_id >= number).order_by(*_PLACE)
    ).all()
    for taken in behind:
        if taken.position_id > number:
            break
        number += 1
        taken.position_id = number
    session.flush()
