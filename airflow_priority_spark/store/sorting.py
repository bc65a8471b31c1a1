# SPDX-License-Identifier: Apache-2.0
"""Lists of jobs in any order, page after page, without counting rows that were passed.

A page continues behind the last row of the one before, by the values that the order looks at and the job's
id, which makes every order total. A value that is missing counts as the greatest: what has not ended yet
comes last in the order of ending, and first in the opposite order.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import ColumnElement, and_, false, or_

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.store.models import Cluster, Job, Queue

#: Name of an order → the columns it compares.
ORDERS: Final[Mapping[str, tuple[Any, ...]]] = {
    "position": (Job.position_at, Job.position_id),
    "queued_at": (Job.queued_at,),
    "admitted_at": (Job.admitted_at,),
    "started_at": (Job.started_at,),
    "ended_at": (Job.ended_at,),
    "dag_id": (Job.dag_id, Job.run_id, Job.task_id, Job.map_index),
    "task_id": (Job.task_id, Job.map_index),
    "state": (Job.state, Job.position_at, Job.position_id),
    "namespace": (Queue.namespace, Job.position_at, Job.position_id),
    "cluster": (Cluster.name, Job.position_at, Job.position_id),
    "pool": (Job.pool, Job.position_at, Job.position_id),
    "user": (Job.user, Job.position_at, Job.position_id),
    "team": (Job.team, Job.position_at, Job.position_id),
    "blocking_resource": (Job.blocking_resource, Job.position_at, Job.position_id),
}
#: What a person may write: a name, or a name after a minus sign for the opposite order.
SORTS: Final = tuple(sign + name for name in ORDERS for sign in ("", "-"))

_WHOLE: Final = 2**63


@dataclass(frozen=True, slots=True)
class Order:
    """One of ``SORTS``; every column is compared in the same direction, the job's id last."""

    sort: str

    @property
    def descending(self) -> bool:
        """It is the opposite of the order of this name."""
        return self.sort.startswith("-")

    @property
    def of_queues(self) -> bool:
        """It compares names of queues or clusters, not of jobs only."""
        return any(column.class_ is not Job for column in self.columns)

    @property
    def columns(self) -> tuple[Any, ...]:
        """What is compared, most important first."""
        return (*ORDERS[self.sort.removeprefix("-")], Job.id)

    def clauses(self, dialect: str) -> list[ColumnElement[Any]]:
        """Return what to order by.

        :param dialect: PostgreSQL takes a missing value for the greatest by itself, and then uses an index.
        """
        found: list[ColumnElement[Any]] = []
        for column in self.columns:
            if dialect != "postgresql" and column.property.columns[0].nullable:
                missing = column.is_(None)
                found.append(missing.desc() if self.descending else missing.asc())
            found.append(column.desc() if self.descending else column.asc())
        return found

    def behind(self, values: Sequence[Any]) -> ColumnElement[bool]:
        """Return the condition for rows that come later than one with these values of ``columns``."""
        alternatives: list[ColumnElement[bool]] = []
        equal: list[ColumnElement[bool]] = []
        for column, value in zip(self.columns, values, strict=True):
            alternatives.append(and_(*equal, self._further(column, value)))
            equal.append(column.is_(None) if value is None else column == value)
        return or_(*alternatives)

    def _further(self, column: Any, value: Any) -> ColumnElement[bool]:
        further: ColumnElement[bool]
        if self.descending:
            further = column.is_not(None) if value is None else column < value
        elif value is None:
            further = false()
        else:
            further = column > value
            if column.property.columns[0].nullable:
                further = or_(further, column.is_(None))
        return further

    def cursor(self, values: Sequence[Any]) -> str:
        """Return a text that stands in a URL as it is, for the row with these values of ``columns``."""
        plain = [value.isoformat() if isinstance(value, datetime.datetime) else value for value in values]
        text = json.dumps([self.sort, *plain])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def place(self, cursor: str) -> list[Any]:
        """Read what ``cursor`` wrote.

        :raises InvalidInput: when it did not, or in another order.
        """
        try:
            text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            sort, *values = json.loads(text)
            if sort == self.sort:
                return [_value(*pair) for pair in zip(self.columns, values, strict=True)]
        except (binascii.Error, ValueError, TypeError, RecursionError):
            pass
        raise InvalidInput("after", cursor[:200], f"the `next` of an earlier page with sort={self.sort}")


def _value(column: Any, value: Any) -> Any:
    """Read a value as its column has it; anything else raises ``ValueError`` or ``TypeError``."""
    described = column.property.columns[0]
    if value is None and described.nullable:
        return None
    if isinstance(described.type, UtcDateTime):
        instant = datetime.datetime.fromisoformat(value)
        if instant.tzinfo is None or not datetime.MINYEAR < instant.year < datetime.MAXYEAR:
            raise ValueError(value)
        return instant
    kind = described.type.python_type
    if type(value) is not kind or (kind is str and "\0" in value):
        raise ValueError(value)
    if kind is int and not -_WHOLE <= value < _WHOLE:
        raise ValueError(value)
    if kind is str:
        value.encode()
    return value
