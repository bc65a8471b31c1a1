# SPDX-License-Identifier: Apache-2.0
"""Which process starts the arbiter's supervisor."""

import sys

import pytest

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.plugin import launch
from airflow_priority_spark.plugin.launch import (
    MARKER,
    is_the_scheduler,
    runs_airflow_scheduler,
    start_supervisor,
)

SCHEDULER = ["/opt/venv/bin/airflow", "scheduler"]


@pytest.mark.parametrize(
    "argv",
    [
        SCHEDULER,
        ["airflow", "scheduler", "--daemon"],
        ["/opt/venv/lib/python3.11/site-packages/airflow/__main__.py", "scheduler", "-n", "5"],
        ["-m", "scheduler"],
    ],
)
def test_a_scheduler_is_known_by_its_command_line(argv):
    assert runs_airflow_scheduler(argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["airflow"],
        ["airflow", "standalone"],
        ["airflow", "dag-processor"],
        ["airflow", "priority-spark", "arbiter"],
        ["airflow", "tasks", "test", "scheduler"],
        ["/usr/bin/dask", "scheduler"],
        ["/srv/report/__main__.py", "scheduler"],
        [""],
        [],
    ],
)
def test_other_commands_are_no_scheduler(argv):
    assert not runs_airflow_scheduler(argv)


def test_a_worker_of_the_scheduler_is_not_the_scheduler():
    assert is_the_scheduler(SCHEDULER, {}, is_child=False)
    assert not is_the_scheduler(SCHEDULER, {}, is_child=True)


def test_whatever_a_supervised_scheduler_started_is_not_the_scheduler():
    assert not is_the_scheduler(SCHEDULER, {MARKER: "4711"}, is_child=False)


@pytest.fixture
def as_scheduler(monkeypatch):
    """Let this process look like a scheduler; returns what it would have started."""
    started = []
    monkeypatch.setattr(sys, "argv", SCHEDULER)
    # Set, then removed: so that a marker the code sets is gone after the test.
    monkeypatch.setenv(MARKER, "")
    monkeypatch.delenv(MARKER)
    monkeypatch.setattr(launch.subprocess, "Popen", lambda command, **_: started.append(command))
    return started


def test_a_scheduler_starts_one_supervisor_however_often_plugins_load(as_scheduler, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "scheduler")
    start_supervisor()
    start_supervisor()
    [command] = as_scheduler
    assert "airflow_priority_spark.arbiter.supervisor" in command


@pytest.mark.parametrize("arbiter", ["standalone", "off"])
def test_a_scheduler_that_should_not_run_an_arbiter_starts_none(as_scheduler, monkeypatch, arbiter):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", arbiter)
    start_supervisor()
    assert as_scheduler == []


def test_a_daemon_that_loaded_its_plugins_too_early_says_so(as_scheduler, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "scheduler")
    monkeypatch.setattr(sys, "argv", [*SCHEDULER, "--daemon"])
    monkeypatch.setattr("airflow.settings.LAZY_LOAD_PLUGINS", False)
    start_supervisor()
    assert as_scheduler == []
    assert "run `airflow priority-spark arbiter` beside the scheduler" in caplog.text


def test_a_daemon_that_loads_its_plugins_as_a_daemon_starts_a_supervisor(as_scheduler, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "scheduler")
    monkeypatch.setattr(sys, "argv", [*SCHEDULER, "--daemon"])
    start_supervisor()
    assert len(as_scheduler) == 1


def test_a_wrong_option_names_what_is_allowed(as_scheduler, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "always")
    with pytest.raises(InvalidInput) as caught:
        start_supervisor()
    assert str(caught.value) == (
        "[priority_spark] arbiter: 'always' is not valid; allowed: scheduler, standalone, off"
    )
