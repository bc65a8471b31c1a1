# SPDX-License-Identifier: Apache-2.0
"""Airflow's own commands on our tables, as an operator types them."""

from __future__ import annotations

import pytest
from airflow.utils.state import TaskInstanceState

from airflow_priority_spark.store.instance import instance_id
from airflow_priority_spark.store.models import VERSION_TABLE
from airflow_priority_spark.store.session import check_migrated
from tests.builders import make_task
from tests.store.rows import make_job, make_queue
from tests.store.test_db_manager import our_tables
from tests.store.test_schema import dump

MANAGER = "airflow_priority_spark.store.db_manager.PrioritySparkDBManager"
LISTED = {"AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS": MANAGER}
DOWNGRADE = ("db-manager", "downgrade", MANAGER, "--to-revision", "base", "--yes")


def test_db_migrate_from_the_migration_files_makes_our_tables(empty_database):
    assert empty_database.airflow("db", "check-migrations", "-t", "1", check=False).returncode != 0

    empty_database.airflow("db", "migrate", "--use-migration-files")

    empty_database.airflow("db", "check-migrations", "-t", "1")
    with empty_database.session() as session:
        check_migrated(session)
        assert instance_id(session)


def test_db_manager_downgrade_refuses_while_jobs_wait_and_works_afterwards(database, session):
    waiting = make_task(
        session, state=TaskInstanceState.DEFERRED, next_method="resume_admitted", next_kwargs={}
    )
    make_job(session, make_queue(session), ti_id=waiting.id)
    session.commit()

    refused = database.airflow(*DOWNGRADE, check=False, **LISTED)
    assert refused.returncode != 0
    assert "JobsParked: 1 job waits in the queue" in refused.stdout
    assert "airflow priority-spark unpark" in refused.stdout

    database.airflow("priority-spark", "unpark", "--yes")
    session.refresh(waiting)
    assert waiting.state == TaskInstanceState.SCHEDULED, "it goes straight to the cluster"
    session.rollback()
    database.airflow(*DOWNGRADE, **LISTED)
    assert our_tables(database) == {VERSION_TABLE}

    waits = database.airflow("db", "check-migrations", "-t", "1", check=False)
    assert "There are still unapplied migrations" in waits.stdout

    database.airflow("db", "migrate")
    database.airflow("db", "check-migrations", "-t", "1")
    check_migrated(session)


def test_db_reset_starts_anew_even_with_waiting_jobs(database, session):
    before = instance_id(session)
    make_job(session, make_queue(session))
    session.commit()

    database.airflow("db", "reset", "--yes")

    check_migrated(session)
    assert instance_id(session) != before


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.postgresql
def test_the_sql_that_is_shown_makes_the_same_tables(database, session):
    by_model = dump(database.engine)
    database.airflow(*DOWNGRADE, **LISTED)

    shown = database.airflow("db-manager", "migrate", MANAGER, "--show-sql-only", **LISTED).stdout
    script = shown[shown.index("BEGIN;") : shown.rindex("COMMIT;")].removeprefix("BEGIN;")
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE {VERSION_TABLE}")
        connection.exec_driver_sql(script)

    assert dump(database.engine) == by_model
    assert instance_id(session)
