# SPDX-License-Identifier: Apache-2.0
"""A look into the database, for commands that show something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.utils.session import create_session
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.outages import first_line
from airflow_priority_spark.cli.messages import REFUSED, fail
from airflow_priority_spark.store.session import check_migrated


@contextmanager
def reading() -> Iterator[Session]:
    """Give a session on tables that are there; a database that does not answer ends the command with a line.

    :raises DatabaseNotMigrated: the message says which command to run.
    """
    try:
        with create_session() as session:
            check_migrated(session)
            yield session
    except OperationalError as error:
        fail(f"priority-spark: Airflow's database does not answer: {first_line(error)}", REFUSED)
