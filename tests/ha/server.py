# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL that can be crashed and restarted under its clients, on the same port with the same data.

What ``pg_ctl restart -m immediate`` does to a server is a SIGQUIT to the postmaster and a new start, which
replays the write-ahead log. It is done without ``pg_ctl`` here, so that the server stays a child of the tests
and ends with them. Unlike the other tests' server this one syncs to disk: it must not lose a commit.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests import postgresql


class RestartableServer:
    """A server of its own; ``close`` ends it."""

    def __init__(self) -> None:
        self.client = postgresql.Server(postgresql._free_port())
        folder = postgresql.programs()
        assert folder is not None, f"install {postgresql.PACKAGE}"
        self.folder = folder
        self.home = Path(tempfile.mkdtemp(prefix="priority-spark-ha-"))
        if os.geteuid() == 0:
            os.chown(self.home, pwd.getpwnam("postgres").pw_uid, -1)
        postgresql._initialize(folder, self.home)
        self.start()

    def start(self) -> None:
        """Start, and return when it answers."""
        command = [self.folder / "postgres", "-D", self.home / "data", "-p", str(self.client.port)]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "-h", "127.0.0.1", "-k", self.home, "-c", "max_connections=60"],
                stdout=log,
                stderr=log,
                cwd=self.home,
                preexec_fn=postgresql._end_with_parent,  # noqa: PLW1509 - it calls prctl alone
                **postgresql._as_user(),
            )
        postgresql._wait(self.process, self.client, self.home / "log")

    def crash(self) -> None:
        """Stop at once, as ``pg_ctl stop -m immediate`` does: no checkpoint, every connection is cut."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def close(self) -> None:
        """End the server and remove its data."""
        if self.process.poll() is None:
            self.crash()
        shutil.rmtree(self.home, ignore_errors=True)
