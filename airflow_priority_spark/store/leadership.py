# SPDX-License-Identifier: Apache-2.0
"""The lease and the fence.

Any number of arbiters may run; one leads. A process that was stopped for a minute and woken again
still believes that it leads, so no belief is trusted: every writing transaction begins with an
update of the one ``arbiter_state`` row that only succeeds for the leader of this epoch who saw the
last cycle. Whoever took over raised the epoch; then the update matches no row and nothing else of
the transaction happens. Being the first statement, it also makes SQLite take its write lock at the
start, where waiting for it is possible.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import CursorResult, Update, or_, select, update
from sqlalchemy.orm import Session

from airflow_priority_spark.errors import DatabaseNotMigrated, LeadershipLost
from airflow_priority_spark.store.models import ArbiterState

SessionFactory = Callable[[], Session]
Clock = Callable[[], datetime.datetime]


@dataclass(frozen=True, slots=True)
class Marks:
    """What differs once anything in our tables may have changed.

    :param writes: transactions of ours that were there to write something.
    :param revision: acts of people.
    """

    epoch: int | None
    writes: int
    revision: int


class Leadership:
    """One arbiter's claim to lead.

    :param sessions: makes database sessions.
    :param holder: who we are, for people: host, process id.
    :param clock: the current UTC time.
    :param lease_seconds: a lease not renewed for so long may be taken by another.
    """

    def __init__(self, sessions: SessionFactory, holder: str, clock: Clock, lease_seconds: float) -> None:
        self.sessions = sessions
        self.holder = holder[:500]
        self.clock = clock
        self.lease = datetime.timedelta(seconds=lease_seconds)
        self.epoch: int | None = None
        self._cycle = self._writes = 0
        self._renewed_at: datetime.datetime | None = None

    @property
    def leads(self) -> bool:
        """Tell whether we believe to lead; only ``transaction`` knows."""
        return self.epoch is not None

    def acquire(self) -> bool:
        """Try to become leader; true when the lease was free, expired or our own.

        :raises DatabaseNotMigrated: when the row that holds the lease is missing.
        """
        now = self.clock()
        with self.sessions() as session, session.begin():
            free = or_(
                ArbiterState.lease_until.is_(None),
                ArbiterState.lease_until < now,
                ArbiterState.holder == self.holder,
            )
            taken = _matched(
                session,
                update(ArbiterState)
                .where(ArbiterState.id == 1, free)
                .values(
                    epoch=ArbiterState.epoch + 1,
                    cycle=ArbiterState.cycle + 1,
                    holder=self.holder,
                    lease_until=now + self.lease,
                ),
            )
            row = session.execute(
                select(ArbiterState.epoch, ArbiterState.cycle).where(ArbiterState.id == 1)
            ).one_or_none()
        if row is None:
            raise DatabaseNotMigrated(
                "the table priority_spark_arbiter_state is empty; run: airflow db migrate"
            )
        if taken:
            self.epoch, self._cycle, self._renewed_at = row.epoch, row.cycle, now
        return taken

    @staticmethod
    def revision(session: Session) -> int:
        """Read how many acts of people there were (one statement)."""
        return session.scalar(select(ArbiterState.revision).where(ArbiterState.id == 1)) or 0

    def marks(self, revision: int) -> Marks:
        """Return the marks of what is to be read next.

        :param revision: read before that.
        """
        return Marks(self.epoch, self._writes, revision)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a fenced transaction; it commits at the end of the block and renews the lease.

        :raises LeadershipLost: when another arbiter leads; nothing of the block happens.
        """
        with self._fenced() as session:
            self._writes += 1
            yield session

    @contextmanager
    def _fenced(self) -> Iterator[Session]:
        if self.epoch is None:
            raise LeadershipLost("this arbiter does not lead")
        now = self.clock()
        try:
            with self.sessions() as session, session.begin():
                self._fence(session, now)
                yield session
        except BaseException:
            # The commit may have arrived although its answer did not: our picture of the cycle is
            # not to be trusted, the lease has to be taken anew (it is still ours, so at once).
            self.epoch = None
            raise
        self._cycle += 1
        self._renewed_at = now

    def _fence(self, session: Session, now: datetime.datetime) -> None:
        mine = (ArbiterState.id == 1, ArbiterState.epoch == self.epoch, ArbiterState.cycle == self._cycle)
        statement = update(ArbiterState).where(*mine)
        if not _matched(
            session, statement.values(cycle=ArbiterState.cycle + 1, lease_until=now + self.lease)
        ):
            raise LeadershipLost(f"another arbiter took over from {self.holder}")

    def renew_if_due(self) -> None:
        """Renew the lease when a third of it has passed; costs nothing before."""
        if self._renewed_at is None or self.clock() - self._renewed_at >= self.lease / 3:
            with self._fenced():
                pass

    def release(self) -> None:
        """Give the lease up so that another arbiter may lead at once."""
        if self.epoch is None:
            return
        with self.sessions() as session, session.begin():
            session.execute(
                update(ArbiterState)
                .where(ArbiterState.id == 1, ArbiterState.epoch == self.epoch)
                .values(holder="", lease_until=None)
            )
        self.epoch = None


def _matched(session: Session, statement: Update) -> bool:
    """Run an update and tell whether it found its row."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    return isinstance(result, CursorResult) and result.rowcount == 1
