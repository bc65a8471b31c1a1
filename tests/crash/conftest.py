# SPDX-License-Identifier: Apache-2.0
"""One database, emptied for every site; a branch of a telling uses a copy of it."""

from __future__ import annotations

import logging
import random
import shutil
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from sqlalchemy import delete, event, update
from uuid6 import UUID

from airflow_priority_spark.arbiter import background, loop, picture
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.models import ArbiterState, Base, Instance
from tests.crash.figures import Figures
from tests.crash.points import Points
from tests.crash.site import Site


class File:
    """The SQLite file in which the database is, which may be another one later."""

    def __init__(self, database) -> None:
        self._path = Path(database.url.removeprefix("sqlite:///"))
        self._engine = database.engine
        event.listen(database.engine, "do_connect", self._connect)
        event.listen(database.engine, "connect", _without_syncing)

    def _connect(self, _dialect, _record, arguments, _options) -> None:
        arguments[0] = str(self._path)

    def copy(self, home: Path) -> None:
        """Copy what is committed; nobody is connected then, nor in a process that is forked now.

        To copy a file drops the locks of a connection to it, and a fork that then closes the one it has
        inherited takes the write-ahead log away from under its parent; every later copy would lack what the
        parent goes on to write (https://www.sqlite.org/howtocorrupt.html).
        """
        self._engine.dispose()
        for suffix in ("", "-wal"):
            path = self._path.with_name(self._path.name + suffix)
            if path.exists():
                shutil.copy(path, home / path.name)

    def move(self, home: Path) -> None:
        """Go on with the copy."""
        self._path = home / self._path.name


class InOneThread:
    """What the arbiter does in the background is done at once, so that a story is the same each time."""

    def __init__(self, *_, **__) -> None:
        """There are no threads."""

    def submit(self, call) -> Future:
        future: Future = Future()
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_) -> None:
        """There is nothing to end."""


@pytest.fixture
def file(database) -> File | None:
    return File(database) if database.kind == "sqlite" else None


@pytest.fixture
def sites(database, file, monkeypatch):
    """Make sites one after the other: ``with sites(points, **settings) as site``."""
    monkeypatch.setattr(background, "ThreadPoolExecutor", InOneThread)
    # Thousands of stories, each with the warnings that belong to it.
    monkeypatch.setattr(logging.root.manager, "disable", logging.WARNING)

    @contextmanager
    def make(points: Points | None = None, **settings):
        _empty(database)
        # The same story has the same ids, and so the same order where nothing else decides.
        ids = random.Random(7)
        monkeypatch.setattr(jobs, "new_job_id", lambda: str(UUID(int=ids.getrandbits(128), version=7)))
        site = Site(database, points, **settings)

        # What is done every few seconds is done in the same cycles each time.
        def monotonic() -> float:
            return site.now.timestamp()

        for module in (loop, picture):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=monotonic))
        with site.points.transactions_of(database.engine):
            yield site

    return make


def _without_syncing(connection, _) -> None:
    """Processes die here, not machines."""
    connection.execute("PRAGMA synchronous = OFF")


def _empty(database) -> None:
    keep = {Instance.__table__, ArbiterState.__table__}
    with database.session() as session, session.begin():
        for table in reversed(Base.metadata.sorted_tables):
            if table not in keep:
                session.execute(delete(table))
        for model in (TaskInstance, Trigger, Log, DagRun):
            session.execute(delete(model).execution_options(synchronize_session=False))
        session.execute(update(ArbiterState).values(epoch=0, cycle=0, holder="", lease_until=None))
        session.execute(update(DagModel).values(is_paused=False))


@pytest.fixture
def figures() -> Figures:
    return Figures()
