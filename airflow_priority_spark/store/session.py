# SPDX-License-Identifier: Apache-2.0
"""What must hold before a process works with the tables, and how long it may hold on to them.

A stopped arbiter (a suspended machine, a debugger) keeps its row locks for as long as its
connection lives; the next leader would wait for it. So its sessions carry time limits below the
take-over time. They are set for one transaction at a time: behind a connection pooler like
PgBouncer a limit set for the whole connection would reach whoever is given it next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.orm import Session

from airflow_priority_spark.errors import DatabaseNotMigrated
from airflow_priority_spark.store.models import VERSION_TABLE

SessionFactory = Callable[[], Session]

#: Every revision of the tables, ascending.
REVISIONS: Final = ("0001", "0002", "0003", "0004")
NEWEST: Final = REVISIONS[-1]
#: Version of this package → the newest revision it brought; ascending.
HEADS: Final[dict[str, str]] = {"0.1.0": NEWEST}

#: Where a session keeps what is to be said when it has committed.
_SAID: Final = "priority_spark_said"
_LIMITS: Final = text(
    "SELECT set_config('lock_timeout', :lock, true), "
    "set_config('idle_in_transaction_session_timeout', :idle, true)"
)


def check_migrated(session: Session) -> None:
    """Accept tables of this version silently.

    :raises DatabaseNotMigrated: when they are missing, older or newer; the message says what to do.
    """
    found = _revision(session)
    if found is None:
        raise DatabaseNotMigrated(
            "the tables of Priority Spark are missing in Airflow's database; run: airflow db migrate"
        )
    if found not in REVISIONS:
        raise DatabaseNotMigrated(
            f"the tables of Priority Spark are at revision {found}, which this version does not know "
            f"(it needs {NEWEST}); install the newer version and run: airflow db migrate"
        )
    if found != NEWEST:
        raise DatabaseNotMigrated(
            f"the tables of Priority Spark are at revision {found}, this version needs {NEWEST}; "
            "run: airflow db migrate"
        )


def _revision(session: Session) -> str | None:
    if not inspect(session.connection()).has_table(VERSION_TABLE):
        return None
    found: str | None = session.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return found


def bounded(sessions: SessionFactory, *, lock_seconds: float, idle_seconds: float) -> SessionFactory:
    """Return a factory whose sessions never hold a transaction for long.

    Each transaction gets PostgreSQL's ``lock_timeout`` and ``idle_in_transaction_session_timeout``
    (https://www.postgresql.org/docs/current/runtime-config-client.html). SQLite has one writer and
    its own busy timeout; nothing is set there.

    :param lock_seconds: longest wait for a lock; then the statement fails.
    :param idle_seconds: longest pause inside a transaction; then the server ends the connection.
    """
    values = {"lock": _milliseconds(lock_seconds), "idle": _milliseconds(idle_seconds)}

    def limit(_session: Session, _transaction: Any, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(_LIMITS, values)

    def make() -> Session:
        session = sessions()
        event.listen(session, "after_begin", limit)
        return session

    return make


def when_committed(session: Session, say: Callable[..., None], *args: Any) -> None:
    """Say something once the session's transaction is a fact; never when it is rolled back.

    :param say: called with the arguments, like a method of a logger.
    """
    # One listener for all that is said: making one costs as much as a small statement.
    said: list[tuple[Callable[..., None], tuple[Any, ...]]] | None = session.info.get(_SAID)
    if said is None:
        said = session.info[_SAID] = []
        event.listen(session, "after_commit", _say_all)
        event.listen(session, "after_rollback", _say_nothing)
    said.append((say, args))


def _say_all(session: Session) -> None:
    said, session.info[_SAID] = session.info[_SAID], []
    for say, args in said:
        say(*args)


def _say_nothing(session: Session) -> None:
    session.info[_SAID] = []


class OneConnection:
    """A session factory that need not ask the pool for a connection time and again.

    A pool checks each connection before it gives it out, and cleans it up afterwards: three more round trips
    for every session, of which a cycle has a dozen. While a connection is ``kept``, the sessions of that
    thread take turns on it; each still has transactions of its own.
    """

    def __init__(self, sessions: SessionFactory) -> None:
        self._sessions = sessions
        self._kept: Connection | None = None
        self._thread = 0

    def __call__(self) -> Session:
        """Open a session, on the connection that is kept if that is free."""
        session, kept = self._sessions(), self._kept
        # One inside another's transaction would commit nothing of its own, so it gets another connection.
        if kept is not None and threading.get_ident() == self._thread and not kept.in_transaction():
            session.bind = kept
        return session

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep one connection for the sessions that this thread opens in the block."""
        with self._sessions() as session:
            engine = session.get_bind().engine
        with engine.connect() as connection:
            self._kept, self._thread = connection, threading.get_ident()
            try:
                yield
            finally:
                self._kept = None


def _milliseconds(seconds: float) -> str:
    # Zero would mean no limit at all.
    return str(max(1, round(seconds * 1000)))
