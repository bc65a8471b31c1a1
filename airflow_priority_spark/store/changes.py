# SPDX-License-Identifier: Apache-2.0
"""What has changed since somebody last looked: for pages that follow along.

Asked about once a second by each API process, so one statement tells that nothing has happened. Jobs change
with an event, whose ids grow; writers line up behind the arbiter's row, so they become visible in order.
Queues, pools and the arbiter have no events: what people see of them is compared with what it was.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.store.models import ArbiterState, Event, Job, Pool, Queue

#: Events that are read at a time; of more than these nobody wants to know each.
MOST: Final = 500


class Mark(NamedTuple):
    """Stands for everything that was written until now; differs as soon as something was.

    :param alive: whether an arbiter leads.
    """

    event_id: int
    epoch: int
    cycle: int
    revision: int
    holder: str
    alive: bool

    @property
    def arbiter(self) -> tuple[int, str, bool]:
        """Who leads."""
        return self.epoch, self.holder, self.alive


@dataclass(frozen=True, slots=True)
class JobEvent:
    """Something happened to a job."""

    event_id: int
    at: datetime.datetime
    job_id: str
    dag_id: str
    queue_id: int


#: Queue → what people see of it and its pools.
QueueLooks = dict[int, tuple[Any, ...]]


def mark(session: Session, now: datetime.datetime) -> Mark:
    """Return where things stand (one statement)."""
    newest = select(func.coalesce(func.max(Event.id), 0)).scalar_subquery()
    row = session.execute(select(newest.label("newest"), ArbiterState)).one()
    state: ArbiterState = row.ArbiterState
    alive = state.lease_until is not None and state.lease_until >= now
    return Mark(row.newest, state.epoch, state.cycle, state.revision, state.holder, alive)


def events_since(session: Session, event_id: int, until: int) -> list[JobEvent]:
    """Return events of jobs behind an id, up to another one, oldest first; at most ``MOST`` and one more."""
    rows = session.execute(
        select(Event.id, Event.at, Event.job_id, Job.dag_id, Job.queue_id)
        .join(Job, Job.id == Event.job_id)
        .where(Event.id > event_id, Event.id <= until)
        .order_by(Event.id)
        .limit(MOST + 1)
    )
    return [JobEvent(*row) for row in rows]


def newest_event(session: Session) -> int:
    """Return the id of the newest event, 0 when there is none (one statement)."""
    return session.scalar(select(func.coalesce(func.max(Event.id), 0))) or 0


def queues_of_events(session: Session, event_id: int) -> tuple[int, frozenset[int]]:
    """Return the newest event behind an id, or that id, and the queues of all behind it (one statement)."""
    rows = session.execute(_QUEUES_OF_EVENTS, {"behind": event_id}).all()
    return max((row.id for row in rows), default=event_id), frozenset(row.queue_id for row in rows)


_QUEUES_OF_EVENTS: Final = (
    select(Event.id, Job.queue_id).join(Job, Job.id == Event.job_id).where(Event.id > bindparam("behind"))
)


def queue_looks(session: Session) -> QueueLooks:
    """Return what people see of every queue besides its jobs (two statements)."""
    pools: dict[int, list[Any]] = {}
    columns = (Pool.name, Pool.weight, Pool.job_limit, Pool.head_job_id, Pool.head_blocked_since)
    for row in session.execute(select(Pool.queue_id, *columns, Pool.head_warned).order_by(Pool.id)):
        pools.setdefault(row.queue_id, []).append(tuple(row)[1:])
    rows = session.execute(select(Queue.id, Queue.paused, Queue.draining, Queue.updated_at))
    return {row.id: (*tuple(row)[1:], *pools.get(row.id, ())) for row in rows}


def differing(before: QueueLooks, after: QueueLooks) -> Iterable[int]:
    """Return the queues that look different, are new or are gone."""
    return sorted(queue for queue in before.keys() | after.keys() if before.get(queue) != after.get(queue))
