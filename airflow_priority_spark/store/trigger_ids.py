# SPDX-License-Identifier: Apache-2.0
"""No trigger id is given twice, also on SQLite.

A triggerer knows a trigger by its id alone. On SQLite the next row of ``trigger`` gets the largest id
plus one, so the id of a deleted newest row is given again. When a task is parked, its row is deleted
while the triggerer still runs the trigger; if the next deferral gets that id before the triggerer has
looked again, it takes the new row for the old one and never starts it: that task waits for ever.
(The soak test in ``tests/soak`` shows it: about one trigger in a hundred.)

So on SQLite the newest row, when deleted, leaves an empty one with its id. It carries a ``queue``
that no triggerer serves, and Airflow's own clean-up removes it once a newer row exists.
PostgreSQL and MySQL number rows from a sequence and need nothing.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, inspect

#: Name of the SQL trigger, and of the triggerer queue that nobody serves.
KEEPER: Final = "priority_spark_trigger_ids"

_CREATE: Final = f"""
CREATE TRIGGER IF NOT EXISTS {KEEPER} AFTER DELETE ON "trigger"
WHEN OLD.id > (SELECT COALESCE(MAX(id), 0) FROM "trigger")
BEGIN
    INSERT INTO "trigger" (id, classpath, kwargs, created_date, queue)
    VALUES (OLD.id, '{KEEPER}', '{{}}', OLD.created_date, '{KEEPER}');
END
"""


def keep_trigger_ids_unique(connection: Connection) -> None:
    """Make SQLite leave a row behind for the newest deleted trigger; does nothing when it does already."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_CREATE)


def release_trigger_ids(connection: Connection) -> None:
    """Undo ``keep_trigger_ids_unique``: leave Airflow's table as it was."""
    if connection.dialect.name == "sqlite" and inspect(connection).has_table("trigger"):
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {KEEPER}")
        connection.exec_driver_sql(f"DELETE FROM \"trigger\" WHERE queue = '{KEEPER}'")
