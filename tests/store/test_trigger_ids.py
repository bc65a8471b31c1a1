# SPDX-License-Identifier: Apache-2.0
"""No trigger id is given twice, and Airflow's table is left as it was when the package goes."""

from __future__ import annotations

import pytest
from airflow.models.trigger import Trigger
from sqlalchemy import delete, select

from airflow_priority_spark.store.trigger_ids import KEEPER, keep_trigger_ids_unique, release_trigger_ids
from tests import builders


@pytest.fixture
def kept(session):
    """A session on a database whose trigger ids are kept unique."""
    for _ in range(2):
        keep_trigger_ids_unique(session.connection())
    session.commit()
    return session


def defer(session) -> int:
    trigger = builders.make_trigger(session, "{}")
    session.commit()
    return trigger.id


def clean(session) -> None:
    """Airflow's own clean-up."""
    Trigger.clean_unused(session=session)
    session.commit()
    session.expire_all()


def rows(session) -> list[tuple[int, str | None]]:
    return [tuple(row) for row in session.execute(select(Trigger.id, Trigger.queue).order_by(Trigger.id))]


def test_a_new_trigger_never_gets_the_id_of_a_deleted_one(kept):
    ids = []
    for _ in range(3):
        ids += [defer(kept), defer(kept)]
        clean(kept)
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_one_empty_row_that_no_triggerer_serves_keeps_the_id_until_a_newer_row_comes(kept):
    first, second = defer(kept), defer(kept)
    clean(kept)
    assert rows(kept) == [(second, KEEPER)]
    assert Trigger.ids_for_triggerer(None, session=kept) == []
    third = defer(kept)
    assert rows(kept) == [(second, KEEPER), (third, None)]
    clean(kept)
    assert rows(kept) == [(third, KEEPER)]
    assert first < second < third


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_task_that_waits_keeps_its_trigger_and_the_empty_row_goes(kept):
    defer(kept)
    clean(kept)
    task = builders.make_deferred_task(kept)
    kept.commit()
    clean(kept)
    assert rows(kept) == [(task.trigger_id, None)]


def test_afterwards_the_table_is_as_airflow_made_it(kept):
    defer(kept)
    clean(kept)
    release_trigger_ids(kept.connection())
    kept.commit()
    assert rows(kept) == []
    defer(kept)
    kept.execute(delete(Trigger))
    kept.commit()
    assert rows(kept) == []
