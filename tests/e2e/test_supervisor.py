# SPDX-License-Identifier: Apache-2.0
"""One scheduler, one supervisor, one arbiter: with real schedulers and real LocalExecutor workers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.airflow_database import Database

pytestmark = [pytest.mark.e2e, pytest.mark.parametrize("database_kind", ["sqlite"])]

DAG = """
import time
from airflow.sdk import dag, task

@dag(schedule="@once", start_date=None, catchup=False)
def many_workers():
    @task
    def wait(number):
        time.sleep(1)
    wait.expand(number=[1, 2, 3, 4])

many_workers()
"""


def eventually(look, seconds=60.0):
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.1)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def descendants(process: psutil.Process, *words: str) -> list[psutil.Process]:
    """Everything alive under a process whose command line holds these words."""
    found = []
    for child in process.children(recursive=True):
        try:
            command = child.cmdline()
        except psutil.Error:
            continue
        if not gone(child) and all(word in command for word in words):
            found.append(child)
    return found


class Scheduler:
    """A real ``airflow scheduler`` and what runs under it."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = psutil.Process(process.pid)

    def supervisors(self) -> list[psutil.Process]:
        return descendants(self.process, "airflow_priority_spark.arbiter.supervisor")

    def arbiters(self) -> list[psutil.Process]:
        return descendants(self.process, "priority-spark", "arbiter")


@contextmanager
def airflow(database: Database, *arguments: str, **variables: str):
    """Run an Airflow command in the background; whatever is left of its tree is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "airflow", *arguments], env=database.environment(**variables)
    )
    try:
        yield process
    finally:
        left = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for child in left:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
        process.wait()


@contextmanager
def scheduler(database: Database, **variables: str):
    options = {
        "AIRFLOW__PRIORITY_SPARK__ARBITER": "scheduler",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        **variables,
    }
    with airflow(database, "scheduler", "--skip-serve-logs", **options) as process:
        yield Scheduler(process)


def leads(database: Database) -> str:
    """Who leads, as the database says; empty when nobody does."""
    from airflow_priority_spark.store.models import ArbiterState

    with database.session() as session:
        state = session.get(ArbiterState, 1)
        return state.holder if state.lease_until else ""


def is_led_by(database: Database, arbiter: psutil.Process) -> bool:
    return f"/{arbiter.pid}/" in leads(database)


def test_a_killed_arbiter_is_replaced_and_its_successor_leads(database):
    with scheduler(database) as running:
        [first] = eventually(running.arbiters)
        eventually(lambda: is_led_by(database, first))
        first.kill()
        [second] = eventually(lambda: [found for found in running.arbiters() if found != first], 5)
        eventually(lambda: is_led_by(database, second))
        assert len(running.supervisors()) == 1


def test_sigterm_ends_an_arbiter_within_five_seconds_and_frees_its_lease(database):
    with scheduler(database) as running:
        [arbiter] = eventually(running.arbiters)
        eventually(lambda: is_led_by(database, arbiter))
        arbiter.terminate()
        eventually(lambda: gone(arbiter), 5)
        assert leads(database) == ""


def test_a_killed_scheduler_takes_its_supervisor_and_arbiter_along(database):
    with scheduler(database) as running:
        [supervisor] = eventually(running.supervisors)
        [arbiter] = eventually(running.arbiters)
        eventually(lambda: is_led_by(database, arbiter))
        running.process.send_signal(signal.SIGKILL)
        eventually(lambda: gone(supervisor) and gone(arbiter), 5)


@pytest.mark.parametrize("arbiter", ["standalone", "off"])
def test_a_scheduler_that_should_run_no_arbiter_runs_none(database, arbiter):
    with scheduler(database, AIRFLOW__PRIORITY_SPARK__ARBITER=arbiter) as running:
        eventually(lambda: runs(database, "SchedulerJob"))
        time.sleep(1)
        assert running.supervisors() == []
        assert running.arbiters() == []


def runs(database: Database, job_type: str) -> bool:
    from airflow.jobs.job import most_recent_job

    with database.session() as session:
        job = most_recent_job(job_type, session=session)
        return job is not None and job.is_alive()


def test_workers_of_the_scheduler_start_no_further_supervisor(database):
    (database.home / "dags").mkdir()
    (database.home / "dags" / "many_workers.py").write_text(DAG)
    port = free_port()
    options = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(database.home / "dags"),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret that both processes know, for this test alone, 64 bytes",
    }
    database.airflow("dags", "reserialize", **options)
    with airflow(database, "api-server", **options):
        eventually(lambda: answers(f"http://127.0.0.1:{port}/api/v2/monitor/health"), 120)
        with scheduler(database, **options) as running:
            seen = set()

            def all_succeeded() -> bool:
                seen.add((len(running.supervisors()), len(running.arbiters())))
                states = task_states(database)
                return len(states) == 4 and set(states) == {"success"}

            eventually(all_succeeded, 120)
            assert max(supervisors for supervisors, _ in seen) == 1
            assert max(arbiters for _, arbiters in seen) == 1


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return json.load(answer)["metadatabase"]["status"] == "healthy"
    except OSError:
        return False


def task_states(database: Database) -> list[str]:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    with database.session() as session:
        return list(session.scalars(select(TaskInstance.state).where(TaskInstance.dag_id == "many_workers")))
