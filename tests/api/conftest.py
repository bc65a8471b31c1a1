# SPDX-License-Identifier: Apache-2.0
"""The API as Airflow serves it: mounted under a host, behind a real auth manager, on a real database."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from airflow_priority_spark.scheduling.jobs import JobState
from tests.airflow_database import Database
from tests.builders import NOW, make_dag
from tests.store.rows import make_job, make_queue

LATER = NOW + datetime.timedelta(minutes=10)
ROLES = ("viewer", "user", "op", "admin")
SIMPLE = {
    "AIRFLOW__CORE__AUTH_MANAGER": (
        "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
    ),
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{role}:{role}" for role in ROLES),
    "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of the tests that is long enough for any algorithm in use",
}


@dataclass
class Site:
    """A database with the API on top.

    :param tokens: user → token.
    :param host: the app that stands in for Airflow's API server.
    """

    database: Database
    host: FastAPI
    tokens: dict[str, str] = field(default_factory=dict)

    def client(self, user: str | None = "admin") -> TestClient:
        """Return a client that is signed in as ``user``; ``None``: as nobody."""
        headers = {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}
        return TestClient(self.host, headers=headers, raise_server_exceptions=False)

    def get(self, path: str, user: str | None = "admin", **parameters):
        """Ask the API."""
        with self.client(user) as client:
            return client.get(f"/priority-spark/api/v1{path}", params=parameters or None)

    def queue(self, namespace: str = "team-a", **options) -> int:
        with self.database.session() as session, session.begin():
            return make_queue(session, namespace, **options).id

    def job(self, *, namespace: str = "team-a", state: JobState = JobState.QUEUED, **columns) -> str:
        """Add a job of a DAG that Airflow knows."""
        with self.database.session() as session, session.begin():
            make_dag(session, columns.get("dag_id", "etl"))
            return make_job(session, make_queue(session, namespace), state=state, **columns).id


def make_host(now: datetime.datetime = LATER) -> FastAPI:
    """Return an app with the API and the auth manager that is configured.

    :param now: what the API takes for the time.
    """
    from airflow.api_fastapi.app import init_auth_manager, purge_cached_app

    from airflow_priority_spark.api.app import MOUNT, create_app
    from airflow_priority_spark.api.dependencies import utcnow

    purge_cached_app()
    host, app = FastAPI(), create_app()
    app.dependency_overrides[utcnow] = lambda: now
    host.mount(MOUNT, app)
    init_auth_manager(host)
    return host


def end_threads() -> None:
    """End what the API does behind its callers' backs, as the end of a process does."""
    from airflow_priority_spark.api import acting
    from airflow_priority_spark.api.routes import stream

    stream.feed.close()
    acting.teller.close()


@contextmanager
def simple_site(database: Database, monkeypatch) -> Iterator[Site]:
    """Run the API behind the simple auth manager, with a user of every role named like it."""
    from airflow.api_fastapi.app import get_auth_manager, purge_cached_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    for name, value in SIMPLE.items():
        monkeypatch.setenv(name, value)
    passwords = str(database.home / "passwords.json")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", passwords)
    host = make_host()
    users = {role: SimpleAuthManagerUser(username=role, role=role.upper()) for role in ROLES}
    tokens = {role: get_auth_manager().generate_jwt(user) for role, user in users.items()}
    try:
        yield Site(database, host, tokens)
    finally:
        end_threads()
        purge_cached_app()


@pytest.fixture
def site(database, monkeypatch) -> Iterator[Site]:
    """The API behind the simple auth manager."""
    with simple_site(database, monkeypatch) as made:
        yield made
