# SPDX-License-Identifier: Apache-2.0
"""The model and the migrations build the same tables, to the names of the constraints."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Index, Integer, MetaData, inspect

from airflow_priority_spark.store.db_manager import PrioritySparkDBManager
from airflow_priority_spark.store.models import VERSION_TABLE, Base


def differences(connection, metadata) -> list:
    """Return what alembic would write into a new revision for our tables."""
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "version_table": VERSION_TABLE,
        "include_object": lambda _object, name, kind, *_: kind != "table" or name in metadata.tables,
    }
    return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


@pytest.fixture
def migrated(empty_database):
    """A connection to a database whose tables the migrations made."""
    with empty_database.session() as session:
        PrioritySparkDBManager(session).upgradedb(use_migration_files=True)
    with empty_database.engine.connect() as connection:
        yield connection


def test_the_migrations_leave_nothing_to_do_for_the_model(migrated):
    assert differences(migrated, Base.metadata) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda job: job.append_column(Column("extra", Integer)), "add_column"),
        (lambda job: setattr(job.c.reason, "nullable", True), "modify_nullable"),
        (lambda job: setattr(job.c.reason, "type", Integer()), "modify_type"),
        (lambda job: Index("job_extra", job.c.user), "add_index"),
    ],
    ids=["column", "null", "type", "index"],
)
def test_a_difference_would_be_found(migrated, change, found):
    changed = MetaData(naming_convention=Base.metadata.naming_convention)
    for table in Base.metadata.sorted_tables:
        table.to_metadata(changed)
    change(changed.tables["priority_spark_job"])
    assert found in str(differences(migrated, changed))


def dump(engine) -> dict:
    """Return everything the database says about our tables."""
    inspector = inspect(engine)

    def ordered(rows) -> list:
        return sorted((dict(sorted(row.items())) for row in rows), key=str)

    return {
        name: {
            "columns": [
                {key: str(value) for key, value in sorted(column.items())}
                for column in inspector.get_columns(name)
            ],
            "primary key": inspector.get_pk_constraint(name),
            "foreign keys": ordered(inspector.get_foreign_keys(name)),
            "unique": ordered(inspector.get_unique_constraints(name)),
            "indexes": ordered(_comparable(index) for index in inspector.get_indexes(name)),
            "checks": ordered(inspector.get_check_constraints(name)),
        }
        for name in [*sorted(Base.metadata.tables), VERSION_TABLE]
    }


def _comparable(index: dict) -> dict:
    """Return an index with the condition of a partial one as text: two clauses are never equal."""
    options = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def test_both_paths_make_the_same_tables(empty_database):
    dumps = []
    for use_migration_files in (False, True):
        with empty_database.session() as session:
            manager = PrioritySparkDBManager(session)
            manager.upgradedb(use_migration_files=use_migration_files)
            dumps.append(dump(empty_database.engine))
            manager.resetdb(skip_init=True)
    by_model, by_migrations = dumps
    assert by_model == by_migrations


def test_every_constraint_has_a_name(migrated):
    for name, table in dump(migrated.engine).items():
        named = [table["primary key"], *table["foreign keys"], *table["unique"], *table["indexes"]]
        assert all(constraint["name"] for constraint in named), name
