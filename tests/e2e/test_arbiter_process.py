# SPDX-License-Identifier: Apache-2.0
"""The arbiter's process: what must hold before it starts, its heartbeat, and how it ends."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from airflow_priority_spark.arbiter.process import JOB_TYPE
from tests.airflow_database import Database

pytestmark = [pytest.mark.e2e, pytest.mark.parametrize("database_kind", ["sqlite"])]

ARBITER = [sys.executable, "-P", "-m", "airflow", "priority-spark", "arbiter"]
# A loop that never looks whether it should stop, as one that hangs in a call would.
STUCK = [
    sys.executable,
    "-c",
    """
import time
from airflow_priority_spark.arbiter.process import run

class Stuck:
    def __init__(self, settings, session_factory, *, holder):
        pass

    def run(self, stop, heartbeat):
        heartbeat()
        while True:
            time.sleep(1)

run(Stuck)
""",
]


@pytest.fixture
def start(database: Database):
    started = []

    def start(command: list[str], **variables: str) -> subprocess.Popen:
        started.append(subprocess.Popen(command, env=database.environment(**variables)))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def eventually(look, seconds=60.0):
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.1)


def lives(database: Database) -> bool:
    from airflow.jobs.job import most_recent_job

    with database.session() as session:
        job = most_recent_job(JOB_TYPE, session=session)
        return job is not None and job.is_alive()


def check(database: Database, *command: str) -> tuple[int, str]:
    """Return exit code and last line of a command."""
    ended = database.airflow(*command, check=False)
    return ended.returncode, ended.stdout.strip().splitlines()[-1]


def test_airflow_sees_the_arbiter_alive_until_it_ends(database, start):
    arbiter = start(ARBITER)
    eventually(lambda: lives(database))
    assert check(database, "jobs", "check", "--local") == (0, "Found one alive job.")
    assert check(database, "priority-spark", "check", "--local") == (0, "Found one alive job.")

    arbiter.send_signal(signal.SIGTERM)
    assert arbiter.wait(5) == 0
    assert check(database, "priority-spark", "check") == (1, "No alive jobs found.")


def test_the_heartbeat_goes_on_while_cycles_run(database, start):
    from airflow.jobs.job import most_recent_job

    def heartbeat():
        with database.session() as session:
            return most_recent_job(JOB_TYPE, session=session).latest_heartbeat

    start(ARBITER)
    eventually(lambda: lives(database))
    first = heartbeat()
    eventually(lambda: heartbeat() > first, 15)


def test_a_stuck_arbiter_ends_within_five_seconds_of_sigterm_too(database, start):
    arbiter = start(STUCK)
    eventually(lambda: lives(database))
    arbiter.send_signal(signal.SIGTERM)
    assert arbiter.wait(5) == 1


def test_a_loop_that_waits_inside_the_database_driver_is_left_as_well(database, start, tmp_path):
    # The driver's own wait for SQLite's lock runs no instruction of Python's main thread.
    holder = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    waiting = "sqlite3.connect(os.environ['LOCKED'], timeout=60).execute('BEGIN EXCLUSIVE')"
    command = [*STUCK[:2], "import os, sqlite3" + STUCK[2].replace("time.sleep(1)", waiting)]
    arbiter = start(command, LOCKED=str(tmp_path / "locked.db"))
    eventually(lambda: lives(database))
    arbiter.send_signal(signal.SIGTERM)
    assert arbiter.wait(5) == 1
    holder.close()


def test_a_database_that_is_not_migrated_ends_it_with_the_command_to_run(empty_database):
    ended = subprocess.run(
        ARBITER, env=empty_database.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "run: airflow db migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_option_ends_it_with_what_is_allowed(database):
    ended = subprocess.run(
        ARBITER,
        env=database.environment(AIRFLOW__PRIORITY_SPARK__LEASE_SECONDS="soon"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "[priority_spark] lease_seconds: 'soon' is not valid; allowed: a number of seconds" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_heartbeat_that_is_not_due_takes_no_time(database):
    """``Job.heartbeat`` alone would sleep for the rest of the five seconds."""
    from airflow.jobs.job import Job, run_job

    from airflow_priority_spark.arbiter.process import ArbiterJobRunner

    took = []

    class Loop:
        def run(self, stop, heartbeat):
            started = time.monotonic()
            for _ in range(20):
                heartbeat()
            took.append(time.monotonic() - started)

    runner = ArbiterJobRunner(Job(), Loop(), threading.Event())
    run_job(job=runner.job, execute_callable=runner._execute)
    assert took[0] < 1
