# SPDX-License-Identifier: Apache-2.0
"""How long the lines were, how long jobs waited and what was used, over time.

Lines are counted from the jobs that are kept: so many had come, so many had left. The rest is in the
pictures of the clusters, one per minute. The database adds up; what is read grows with the number of steps.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.store.instants import epoch
from airflow_priority_spark.store.models import CapacitySnapshot, Cluster, Job, Queue

#: A picture counts until the next, but for no longer: then nobody knows.
_VALID: Final = 120.0
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Window:
    """Steps of equal length, the first of which begins at ``start``."""

    start: datetime.datetime
    steps: int
    step_seconds: int

    @property
    def end(self) -> datetime.datetime:
        """Where the last step ends."""
        return self.start + datetime.timedelta(seconds=self.steps * self.step_seconds)

    def instants(self) -> list[datetime.datetime]:
        """Return where each step begins."""
        step = datetime.timedelta(seconds=self.step_seconds)
        return [self.start + number * step for number in range(self.steps)]

    def bucket(self, session: Session, instant: Any) -> ColumnElement[int]:
        """Return the number of the step that an instant falls into."""
        return (epoch(session, instant) - int(self.start.timestamp())) // self.step_seconds

    def holds(self, instant: Any) -> list[ColumnElement[bool]]:
        """Return the condition that an instant is inside."""
        return [instant >= self.start, instant < self.end]


@dataclass(frozen=True, slots=True)
class LinePoint:
    """A priority pool during one step.

    :param depth: jobs that waited at its end.
    :param admitted: jobs that were admitted in it.
    :param average_wait_seconds: of these, ``None`` when there are none; likewise ``longest_wait_seconds``.
    """

    depth: int
    admitted: int = 0
    average_wait_seconds: float | None = None
    longest_wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LineSeries:
    """A priority pool over all steps."""

    cluster: str
    namespace: str
    pool: str
    points: tuple[LinePoint, ...]


@dataclass(frozen=True, slots=True)
class UsageSeries:
    """One key of a namespace's quotas; a value per step, ``None`` where no picture was taken."""

    cluster: str
    namespace: str
    resource: str
    hard: tuple[int | None, ...]
    used: tuple[int | None, ...]


_Line = tuple[str, str, str]


def line_series(session: Session, window: Window, namespace: str | None = None) -> tuple[LineSeries, ...]:
    """Return every line over time (four statements)."""
    left = func.coalesce(Job.admitted_at, Job.ended_at)
    before = _counts(
        session, namespace, None, Job.queued_at < window.start, (left.is_(None)) | (left >= window.start)
    )
    came = _counts(session, namespace, window.bucket(session, Job.queued_at), *window.holds(Job.queued_at))
    went = _counts(session, namespace, window.bucket(session, left), *window.holds(left))
    waits = _waits(session, namespace, window)
    return tuple(
        _series(line, window.steps, before.get(line, {}), came.get(line, {}), went.get(line, {}), waits)
        for line in sorted({*before, *came, *went})
    )


def _series(
    line: _Line,
    steps: int,
    before: Mapping[int, int],
    came: Mapping[int, int],
    went: Mapping[int, int],
    waits: Mapping[tuple[_Line, int], tuple[int, float, float]],
) -> LineSeries:
    depth, points = before.get(0, 0), []
    for number in range(steps):
        depth += came.get(number, 0) - went.get(number, 0)
        found = waits.get((line, number))
        points.append(LinePoint(depth, *found) if found else LinePoint(depth))
    return LineSeries(*line, tuple(points))


def _lines(statement: Any, namespace: str | None) -> Any:
    joined = (
        statement.select_from(Job)
        .join(Queue, Queue.id == Job.queue_id)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
    )
    return joined if namespace is None else joined.where(Queue.namespace == namespace)


def _counts(
    session: Session, namespace: str | None, bucket: Any, *conditions: Any
) -> dict[_Line, dict[int, int]]:
    """Return line → step → jobs; without steps all are in step 0."""
    columns = [Cluster.name, Queue.namespace, Job.pool]
    groups = columns if bucket is None else [*columns, bucket]
    rows = session.execute(
        _lines(select(func.count(), *groups), namespace).where(*conditions).group_by(*groups)
    )
    found: dict[_Line, dict[int, int]] = defaultdict(dict)
    for count, cluster, of, pool, *step in rows:
        found[cluster, of, pool][step[0] if step else 0] = count
    return found


def _waits(
    session: Session, namespace: str | None, window: Window
) -> dict[tuple[_Line, int], tuple[int, float, float]]:
    wait = epoch(session, Job.admitted_at) - epoch(session, Job.queued_at)
    groups = [Cluster.name, Queue.namespace, Job.pool, window.bucket(session, Job.admitted_at)]
    rows = session.execute(
        _lines(select(*groups, func.count(), func.avg(wait), func.max(wait)), namespace)
        .where(*window.holds(Job.admitted_at))
        .group_by(*groups)
    )
    return {
        ((cluster, of, pool), step): (count, float(average), float(longest))
        for cluster, of, pool, step, count, average, longest in rows
    }


def usage_series(session: Session, window: Window, namespace: str | None = None) -> tuple[UsageSeries, ...]:
    """Return the use of every quota key over time, from the last picture of each step (two statements)."""
    step = window.bucket(session, CapacitySnapshot.taken_at)
    last = dict(
        session.execute(
            select(func.max(CapacitySnapshot.id), step)
            .where(*window.holds(CapacitySnapshot.taken_at))
            .group_by(CapacitySnapshot.cluster_id, step)
        ).all()
    )
    rows = session.execute(
        select(CapacitySnapshot.id, Cluster.name, CapacitySnapshot.data["quotas"])
        .join(Cluster, Cluster.cluster_id == CapacitySnapshot.cluster_id)
        .where(CapacitySnapshot.id.in_(sorted(last)))
    )
    found: dict[_Line, list[tuple[int | None, int | None]]] = {}
    for picture_id, cluster, quotas in rows:
        for quota in quotas or ():
            if namespace in (None, quota["namespace"]):
                _note(found, window.steps, cluster, quota, last[picture_id])
    return tuple(UsageSeries(*key, *zip(*points, strict=True)) for key, points in sorted(found.items()))


def _note(
    found: dict[_Line, list[tuple[int | None, int | None]]],
    steps: int,
    cluster: str,
    quota: Mapping[str, Any],
    step: int,
) -> None:
    """Keep of several quotas on the same key the tightest limit with its use."""
    for resource, hard in quota["hard"].items():
        points = found.setdefault((cluster, quota["namespace"], resource), [(None, None)] * steps)
        known = points[step][0]
        if known is None or hard < known:
            points[step] = (hard, quota["used"].get(resource, 0))


@dataclass(frozen=True, slots=True)
class HeatCell:
    """What one hour of waiting was for; ``job_seconds``: over all jobs that waited behind it."""

    hour: datetime.datetime
    resource: str
    job_seconds: float


def heat_map(
    session: Session, start: datetime.datetime, end: datetime.datetime, namespace: str | None = None
) -> tuple[HeatCell, ...]:
    """Return hour and blocking resource → how long jobs waited for it (one statement)."""
    rows: Sequence[Any] = session.execute(
        select(
            CapacitySnapshot.cluster_id,
            CapacitySnapshot.first_at,
            CapacitySnapshot.taken_at,
            CapacitySnapshot.data["waiting_for"],
        )
        .where(CapacitySnapshot.taken_at >= start, CapacitySnapshot.first_at < end)
        .order_by(CapacitySnapshot.cluster_id, CapacitySnapshot.first_at, CapacitySnapshot.id)
    ).all()
    cells: dict[tuple[int, str], float] = defaultdict(float)
    for number, (cluster_id, first_at, taken_at, waiting) in enumerate(rows):
        following = rows[number + 1] if number + 1 < len(rows) else None
        until = following[1] if following is not None and following[0] == cluster_id else taken_at
        seconds = min(_VALID, (until - first_at).total_seconds())
        hour = int(first_at.timestamp()) // _HOUR
        for of, resources in (waiting or {}).items():
            if namespace in (None, of):
                for resource, count in resources.items():
                    cells[hour, resource] += count * seconds
    return tuple(
        HeatCell(datetime.datetime.fromtimestamp(hour * _HOUR, datetime.UTC), resource, seconds)
        for (hour, resource), seconds in sorted(cells.items())
    )
