# SPDX-License-Identifier: Apache-2.0
"""Real arbiter processes, several on one database; who leads is read from the lease."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg2

COMMAND = [sys.executable, "-P", "-m", "airflow", "priority-spark", "arbiter"]
#: A launcher that stops the process at a point of the first cycle that admits something.
STOPPING = [sys.executable, str(Path(__file__).parent / "stopping.py")]


class Arbiter:
    """One process and its log."""

    def __init__(self, environment: dict[str, str], log: Path, command: list[str] = COMMAND) -> None:
        self.path = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.path.read_text(errors="replace")

    def lines(self, *words: str) -> list[str]:
        """Return the log lines that hold all these words."""
        return [line for line in self.log.splitlines() if all(word in line for word in words)]

    def lives(self) -> bool:
        return self.process.poll() is None

    def is_ready(self) -> bool:
        """Whether its loop runs."""
        assert self.lives(), self.log
        return bool(self.lines("Arbiter", "starts (version"))

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def is_stopped(self) -> bool:
        """Whether the kernel has stopped it."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def kill(self) -> None:
        if self.lives():
            self.send(signal.SIGKILL)
        self.process.wait()


class Arbiters:
    """The arbiters of one database.

    :param dsn: what psycopg2 connects to.
    """

    def __init__(self, environment: dict[str, str], dsn: str, directory: Path) -> None:
        self.environment, self.directory = environment, directory
        self.all: list[Arbiter] = []
        self._look = psycopg2.connect(dsn)
        self._look.autocommit = True

    def start(self, command: list[str] = COMMAND, **variables: str) -> Arbiter:
        log = self.directory / f"arbiter-{len(self.all)}.log"
        self.all.append(Arbiter({**self.environment, **variables}, log, command))
        return self.all[-1]

    @property
    def living(self) -> list[Arbiter]:
        return [arbiter for arbiter in self.all if arbiter.lives()]

    def ask(self, statement: str, *values: object) -> list[tuple]:
        with self._look.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def lease(self) -> tuple[str, int, int]:
        """Return the holder of a lease that has not expired (empty: nobody), its epoch and the cycle."""
        [row] = self.ask(
            "SELECT CASE WHEN lease_until > now() THEN holder ELSE '' END, epoch, cycle "
            "FROM priority_spark_arbiter_state"
        )
        return row

    def leader(self) -> Arbiter | None:
        holder = self.lease()[0]
        return next((item for item in self.living if f"/{item.pid}/" in holder), None)

    def until_ready(self, seconds: float = 120.0) -> None:
        """Wait until every living arbiter runs its loop and one leads."""
        until(lambda: all(arbiter.is_ready() for arbiter in self.living), seconds, "every arbiter runs")
        until(self.leader, seconds, "one of them leads")

    def stop(self) -> None:
        for arbiter in self.all:
            arbiter.kill()
        self._look.close()


def until(look, seconds: float, what: str, pause: float = 0.05):
    """Wait until ``look`` returns something true, and return it."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(pause)
    return found
