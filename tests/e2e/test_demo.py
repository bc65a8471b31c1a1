# SPDX-License-Identifier: Apache-2.0
"""``make demo`` as a stranger runs it: an empty home, no terminal, and nothing left behind."""

from __future__ import annotations

import datetime
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from airflow_priority_spark.embedded import spark_submit
from airflow_priority_spark.embedded.process import EmbeddedCluster
from demo.plan import QUOTAS, ROOT
from demo.view import read_view
from tests.e2e.work import until

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(600)]


class RunningDemo:
    """A demo in a process of its own, and what it has printed so far."""

    def __init__(self, home: Path, *arguments: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "demo/run.py", *arguments],
            cwd=ROOT,
            env={**clean, "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def says(self, pattern: str, timeout: float = 120.0) -> re.Match:
        return until(lambda: re.search(pattern, self.text), lambda: self.text, timeout)

    def directory(self) -> Path:
        return Path(self.says(r"its files and logs: (.*)/airflow")[1])

    def ends(self, timeout: float = 420.0) -> int:
        code = self.process.wait(timeout)
        self._reader.join(10)
        return code

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)


@pytest.fixture
def interruptible():
    """Let the demo hear Ctrl-C also where the tests run in the background, whose shell makes it deaf."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def demo(tmp_path, interruptible):
    started = []

    def start(*arguments):
        started.append(RunningDemo(tmp_path, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def processes_of(directory: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(directory) in " ".join([*process.cmdline(), process.environ().get("AIRFLOW_HOME", "")]):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_the_demo_comes_to_its_expected_end_and_the_command_line_says_what_the_table_shows(demo):
    running = demo()
    directory = running.directory()
    expected = "SIMULATED" if spark_submit.obstacle() else "real spark-submit"
    assert expected in running.text
    running.says(r"queued .* (requests\.)?(cpu|memory): needs")

    assert_same_as_the_table(directory / "airflow")

    assert running.ends() == 0, running.text
    assert running.lines[-2:] == [
        "over-commitments: 0",
        "jobs: 13 succeeded, 1 rejected as expected, 0 lost",
    ]
    assert not processes_of(directory)
    assert not directory.exists()


def assert_same_as_the_table(home: Path) -> None:
    """Compare in a moment in which nothing moved while the commands ran."""
    for _ in range(20):
        before = look(home)
        jobs, queues = command(home, "job", "list", "--state", "all"), command(home, "queue", "list")
        if in_short(before) == in_short(look(home)):
            break
    else:
        pytest.fail("jobs moved in every interval")
    shown = {(job.id, job.namespace, job.pool, job.state.value, job.position) for job in before.jobs}
    assert {
        (job["id"], job["namespace"], job["pool"], job["state"], job["position"]) for job in jobs
    } == shown
    blocked = {job.id: job.blocking_resource for job in before.jobs}
    assert {job["id"]: job["blocked_by"] for job in jobs} == blocked
    assert [(row["namespace"], row["pool"], row["queued"], row["running"]) for row in queues] == [
        (queue.namespace, pool.name, pool.length, pool.running)
        for queue in before.queues
        for pool in queue.pools
    ]


def look(home: Path):
    engine = create_engine(f"sqlite:///{home}/airflow.db")
    with Session(engine) as session:
        view = read_view(session, datetime.datetime.now(datetime.UTC), tuple(QUOTAS))
    engine.dispose()
    return view


def in_short(view):
    return [(job.id, job.state, job.position, job.blocking_resource) for job in view.jobs]


def command(home: Path, *arguments: str):
    """Run a command in a shell as the demo tells a person to."""
    airflow = f"{sys.executable} -P -m airflow priority-spark {' '.join(arguments)} --output json"
    line = f"source {home}/environment.sh && exec {airflow}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("moment", ["its files and logs", r"running .* the driver of"])
def test_an_interrupted_demo_leaves_no_process_and_no_file(demo, moment):
    running = demo()
    directory = running.directory()
    running.says(moment)
    running.process.send_signal(signal.SIGINT)
    assert running.ends(60) == 130
    assert "everything that was started has ended" in running.text
    assert not processes_of(directory)
    assert not directory.exists()


def test_a_kubeconfig_that_is_not_there_is_named(demo):
    running = demo("--kubeconfig", "nowhere.yaml")
    assert running.ends(60) == 1
    assert "nowhere.yaml: no such file; name a kubeconfig: make demo KUBECONFIG=PATH" in running.text


def test_a_cluster_without_the_spark_operator_is_not_touched(demo, tmp_path):
    with EmbeddedCluster.start(tmp_path / "cluster", without_crd=True) as cluster:
        running = demo("--kubeconfig", str(cluster.kubeconfig))
        assert running.ends(60) == 1
        assert "install the Kubeflow Spark operator" in running.text
