# SPDX-License-Identifier: Apache-2.0
"""The doctor's look at the metadata database: does it answer, are the tables right, who leads."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from airflow_priority_spark.cli.doctor_findings import Finding, clock
from airflow_priority_spark.errors import DatabaseNotMigrated
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.reads import arbiter_status
from airflow_priority_spark.store.session import check_migrated

#: A leader that has recorded no cycle for so long is stuck; a quiet one records one every ten seconds.
STUCK_SECONDS: Final = 60.0
_SUPPORT: Final = {
    "postgresql": None,
    "sqlite": "fine for one machine; several schedulers or arbiters need PostgreSQL",
    "mysql": "written portably, but untested; use PostgreSQL in production",
}


def answers(session: Session) -> Finding:
    """Tell whether the database answers, and which it is."""
    try:
        session.execute(text("SELECT 1"))
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()[0]
        return Finding(
            "database",
            "connection",
            "problem",
            f"Airflow's database does not answer: {said}",
            "Check that the server runs and that [database] sql_alchemy_conn leads to it.",
        )
    name = session.get_bind().dialect.name
    note = _SUPPORT.get(name, "unknown to this package; use PostgreSQL")
    if note is None:
        return Finding("database", "connection", "ok", f"{name} answers")
    return Finding(
        "database", "connection", "ok" if name == "sqlite" else "warning", f"{name} answers: {note}"
    )


def migrations(session: Session) -> Finding:
    """Tell whether our tables are those of this version."""
    try:
        check_migrated(session)
    except DatabaseNotMigrated as error:
        return Finding("migrations", "tables", "problem", str(error), "Run: airflow db migrate")
    return Finding("migrations", "tables", "ok", "the tables are those of this version")


def database_clock(session: Session, settings: Settings, now: datetime.datetime) -> Iterator[Finding]:
    """Compare the server's clock with ours; SQLite has none of its own.

    :param now: our clock, read just before.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    theirs = session.scalar(text("SELECT CURRENT_TIMESTAMP"))
    if not isinstance(theirs, datetime.datetime):
        return
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=datetime.UTC)
    yield clock(
        "database",
        (theirs - now).total_seconds(),
        warn_at=settings.lease_seconds / 8,
        problem_at=settings.lease_seconds / 2,
        mend=(
            "Let NTP keep the clocks of the database and of every host that runs an arbiter: leases "
            f"({settings.lease_seconds:g} s) are compared between these hosts."
        ),
    )


def leader(session: Session, settings: Settings, now: datetime.datetime) -> Finding:
    """Tell whether an arbiter leads and works."""
    if settings.arbiter == "off":
        return Finding(
            "arbiter",
            "leader",
            "warning",
            "[priority_spark] arbiter is off: every task goes straight to the cluster",
            "Set it to scheduler or standalone to queue jobs.",
        )
    status = arbiter_status(session, now)
    if not status.alive:
        start = (
            "Start a scheduler, which starts an arbiter; its log says why one does not stay."
            if settings.arbiter == "scheduler"
            else "Run: airflow priority-spark arbiter"
        )
        return Finding("arbiter", "leader", "problem", "no arbiter leads: jobs wait for ever", start)
    if status.idle_seconds is None or status.idle_seconds > STUCK_SECONDS:
        since = "ever" if status.idle_seconds is None else f"for {status.idle_seconds:.0f} s"
        found = f"{status.leader} leads but has finished no cycle {since}"
        return Finding(
            "arbiter",
            "leader",
            "problem",
            found,
            "Read its log for what a cycle fails with, then restart it.",
        )
    return Finding("arbiter", "leader", "ok", f"{status.leader} leads")


def unresolved(session: Session, now: datetime.datetime) -> Iterator[Finding]:
    """Say which connections the leader cannot follow to a cluster."""
    for alias, why in arbiter_status(session, now).summary.get("unresolved", {}).items():
        yield Finding(
            "arbiter",
            f"connection {alias}",
            "problem",
            f"jobs of it wait outside the queue: {why}",
            "Correct the Airflow connection where the arbiter looks it up (environment, secrets backend or "
            "database of its host).",
        )
