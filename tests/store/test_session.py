# SPDX-License-Identifier: Apache-2.0
"""What must hold before a process works with the tables, and how long it may hold on to them."""

from __future__ import annotations

import threading
import time

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import OperationalError

import airflow_priority_spark
from airflow_priority_spark.errors import DatabaseNotMigrated
from airflow_priority_spark.store.db_manager import PrioritySparkDBManager
from airflow_priority_spark.store.models import VERSION_TABLE, ArbiterState
from airflow_priority_spark.store.session import (
    HEADS,
    NEWEST,
    REVISIONS,
    OneConnection,
    bounded,
    check_migrated,
    when_committed,
)


def test_migrated_tables_are_accepted(session):
    check_migrated(session)


def test_missing_tables_name_the_command_to_run(empty_database):
    with empty_database.session() as session, pytest.raises(DatabaseNotMigrated) as refusal:
        check_migrated(session)
    assert str(refusal.value) == (
        "the tables of Priority Spark are missing in Airflow's database; run: airflow db migrate"
    )


def test_removed_tables_name_the_command_to_run(database):
    with database.session() as session:
        PrioritySparkDBManager(session).downgrade("base")
    with database.session() as session, pytest.raises(DatabaseNotMigrated, match="run: airflow db migrate"):
        check_migrated(session)


@pytest.mark.parametrize("older", REVISIONS[:-1])
def test_older_tables_name_both_revisions_and_the_command(session, older):
    session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{older}'"))
    with pytest.raises(DatabaseNotMigrated) as refusal:
        check_migrated(session)
    assert f"at revision {older}, this version needs {NEWEST}; run: airflow db migrate" in str(refusal.value)


def test_newer_tables_ask_for_the_newer_version(session):
    session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(DatabaseNotMigrated, match=r"revision 9999, which this version does not know .*newer"):
        check_migrated(session)


def test_the_revisions_known_are_those_of_the_migrations():
    script = ScriptDirectory(PrioritySparkDBManager.migration_dir)
    assert script.get_heads() == [NEWEST]
    assert [each.revision for each in script.walk_revisions()] == list(reversed(REVISIONS))
    assert list(HEADS.values())[-1] == NEWEST
    assert list(HEADS)[-1] == airflow_priority_spark.__version__


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.postgresql
def test_a_bounded_session_does_not_wait_long_for_a_lock(database):
    row = select(ArbiterState).with_for_update()
    sessions = bounded(database.session, lock_seconds=0.2, idle_seconds=10)
    with database.session() as holder, sessions() as other:
        holder.execute(row)
        begin = time.monotonic()
        with pytest.raises(OperationalError, match="lock timeout"):
            other.execute(row)
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.postgresql
def test_a_bounded_session_that_stops_lets_its_locks_go(database):
    row = select(ArbiterState).with_for_update()
    sessions = bounded(database.session, lock_seconds=5, idle_seconds=0.2)
    stopped, other = sessions(), sessions()
    stopped.execute(row)
    assert other.execute(row).scalar_one().id == 1
    with pytest.raises(OperationalError, match=r"closed the connection|idle-in-transaction"):
        stopped.execute(row)
    for session in (stopped, other):
        session.invalidate()


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.postgresql
def test_the_limits_end_with_the_transaction_and_come_back_with_the_next(database):
    show = text("SELECT current_setting('lock_timeout')")
    with bounded(database.session, lock_seconds=1.5, idle_seconds=1)() as session:
        assert session.scalar(show) == "1500ms"
        session.commit()
        assert session.scalar(show) == "1500ms"
        connection = session.connection().connection.dbapi_connection
        session.commit()
        with connection.cursor() as cursor:
            cursor.execute(str(show))
            assert cursor.fetchone() == ("0",)


def test_a_bounded_session_works_like_any_other(database):
    with bounded(database.session, lock_seconds=1, idle_seconds=1)() as session:
        check_migrated(session)


def driver_connection(session) -> int:
    """Tell which connection a session works on."""
    return id(session.connection().connection.dbapi_connection)


def test_while_a_connection_is_kept_the_sessions_of_its_thread_take_turns_on_it(database):
    sessions = OneConnection(database.session)
    asked = []

    def note(*_):
        asked.append(True)

    event.listen(database.engine, "checkout", note)
    with sessions.kept():
        asked.clear()
        for _ in range(3):
            with sessions() as session:
                check_migrated(session)
        assert not asked, "the pool is asked once, and not for every session"
    with sessions() as session:
        check_migrated(session)
    event.remove(database.engine, "checkout", note)
    assert asked


def test_each_session_on_a_kept_connection_commits_and_rolls_back_for_itself(database):
    sessions = OneConnection(database.session)
    with sessions.kept():
        with sessions() as session, session.begin():
            session.execute(update(ArbiterState).values(holder="first"))
        with sessions() as session:
            session.execute(update(ArbiterState).values(holder="second"))
        with database.session() as another:
            assert another.scalar(select(ArbiterState.holder)) == "first"


def test_a_session_within_anothers_transaction_gets_a_connection_of_its_own(database):
    sessions = OneConnection(database.session)
    with sessions.kept(), sessions() as outer:
        check_migrated(outer)
        with sessions() as inner:
            assert driver_connection(inner) != driver_connection(outer)


def test_another_thread_gets_a_connection_of_its_own(database):
    sessions = OneConnection(database.session)
    found = []

    def look():
        with sessions() as session:
            found.append(driver_connection(session))

    with sessions.kept(), sessions() as session:
        mine = driver_connection(session)
        session.rollback()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(30)
    assert len(found) == 1
    assert found != [mine]


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.postgresql
def test_transactions_on_a_kept_connection_have_their_limits(database):
    sessions = OneConnection(bounded(database.session, lock_seconds=1.5, idle_seconds=1))
    with sessions.kept():
        for _ in range(2):
            with sessions() as session:
                assert session.scalar(text("SELECT current_setting('lock_timeout')")) == "1500ms"


class TestWhenCommitted:
    """What an arbiter says of its deeds is said only of deeds."""

    def test_it_is_said_once_when_the_transaction_is_a_fact(self, database):
        said = []
        with database.session() as session:
            with session.begin():
                when_committed(session, said.append, "admitted")
                assert said == []
            assert said == ["admitted"]
            with session.begin():
                session.execute(select(ArbiterState.id))
        assert said == ["admitted"]

    def test_it_is_never_said_of_a_transaction_that_was_rolled_back(self, database):
        said = []
        with database.session() as session:
            when_committed(session, said.append, "admitted")
            session.execute(select(ArbiterState.id))
            session.rollback()
            when_committed(session, said.append, "resumed")
            when_committed(session, said.append, "refused")
            session.execute(select(ArbiterState.id))
            session.commit()
        assert said == ["resumed", "refused"]
