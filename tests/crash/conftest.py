# SPDX-License-Identifier: Apache-2.0
"""One database, emptied for every site: a copy for each of thousands would cost more than the site."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from sqlalchemy import delete, update

from airflow_priority_spark.store.models import ArbiterState, Base, Instance
from tests.crash.points import Points
from tests.crash.site import Site


@pytest.fixture
def sites(database):
    """Make sites one after the other: ``with sites(points, **settings) as site``."""

    @contextmanager
    def make(points: Points | None = None, **settings):
        _empty(database)
        site = Site(database, points, **settings)
        with site.points.commits_of(database.engine):
            yield site

    return make


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
