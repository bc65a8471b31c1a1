# SPDX-License-Identifier: Apache-2.0
"""The waiting jobs that a cycle looks at: a few of each priority pool, however many wait.

Only a pool's head may be admitted, so the first few of each pool decide everything; their rows are found
through an index and the others are not touched. Whoever cannot be admitted whatever the room (over the
limit of a user or service, of a paused DAG) is left out by the database, so that fifty thousand jobs of
one eager user do not hide the next user's. The few that do not wait for their turn at all stand *aside*:
admitted unchecked, or kept by an earlier attempt of their task; they are read in rotation.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, Text, and_, cast, not_, or_, select, text, true
from sqlalchemy.orm import Session, aliased

from airflow_priority_spark.store.models import JOB_ASIDE, JOB_IN_LINE, Job, Pool

#: The word in ``Job.ineligible`` of those that stand aside because of an earlier attempt.
PREVIOUS_ATTEMPT: Final = "previous-attempt"


class WaitingRow(NamedTuple):
    """What a cycle needs of a waiting job. ``demand`` and ``verdict`` are JSON text, to be parsed once."""

    id: str
    queue_id: int
    pool: str
    position_at: datetime.datetime
    position_id: int
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    flow: str
    adopt: bool
    admission: int
    reschedules: int
    head_retries: int
    user: str | None
    service: str | None
    demand: str
    verdict: str | None
    ineligible: str | None
    ineligible_detail: str
    reason: str
    deferred_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Whose jobs need not be read, because a limit or a pause keeps all of them from being admitted."""

    users: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    user_services: frozenset[tuple[str, str]] = frozenset()
    dag_ids: frozenset[str] = frozenset()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what the rows of the others fulfil."""
        found: list[ColumnElement[bool]] = []
        if self.users:
            found.append(or_(Job.user.is_(None), Job.user.not_in(sorted(self.users))))
        if self.services:
            found.append(or_(Job.service.is_(None), Job.service.not_in(sorted(self.services))))
        for user, service in sorted(self.user_services):
            both = and_(Job.user == user, Job.service == service)
            found.append(or_(Job.user.is_(None), Job.service.is_(None), not_(both)))
        if self.dag_ids:
            found.append(Job.dag_id.not_in(sorted(self.dag_ids)))
        return found


NOBODY: Final = PassedOver()


def front(
    session: Session,
    per_pool: int,
    passed: PassedOver = NOBODY,
    *,
    pool_ids: Collection[int] | None = None,
) -> Sequence[WaitingRow]:
    """Return the first jobs of every priority pool, in order within each (one statement).

    :param per_pool: at most so many of each.
    :param passed: whose jobs are left out.
    :param pool_ids: only of these pools.
    """
    if session.get_bind().dialect.name == "sqlite":
        statement = _by_subquery(per_pool, passed)
    else:
        statement = _by_lateral(per_pool, passed)
    if pool_ids is not None:
        statement = statement.where(Pool.id.in_(sorted(pool_ids)))
    return [WaitingRow(*row) for row in session.execute(statement)]


def aside(session: Session, limit: int, after: str = "") -> Sequence[WaitingRow]:
    """Return queued jobs that do not wait for their turn, by id (one statement).

    :param after: only those with a greater id; a short answer is the end of the round.
    """
    statement = select(*_columns(Job)).where(text(JOB_ASIDE), Job.id > after).order_by(Job.id).limit(limit)
    return [WaitingRow(*row) for row in session.execute(statement)]


def _columns(job: Any) -> list[ColumnElement[Any]]:
    as_text = {"demand", "verdict"}
    return [
        cast(getattr(job, name), Text).label(name) if name in as_text else getattr(job, name)
        for name in WaitingRow._fields
    ]


def _first(per_pool: int, passed: PassedOver) -> Select[Any]:
    """Select the ids of a pool's first jobs; on PostgreSQL the index alone answers, whoever is passed."""
    in_line = (Job.queue_id == Pool.queue_id, Job.pool == Pool.name, text(JOB_IN_LINE))
    order = (Job.position_at, Job.position_id, Job.id)
    return select(Job.id).where(*in_line, *passed.conditions()).order_by(*order).limit(per_pool)


# Putting the statement together takes longer than running it, and a cycle asks as the one before it.
@lru_cache(maxsize=64)
def _by_lateral(per_pool: int, passed: PassedOver) -> Select[Any]:
    first = _first(per_pool, passed).correlate(Pool).lateral("first")
    found = aliased(Job)
    line = select(*_columns(found)).select_from(Pool).join(first, true()).join(found, found.id == first.c.id)
    return line.order_by(Pool.id, found.position_at, found.position_id, found.id)


@lru_cache(maxsize=64)
def _by_subquery(per_pool: int, passed: PassedOver) -> Select[Any]:
    """Do the same on SQLite, which has no lateral join but may limit a subquery of ``IN``."""
    found = aliased(Job)
    first = _first(per_pool, passed).correlate(Pool)
    line = select(*_columns(found)).select_from(Pool).join(found, found.id.in_(first))
    return line.order_by(Pool.id, found.position_at, found.position_id, found.id)
