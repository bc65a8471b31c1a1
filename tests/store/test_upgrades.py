# SPDX-License-Identifier: Apache-2.0
"""Tables with rows in them go up revision by revision and down again, and lose nothing."""

from __future__ import annotations

import itertools

import pytest
from sqlalchemy import inspect, select, text

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.db_manager import PrioritySparkDBManager
from airflow_priority_spark.store.instance import instance_id
from airflow_priority_spark.store.models import Event, Job, Pool, Queue
from airflow_priority_spark.store.session import REVISIONS, check_migrated
from tests.store.rows import make_job, make_queue
from tests.store.test_schema import dump

STEPS = list(itertools.pairwise(REVISIONS))


def go(database, revision: str, *, up: bool) -> None:
    with database.session() as session:
        manager = PrioritySparkDBManager(session)
        manager.upgradedb(to_revision=revision) if up else manager.downgrade(revision)


def columns(database) -> set[str]:
    return {column["name"] for column in inspect(database.engine).get_columns(Job.__tablename__)}


@pytest.fixture
def ended(session) -> str:
    """The id of a job that has ended, with its events, in tables of the newest revision."""
    job = make_job(session, make_queue(session), state=JobState.SUCCEEDED)
    session.commit()
    return job.id


@pytest.mark.parametrize(("older", "newer"), STEPS)
def test_rows_survive_a_step_down_and_up(database, session, ended, older, newer):
    identity = instance_id(session)
    events = len(session.scalars(select(Event)).all())
    session.rollback()
    before = dump(database.engine)

    go(database, older, up=False)
    with database.session() as down:
        assert down.scalar(text("SELECT count(*) FROM priority_spark_job")) == 1
        assert down.scalar(text("SELECT count(*) FROM priority_spark_event")) == events > 0
    go(database, newer, up=True)
    go(database, REVISIONS[-1], up=True)

    assert dump(database.engine) == before
    with database.session() as up:
        check_migrated(up)
        assert up.get(Job, ended).state == JobState.SUCCEEDED
        assert instance_id(up) == identity


def test_a_job_of_the_first_tables_has_no_deadline_in_the_queue(database, session, ended):
    go(database, "0001", up=False)
    assert "queue_deadline" not in columns(database)

    go(database, "0002", up=True)

    with database.session() as up:
        assert up.scalar(text("SELECT queue_deadline FROM priority_spark_job")) is None


def test_a_job_of_older_tables_is_held_by_nobody_and_was_forgiven_nothing(database, session, ended):
    go(database, "0002", up=False)
    assert not {"service", "head_retries", "exceeds_demand", "held_reason"} & columns(database)

    go(database, REVISIONS[-1], up=True)

    with database.session() as up:
        job = up.get(Job, ended)
        assert (job.service, job.tags, job.head_retries) == (None, None, 0)
        assert (job.exceeds_demand, job.held_reason) == (False, "")


def test_a_queue_of_older_tables_follows_the_rules_of_the_site(database, session, ended):
    go(database, "0002", up=False)
    go(database, REVISIONS[-1], up=True)

    with database.session() as up:
        queue, pool = up.scalars(select(Queue)).one(), up.scalars(select(Pool)).first()
        assert {queue.job_limit, queue.head_timeout_seconds, queue.updated_at} == {None}
        assert {pool.job_limit, pool.allowed, pool.head_timeout_action} == {None}
        assert pool.head_warned == 0


def test_a_version_is_a_way_to_name_a_revision(database):
    database.airflow(
        "db-manager",
        "downgrade",
        "airflow_priority_spark.store.db_manager.PrioritySparkDBManager",
        "--to-version",
        "0.1.0",
        "--yes",
        AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS="airflow_priority_spark.store.db_manager.PrioritySparkDBManager",
    )
    with database.session() as session:
        check_migrated(session)
