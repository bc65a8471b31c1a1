# SPDX-License-Identifier: Apache-2.0
"""Sums over everything that ever happened: what counters and histograms are made of.

They are derived from the event rows, so that every process that asks gets the same answer and a restart
forgets nothing. Events are deleted one day; therefore the leader adds them to tallies, which stay, and
marks them as counted, in one transaction. A sum is the tally plus the events that no tally counts yet.
Both are read by one statement, which sees one moment of the database: each event counts exactly once, in
whatever order transactions commit and whatever the clocks of their processes say.

What no row tells (how long a cycle takes, how often a watch began anew) the leader adds itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from airflow_priority_spark.scheduling.jobs import ACTIVE, TERMINAL
from airflow_priority_spark.store.models import Event, Job, Tally

#: Upper bounds of every histogram's buckets in seconds, Kueue's: 1, 2.5, and so on doubled up to 10240
#: (https://github.com/kubernetes-sigs/kueue, ``pkg/metrics/metrics.go``, ``generateExponentialBuckets``).
BUCKETS: Final = (1.0, *(2.5 * 2**power for power in range(13)))
#: For what takes milliseconds.
SHORT_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: At most so many events are tallied in one transaction.
BATCH: Final = 2_000

#: Name and label values of a sum; the names are those of the metrics, without prefix and suffix.
Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Amount:
    """How much one key stands for.

    :param count: observations of a histogram; of a counter nothing.
    :param sum: their sum, or the counter.
    :param buckets: observations in each bucket, not cumulated, the last one without a bound; ``None``:
        a counter.
    """

    count: int = 0
    sum: float = 0.0
    buckets: tuple[int, ...] | None = None

    def __add__(self, other: Amount) -> Amount:
        """Add up two amounts of one key."""
        mine, others = self.buckets, other.buckets
        if mine is None or others is None:
            buckets = mine or others
        else:
            buckets = tuple(a + b for a, b in zip(mine, others, strict=True))
        return Amount(self.count + other.count, self.sum + other.sum, buckets)


Amounts = dict[Key, Amount]


def observed(seconds: float, bounds: tuple[float, ...] = BUCKETS) -> Amount:
    """Return one observation of a histogram."""
    place = sum(seconds > bound for bound in bounds)
    return Amount(1, seconds, tuple(int(place == index) for index in range(len(bounds) + 1)))


def add(amounts: Amounts, key: Key, amount: Amount) -> None:
    """Add to the amount of a key."""
    amounts[key] = amounts.get(key, Amount()) + amount


def totals(session: Session) -> Amounts:
    """Return every sum (one statement)."""
    uncounted = _events(Event.to_tally)
    nothing = literal(None, Text)
    stored = select(
        *(nothing for _ in range(5)),
        literal(None, Integer),
        Tally.count,
        Tally.sum,
        Tally.name,
        cast(Tally.labels, Text),
        cast(Tally.buckets, Text),
    )
    amounts: Amounts = {}
    for row in session.execute(uncounted.union_all(stored)):
        *event, name, labels, buckets = row
        if name is None:
            _count(amounts, *event)
        else:
            bins = json.loads(buckets) if buckets else None
            amount = Amount(row[6], row[7], tuple(bins) if bins else None)
            add(amounts, (name, tuple(json.loads(labels))), amount)
    return amounts


def _events(which: ColumnElement[bool] | InstrumentedAttribute[bool]) -> Select[Any]:
    """Select events in groups, with empty columns where a tally has its own."""
    pool = func.coalesce(Event.pool, Job.pool)
    nothing = (literal(None, Text) for _ in range(3))
    groups = (cast(Job.queue_id, Text), pool, Event.from_state, Event.to_state, Event.cause, _bucket())
    seconds = func.coalesce(func.sum(Event.seconds), 0.0)
    return (
        select(*groups, func.count(), seconds, *nothing)
        .join(Job, Job.id == Event.job_id)
        .where(which)
        .group_by(*groups)
    )


def _bucket() -> ColumnElement[Any]:
    """Return the index of the bucket that an event's seconds lie in."""
    # Written out: PostgreSQL must see that it groups by the very expression that it selects.
    bounds: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [
        (Event.seconds <= literal_column(str(bound)), literal_column(str(index)))
        for index, bound in enumerate(BUCKETS)
    ]
    return case((Event.seconds.is_(None), null()), *bounds, else_=literal_column(str(len(BUCKETS))))


def _count(  # noqa: PLR0913, PLR0917 - the columns of a row
    amounts: Amounts,
    queue_id: str,
    pool: str,
    before: str | None,
    after: str,
    cause: str | None,
    place: int | None,
    count: int,
    seconds: float,
) -> None:
    for key, histogram in _keys((queue_id, pool), before, after, cause or ""):
        if not histogram:
            add(amounts, key, Amount(sum=float(count)))
        elif place is not None:
            buckets = tuple(count if index == place else 0 for index in range(len(BUCKETS) + 1))
            add(amounts, key, Amount(count, float(seconds), buckets))


_ACTIVE: Final = frozenset(state.value for state in ACTIVE)
_TERMINAL: Final = frozenset(state.value for state in TERMINAL)
#: States that say that time in the queue is over, and what their events' seconds are.
_SPANS: Final = {"admitted": "queue_wait_seconds", "running": "admission_to_running_seconds"}
_TIMEOUTS: Final = frozenset({"head-timeout", "queue-timeout", "admission-expired"})


def _keys(line: tuple[str, str], before: str | None, after: str, cause: str) -> Iterator[tuple[Key, bool]]:
    """Return what an event counts for; with each key whether it is a histogram.

    :param line: queue id and pool.
    """
    if cause in _TIMEOUTS:
        yield ("timeouts", (*line, cause)), False
    if before is None:
        yield ("queued_jobs", line), False
        if cause == "retry":
            yield ("retried_jobs", line), False
    if before == after:
        if cause == "starved":
            yield ("starved_jobs", line), False
    elif after in _TERMINAL:
        yield from _ends(line, before, after, cause)
    elif after == "queued" and before in _ACTIVE:
        yield ("rescheduled_jobs", (*line, cause)), False
    elif after in _SPANS:
        yield (_SPANS[after], line), True
        if after == "admitted":
            yield ("admitted_jobs", line), False


def _ends(line: tuple[str, str], before: str | None, after: str, cause: str) -> Iterator[tuple[Key, bool]]:
    yield ("finished_jobs", (*line, after, cause)), False
    if before == "running":
        yield ("run_seconds", (*line, after)), True
    if after == "cancelled":
        yield ("cancelled_jobs", (*line, cause)), False


def settle(session: Session) -> Amounts:
    """Add a batch of events to the tallies, and return what they add up to (at most five statements).

    The caller's transaction is the leader's: nobody else does the same at the same time.
    """
    ids = session.scalars(select(Event.id).where(Event.to_tally).order_by(Event.id).limit(BATCH)).all()
    if not ids:
        return {}
    amounts: Amounts = {}
    mine = Event.id.in_(ids)
    for row in session.execute(_events(mine)):
        _count(amounts, *row[:8])
    add_to_tallies(session, amounts)
    counted = update(Event).where(mine).values(to_tally=False)
    session.execute(counted.execution_options(synchronize_session=False))
    return amounts


def add_to_tallies(session: Session, amounts: Mapping[Key, Amount]) -> None:
    """Add to the stored sums (two statements)."""
    wanted = {_digest(key): (key, amount) for key, amount in amounts.items()}
    if not wanted:
        return
    rows = {row.digest: row for row in session.scalars(select(Tally).where(Tally.digest.in_(list(wanted))))}
    for digest, ((name, labels), amount) in wanted.items():
        row = rows.get(digest)
        if row is None:
            row = Tally(digest=digest, name=name, labels=list(labels), count=0, sum=0.0, buckets=None)
            session.add(row)
        before = Amount(row.count, row.sum, tuple(row.buckets) if row.buckets else None)
        after = before + amount
        row.count, row.sum = after.count, after.sum
        row.buckets = list(after.buckets) if after.buckets is not None else None
    session.flush()


def _digest(key: Key) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()
