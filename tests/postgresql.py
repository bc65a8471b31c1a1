# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of our own for the tests: on loopback, in a temporary folder, gone afterwards.

Debian's server programs are used directly. PostgreSQL refuses to run as root, so root hands it to
the ``postgres`` user of the package. Nothing is synced to disk: the data lives as long as the tests.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "postgresql"
_START_SECONDS = 60
_PR_SET_PDEATHSIG = 1
_NOT_DURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "128MB",
}
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Server:
    """A running server; ``run`` speaks to its maintenance database outside a transaction."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql+psycopg2://postgres@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str) -> None:
        import psycopg2

        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres")
        try:
            connection.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.close()


def programs() -> Path | None:
    """Find the folder of ``initdb`` and ``postgres``, the newest version first."""
    found = shutil.which("postgres")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgresql_server():
    """Start the server once; skip, naming the package, where it is not installed."""
    folder = programs()
    if folder is None:
        pytest.skip(f"the PostgreSQL server programs are missing: apt-get install {PACKAGE}")
    with started(folder) as server:
        yield server


@contextmanager
def started(folder: Path, *, durable: bool = False):
    """Run a server of its own in a temporary folder.

    :param folder: of the server programs.
    :param durable: sync every commit to disk, as a production server does.
    """
    home = Path(tempfile.mkdtemp(prefix="priority-spark-pg-", dir=None if durable else _memory()))
    try:
        if os.geteuid() == 0:
            os.chown(home, pwd.getpwnam("postgres").pw_uid, -1)
        _initialize(folder, home)
        with _running(folder, home, {} if durable else _NOT_DURABLE) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _memory() -> Path | None:
    """Return a folder in memory where there is room: making and removing databases costs a disk more."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _MEMORY_BYTES:
        return None
    return _MEMORY


def _as_user() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _initialize(folder: Path, home: Path) -> None:
    command = [folder / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    subprocess.run(
        [*command, "--locale=C", "--no-sync"],
        check=True,
        capture_output=True,
        timeout=120,
        cwd=home,
        **_as_user(),
    )


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


@contextmanager
def _running(folder: Path, home: Path, options: dict[str, str]):
    port = _free_port()
    options = {"max_connections": "60", **options}
    arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
    log = (home / "log").open("wb")
    process = subprocess.Popen(
        [
            folder / "postgres",
            "-D",
            home / "data",
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
            "-k",
            home,
            *arguments,
        ],
        stdout=log,
        stderr=log,
        cwd=home,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - no thread of ours runs yet
        **_as_user(),
    )
    server = Server(port)
    try:
        _wait(process, server, home / "log")
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait(process: subprocess.Popen, server: Server, log: Path) -> None:
    import psycopg2

    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return server.run("SELECT 1")
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
