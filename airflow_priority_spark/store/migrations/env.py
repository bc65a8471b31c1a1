# SPDX-License-Identifier: Apache-2.0
"""How alembic reaches the database.

The DB manager hands over its own connection, inside its own transaction and under its own lock, so
that a migration is done wholly by one process or not at all. Without one (a developer's
``alembic revision``) Airflow's engine is used.
"""

from __future__ import annotations

from alembic import context

from airflow_priority_spark.store.models import VERSION_TABLE, Base


def _include_object(_object, name, kind, *_):
    """Look at our tables only: the database also holds Airflow's."""
    return kind != "table" or name in Base.metadata.tables


_OPTIONS = {
    "target_metadata": Base.metadata,
    "version_table": VERSION_TABLE,
    "include_object": _include_object,
    "compare_type": True,
    "render_as_batch": True,
}


def _run(**where):
    context.configure(**where, **_OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def _run_online():
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _run(connection=connection)
        return
    from airflow import settings

    with settings.get_engine().begin() as own:
        _run(connection=own)


if context.is_offline_mode():
    _run(url=context.config.get_main_option("sqlalchemy.url"), literal_binds=True)
else:
    _run_online()
