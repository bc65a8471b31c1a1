# SPDX-License-Identifier: Apache-2.0
"""Runs ``cluster controllers`` in a process of its own: the handle for tests."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from airflow_priority_spark.errors import PrioritySparkError

START_SECONDS = 60.0
STOP_SECONDS = 20.0
READY = "Controllers serve "


class ControllersDidNotStart(PrioritySparkError):
    """The process ended or did not become ready; the message carries the end of its log."""


class ControllersProcess:
    """Controllers that run; as a context manager they are stopped at the end."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.log = log
        self._process = process

    @classmethod
    def start(
        cls,
        kubeconfig: str | Path,
        log: Path,
        *,
        nodes: int = 3,
        simulated_seconds: float = 10.0,
        driver_start_seconds: float = 0.5,
    ) -> ControllersProcess:
        """Start controllers with simulated drivers; returns when they work.

        :raises ControllersDidNotStart: with the end of their log.
        """
        command = [sys.executable, "-m", "airflow_priority_spark.embedded.remote"]
        command += ["--kubeconfig", str(kubeconfig), "--nodes", str(nodes), "--runtime", "simulated"]
        command += [
            "--simulated-runtime",
            f"{simulated_seconds}s",
            "--driver-start",
            f"{driver_start_seconds}s",
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + START_SECONDS
        while READY not in (text := log.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                raise ControllersDidNotStart("the controllers did not start: " + text[-2000:])
            time.sleep(0.05)
        return cls(process, log)

    def stop(self) -> None:
        """End the controllers; they remove what they made."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> ControllersProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
