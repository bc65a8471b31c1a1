# SPDX-License-Identifier: Apache-2.0
"""Our tables' life: created once, upgraded, downgraded, dropped, whoever else does it at once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

from airflow_priority_spark.errors import JobsParked
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.db_manager import PrioritySparkDBManager
from airflow_priority_spark.store.instance import instance_id
from airflow_priority_spark.store.models import PREFIX, VERSION_TABLE, ArbiterState, Base, Instance
from airflow_priority_spark.store.session import NEWEST
from tests.store.rows import make_job, make_queue

OURS = {*Base.metadata.tables, VERSION_TABLE}
BOTH_PATHS = pytest.mark.parametrize("use_migration_files", [False, True], ids=["model", "migrations"])


def our_tables(database) -> set[str]:
    return {name for name in inspect(database.engine).get_table_names() if name.startswith(PREFIX)}


def upgrade(database, **options):
    with database.session() as session:
        PrioritySparkDBManager(session).upgradedb(**options)


@BOTH_PATHS
def test_an_empty_database_gets_the_tables_and_the_rows_that_exist_once(empty_database, use_migration_files):
    with empty_database.session() as session:
        manager = PrioritySparkDBManager(session)
        assert not manager.check_migration()

        manager.initdb(use_migration_files=use_migration_files)

        assert manager.check_migration()
        assert our_tables(empty_database) == OURS
        assert len(session.scalars(select(Instance)).all()) == 1
        state = session.scalars(select(ArbiterState)).one()
        assert (state.epoch, state.cycle, state.holder, state.lease_until) == (0, 0, "", None)


@BOTH_PATHS
def test_migrating_again_keeps_the_identity(database, use_migration_files):
    with database.session() as session:
        before = instance_id(session)
    upgrade(database, use_migration_files=use_migration_files)
    upgrade(database)
    with database.session() as session:
        assert instance_id(session) == before


def test_every_installation_has_an_identity_of_its_own(empty_database):
    seen = set()
    for use_migration_files in (False, True, False, True):
        upgrade(empty_database, use_migration_files=use_migration_files)
        with empty_database.session() as session:
            seen.add(instance_id(session))
            session.commit()
            PrioritySparkDBManager(session).downgrade("base")
    assert len(seen) == 4


MIGRATE = """
import pathlib, sys, time
from airflow import settings
from airflow_priority_spark.store.db_manager import PrioritySparkDBManager
go, files = pathlib.Path(sys.argv[1]), sys.argv[2] == "True"
pathlib.Path(sys.argv[3]).touch()
while not go.exists():
    time.sleep(0.001)
PrioritySparkDBManager(settings.Session()).initdb(use_migration_files=files)
"""


@BOTH_PATHS
def test_processes_that_migrate_at_once_draw_one_identity(empty_database, use_migration_files, tmp_path):
    go, ready = tmp_path / "go", [tmp_path / f"ready-{number}" for number in range(3)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, go, str(use_migration_files), mark],
            env=empty_database.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for mark in ready
    ]
    deadline = time.monotonic() + 120
    while not all(mark.exists() for mark in ready) and time.monotonic() < deadline:
        time.sleep(0.01)
    go.touch()
    outputs = [process.communicate(timeout=60)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0], "\n".join(outputs)
    with empty_database.session() as session:
        assert instance_id(session)
        assert PrioritySparkDBManager(session).check_migration()


def test_a_migration_that_fails_leaves_nothing_behind(empty_database):
    with empty_database.engine.begin() as connection:
        # The last table the migration creates is in its way.
        connection.execute(text(f"CREATE TABLE {ArbiterState.__tablename__} (id INTEGER)"))
    with pytest.raises(DBAPIError, match="already exists"):
        upgrade(empty_database, use_migration_files=True)
    assert our_tables(empty_database) == {ArbiterState.__tablename__}


def test_an_unknown_revision_is_refused(database):
    with pytest.raises(CommandError, match="Can't locate revision identified by '0815'"):
        upgrade(database, to_revision="0815")


def test_downgrading_removes_the_tables_and_migrating_brings_them_back(database):
    with database.session() as session:
        PrioritySparkDBManager(session).downgrade("base")
        assert our_tables(database) == {VERSION_TABLE}
        assert not PrioritySparkDBManager(session).check_migration()
    upgrade(database)
    assert our_tables(database) == OURS


@pytest.mark.parametrize(
    "act", [lambda manager: manager.downgrade("base"), lambda manager: manager.resetdb()]
)
@pytest.mark.parametrize(
    ("waiting", "message"),
    [
        (1, "1 job waits in the queue, and without these tables nobody could resume the tasks; "),
        (3, "3 jobs wait in the queue, and without these tables nobody could resume the tasks; "),
    ],
)
def test_tables_in_which_tasks_wait_are_not_dropped(database, session, act, waiting, message):
    queue = make_queue(session)
    for number in range(waiting):
        make_job(session, queue, state=JobState.QUEUED if number else JobState.HELD)
    make_job(session, queue, state=JobState.SUCCEEDED)
    session.commit()

    with pytest.raises(JobsParked) as refusal:
        act(PrioritySparkDBManager(session))

    assert str(refusal.value) == message + ("give them back to Airflow first: airflow priority-spark unpark")
    assert our_tables(database) == OURS


def test_jobs_that_no_longer_wait_do_not_hinder_a_downgrade(database, session):
    queue = make_queue(session)
    for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED):
        make_job(session, queue, state=state)
    session.commit()
    PrioritySparkDBManager(session).downgrade("base")
    assert our_tables(database) == {VERSION_TABLE}


def test_a_reset_draws_a_new_identity(database, session):
    before = instance_id(session)
    session.commit()
    PrioritySparkDBManager(session).resetdb()
    assert instance_id(session) != before


def test_a_reset_may_leave_the_database_without_our_tables(database, session):
    PrioritySparkDBManager(session).resetdb(skip_init=True)
    assert our_tables(database) == set()


def test_the_wheel_contains_the_migrations(tmp_path):
    import zipfile

    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=60)

    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    store = root / "airflow_priority_spark" / "store"
    needed = [
        store / "alembic.ini",
        *(store / "migrations").glob("*.*"),
        *store.glob("migrations/versions/*.py"),
    ]
    assert {path.relative_to(root).as_posix() for path in needed} <= names
    assert any(f"airflow_priority_spark/store/migrations/versions/{NEWEST}_" in name for name in names)
