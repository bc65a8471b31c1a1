# SPDX-License-Identifier: Apache-2.0
"""Real Airflow metadata databases for tests, on SQLite and PostgreSQL.

``airflow db migrate`` is run for real, once per session and kind of database; every test then gets
a copy (of the file, or ``CREATE DATABASE … TEMPLATE``), and Airflow's own settings point to it
while the test runs. A test that asks for ``database`` or ``session`` runs once on each kind;
``@pytest.mark.parametrize("database_kind", ["sqlite"])`` narrows it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import event

_NAMES = itertools.count(1)
_USERS_SECONDS = 10


@dataclass(frozen=True)
class Database:
    """An Airflow metadata database that exists for one test."""

    kind: str
    url: str
    home: Path

    @property
    def engine(self):
        """Airflow's own engine, with its pragmas and pool."""
        from airflow import settings

        return settings.get_engine()

    def session(self):
        """Open a session as Airflow opens them: no autoflush, nothing expires on commit."""
        from airflow import settings

        return settings.NonScopedSession()

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment of an Airflow process that uses this database."""
        return {
            **os.environ,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.url,
            **variables,
        }

    def airflow(self, *arguments: str, check: bool = True, **variables: str) -> subprocess.CompletedProcess:
        """Run an ``airflow`` command on this database; its output is text, both streams in one."""
        return subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=check,
        )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_kind(request) -> str:
    return request.param


@pytest.fixture
def database(database_kind, request, tmp_path, monkeypatch) -> Iterator[Database]:
    """A migrated database that Airflow's settings point to."""
    template = request.getfixturevalue(f"_{database_kind}_template")
    yield from _database(database_kind, request, tmp_path, monkeypatch, template)


@pytest.fixture
def empty_database(database_kind, request, tmp_path, monkeypatch) -> Iterator[Database]:
    """A database without tables that Airflow's settings point to."""
    yield from _database(database_kind, request, tmp_path, monkeypatch, None)


@pytest.fixture
def session(database):
    """A session on a migrated database; the test commits what others shall see."""
    with database.session() as session:
        yield session


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("template")
    Database("sqlite", f"sqlite:///{home}/airflow.db", home).airflow("db", "migrate")
    return home / "airflow.db"


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_server, tmp_path_factory) -> str:
    postgresql_server.run("CREATE DATABASE template_airflow")
    url = postgresql_server.url("template_airflow")
    Database("postgresql", url, tmp_path_factory.mktemp("template")).airflow("db", "migrate")
    return "template_airflow"


def _database(kind, request, tmp_path, monkeypatch, template) -> Iterator[Database]:
    if kind == "sqlite":
        if template is not None:
            shutil.copy(template, tmp_path / "airflow.db")
        with _settings_on(monkeypatch, Database(kind, f"sqlite:///{tmp_path}/airflow.db", tmp_path)) as made:
            yield made
        return
    server = request.getfixturevalue("postgresql_server")
    name = f"test_{next(_NAMES)}"
    server.run(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
    try:
        with _settings_on(monkeypatch, Database(kind, server.url(name), tmp_path)) as made:
            yield made
    finally:
        server.run(f"DROP DATABASE {name} WITH (FORCE)")


def _watch_users(engine) -> dict[int, threading.Thread]:
    """Return which thread has which connection of an engine, kept up to date."""
    users: dict[int, threading.Thread] = {}

    @event.listens_for(engine, "checkout")
    def taken(_connection, record, _proxy):
        users[id(record)] = threading.current_thread()

    @event.listens_for(engine, "checkin")
    def given_back(_connection, record):
        users.pop(id(record), None)

    return users


def _await_users(users: dict[int, threading.Thread]) -> None:
    """Wait for threads of the test that still use the database: closing under their hands crashes SQLite."""
    end = time.monotonic() + _USERS_SECONDS
    while others := [
        thread.name
        for thread in list(users.values())
        if thread is not threading.current_thread() and thread.is_alive()
    ]:
        assert time.monotonic() < end, f"the test has ended, but these still use its database: {others}"
        time.sleep(0.02)


@contextmanager
def _settings_on(monkeypatch, database: Database) -> Iterator[Database]:
    """Point this process's Airflow to the database, and back."""
    from airflow import settings

    def reread() -> None:
        settings.configure_vars()
        settings.reconfigure_orm()

    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", database.url)
        reread()
        users = _watch_users(database.engine)
        try:
            yield database
        finally:
            _await_users(users)
            settings.dispose_orm()
    reread()
