# SPDX-License-Identifier: Apache-2.0
"""The supervisor alone, over small commands; with a real scheduler: tests/e2e/test_supervisor.py."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from airflow_priority_spark.arbiter.supervisor import main

# Stands in for the scheduler: starts the supervisor as its child and then only lives.
SCHEDULER = """
import os, subprocess, sys, time
module = "airflow_priority_spark.arbiter.supervisor"
subprocess.Popen([sys.executable, "-m", module, str(os.getpid()), *sys.argv[1:]])
time.sleep(120)
"""
LIVES = "import time; time.sleep(120)"
IGNORES_SIGTERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(120)"
DIES = "raise SystemExit(3)"


class Tree:
    """A stand-in scheduler, its supervisor and what that runs."""

    def __init__(self, code: str, stderr: Path) -> None:
        self.stderr = stderr
        with stderr.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SCHEDULER, sys.executable, "-c", code], stderr=stream
            )
        self.scheduler = psutil.Process(self.process.pid)

    @property
    def supervisor(self) -> psutil.Process:
        return eventually(self.scheduler.children)[0]

    @property
    def arbiter(self) -> psutil.Process:
        return eventually(self.supervisor.children)[0]

    def lines(self) -> list[str]:
        return self.stderr.read_text().splitlines()


def eventually(look, seconds=10.0):
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)
    return found


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def start(tmp_path):
    trees = []

    def start(code: str) -> Tree:
        trees.append(Tree(code, tmp_path / "stderr"))
        return trees[-1]

    yield start
    for tree in trees:
        for process in [*tree.scheduler.children(recursive=True), tree.scheduler]:
            process.kill()
        tree.process.wait()


def test_a_killed_arbiter_is_started_again(start):
    tree = start(LIVES)
    first = tree.arbiter
    first.kill()
    eventually(lambda: [child for child in tree.supervisor.children() if child.pid != first.pid])
    assert f"priority-spark supervisor | the arbiter (pid {first.pid}) was ended by SIGKILL" in tree.lines()


def test_an_arbiter_that_keeps_dying_is_started_again_after_growing_pauses(start):
    tree = start(DIES)
    eventually(lambda: sum("starting it again" in line for line in tree.lines()) >= 3, 15)
    pauses = [line.split(" in ")[1] for line in tree.lines() if "starting it again" in line]
    assert pauses[:3] == ["0.5 s", "1 s", "2 s"]
    assert any("ended with exit code 3" in line for line in tree.lines())


def test_both_end_when_the_scheduler_is_killed(start):
    tree = start(LIVES)
    supervisor, arbiter = tree.supervisor, tree.arbiter
    tree.scheduler.kill()
    eventually(lambda: gone(supervisor) and gone(arbiter), 5)


def test_an_arbiter_that_ignores_sigterm_is_killed(start):
    tree = start(IGNORES_SIGTERM)
    supervisor, arbiter = tree.supervisor, tree.arbiter
    eventually(lambda: signal_is_ignored(arbiter, signal.SIGTERM))
    supervisor.terminate()
    eventually(lambda: gone(supervisor) and gone(arbiter), 5)
    assert any("did not end within 4 s, killing it" in line for line in tree.lines())


def signal_is_ignored(process: psutil.Process, number: signal.Signals) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(mask >> (number - 1) & 1)


def test_the_arbiter_is_told_to_end_when_its_supervisor_is_killed(start):
    tree = start(LIVES)
    arbiter = tree.arbiter
    tree.supervisor.kill()
    eventually(lambda: gone(arbiter), 5)


def test_nothing_is_started_for_a_scheduler_that_is_gone_already(tmp_path):
    witness = tmp_path / "started"
    code = f"from pathlib import Path; Path({str(witness)!r}).touch()"
    not_our_parent = os.getpid() + 1
    subprocess.run(
        [sys.executable, "-m", main.__module__, str(not_our_parent), sys.executable, "-c", code],
        check=True,
        timeout=20,
    )
    assert not witness.exists()
