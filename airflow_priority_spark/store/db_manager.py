# SPDX-License-Identifier: Apache-2.0
"""Our tables' part in ``airflow db migrate``, ``db check-migrations``, ``db reset`` and ``db-manager``.

Airflow runs external managers outside its own migration lock on a fresh database, so two pods that
migrate at once would both create our tables, and the installation could get two identities. Every
change here therefore runs in one transaction of one connection that first takes a lock of its own
(an advisory lock on PostgreSQL, the write lock on SQLite) and only then looks what is to be done.
"""

from __future__ import annotations

import contextlib
import datetime
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from airflow.utils.db_manager import BaseDBManager
from sqlalchemy import Connection, func, inspect, or_, select, text

from airflow_priority_spark.errors import JobsParked
from airflow_priority_spark.scheduling.jobs import WAITING
from airflow_priority_spark.store.instance import create_single_rows
from airflow_priority_spark.store.models import VERSION_TABLE, Base, Job
from airflow_priority_spark.store.session import HEADS
from airflow_priority_spark.store.trigger_ids import release_trigger_ids

_HERE: Final = Path(__file__).parent
#: "psmigrat" as a number: one key for our migrations, apart from Airflow's own advisory locks.
_ADVISORY_LOCK: Final = int.from_bytes(b"psmigrat", "big")
#: Milliseconds SQLite waits for another migration; the default of five seconds is short on a busy machine.
_SQLITE_WAIT: Final = 60_000


class PrioritySparkDBManager(BaseDBManager):  # type: ignore[misc] # Airflow ships no types
    """Creates, upgrades, downgrades and drops the ``priority_spark_*`` tables."""

    metadata = Base.metadata
    version_table_name = VERSION_TABLE
    migration_dir = (_HERE / "migrations").as_posix()
    alembic_file = (_HERE / "alembic.ini").as_posix()
    supports_table_dropping = True
    revision_heads_map = HEADS

    def initdb(self, use_migration_files: bool = False) -> None:
        """Create or upgrade the tables."""
        self.upgradedb(use_migration_files=use_migration_files)

    def create_db_from_orm(self) -> None:
        """Create the tables from the model and stamp them as the newest revision."""
        with self._changing() as (connection, config):
            self._create(connection, config)

    def upgradedb(
        self,
        to_revision: str | None = None,
        from_revision: str | None = None,
        show_sql_only: bool = False,
        use_migration_files: bool = False,
    ) -> None:
        """Upgrade the tables, creating them where there are none.

        :param to_revision: the newest by default.
        :param from_revision: where the printed SQL starts; the database's revision by default.
        :param show_sql_only: print the SQL and change nothing.
        :param use_migration_files: create from the migrations rather than from the model.
        """
        from alembic import command

        if show_sql_only:
            start = from_revision or self.get_current_revision() or "base"
            command.upgrade(self.get_alembic_config(), f"{start}:{to_revision or 'head'}", sql=True)
            return
        with self._changing() as (connection, config):
            if self._is_new(connection) and not to_revision and not use_migration_files:
                self._create(connection, config)
            else:
                command.upgrade(config, to_revision or "head")
        self.log.info("The tables of Priority Spark are up to date")

    def downgrade(
        self, to_revision: str, from_revision: str | None = None, show_sql_only: bool = False
    ) -> None:
        """Downgrade the tables; ``base`` removes them.

        :param from_revision: where the printed SQL starts; the database's revision by default.
        :param show_sql_only: print the SQL and change nothing.
        :raises JobsParked: while tasks wait in the queue: nobody could resume them afterwards.
        """
        from alembic import command

        if show_sql_only:
            start = from_revision or self.get_current_revision() or "head"
            command.downgrade(self.get_alembic_config(), f"{start}:{to_revision}", sql=True)
            return
        with self._changing() as (connection, config):
            _refuse_while_jobs_wait(connection)
            command.downgrade(config, to_revision)
            if to_revision == "base":
                release_trigger_ids(connection)
        self.log.info("The tables of Priority Spark are at revision %s", to_revision)

    def resetdb(self, skip_init: bool = False, use_migration_files: bool = False) -> None:
        """Drop our tables alone and create them again (``airflow db-manager reset``).

        ``airflow db reset`` comes through ``drop_tables``: it drops the tasks as well, so none can
        be left waiting.

        :raises JobsParked: while tasks wait in the queue.
        """
        with self._changing() as (connection, _):
            _refuse_while_jobs_wait(connection)
            self.drop_tables(connection)
        if not skip_init:
            self.initdb(use_migration_files=use_migration_files)

    def _create(self, connection: Connection, config: Any) -> None:
        from alembic import command

        self.metadata.create_all(connection)
        command.stamp(config, "head")
        create_single_rows(connection, instance_id=str(uuid.uuid4()), now=datetime.datetime.now(datetime.UTC))

    def _is_new(self, connection: Connection) -> bool:
        from alembic.migration import MigrationContext

        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return context.get_current_revision() is None

    @contextlib.contextmanager
    def _changing(self) -> Iterator[tuple[Connection, Any]]:
        """Give the only connection that may change our tables now, and alembic's configuration for it."""
        self._release_metadata_locks_if_needed()
        with self.session.get_bind().engine.begin() as connection:
            _exclude_others(connection)
            config = self.get_alembic_config()
            config.attributes["connection"] = connection
            yield connection, config


def _exclude_others(connection: Connection) -> None:
    """Wait until no other process changes our tables, and keep others out until the transaction ends.

    MySQL commits at every change of a table, so no transaction could hold a lock there; it relies on
    one migration at a time.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {_SQLITE_WAIT}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _refuse_while_jobs_wait(connection: Connection) -> None:
    if not inspect(connection).has_table(Job.__tablename__):
        return
    if connection.dialect.name == "postgresql":
        # A task that an arbiter parks between this look and the drop would be lost.
        connection.exec_driver_sql(f"LOCK TABLE {Job.__tablename__} IN ACCESS EXCLUSIVE MODE")
    waiting = or_(Job.parked, Job.state.in_([str(state) for state in WAITING]))
    count = connection.scalar(select(func.count()).select_from(Job).where(waiting)) or 0
    if count:
        jobs = "1 job waits" if count == 1 else f"{count} jobs wait"
        raise JobsParked(
            f"{jobs} in the queue, and without these tables nobody could resume the tasks; "
            "give them back to Airflow first: airflow priority-spark unpark"
        )
