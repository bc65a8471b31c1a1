# SPDX-License-Identifier: Apache-2.0
"""One database, emptied for every site: a copy for each of thousands would cost more than the site."""

from __future__ import annotations

import random
from contextlib import contextmanager
from uuid import UUID

import pytest
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from sqlalchemy import delete, event, update

from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.models import ArbiterState, Base, Instance
from tests.crash.figures import Figures
from tests.crash.points import Points
from tests.crash.site import Site


@pytest.fixture
def sites(database, monkeypatch):
    """Make sites one after the other: ``with sites(points, **settings) as site``."""

    if database.kind == "sqlite":
        event.listen(database.engine, "connect", _without_syncing)

    @contextmanager
    def make(points: Points | None = None, **settings):
        _empty(database)
        # The same story has the same ids, and so the same order where nothing else decides.
        ids = random.Random(7)
        monkeypatch.setattr(jobs, "uuid4", lambda: UUID(int=ids.getrandbits(128), version=4))
        site = Site(database, points, **settings)
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
