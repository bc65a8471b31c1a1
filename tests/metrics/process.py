# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark exporter`` as a person starts it: a process of its own on a real database."""

from __future__ import annotations

import base64
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

#: Airflow itself takes seconds to start, more beside other work.
START_SECONDS = 120.0


class ExporterProcess:
    """An exporter that was started, and what it has written so far.

    :param environment: of the process, with its database.
    :param log: where its output goes.
    :param words: of the command line; the port is a free one unless it is named.
    """

    def __init__(
        self, environment: Mapping[str, str], log: Path, *words: str, address: str = "127.0.0.1"
    ) -> None:
        self._log, self.address, self.scheme = log, address, "http"
        self.context: ssl.SSLContext | None = None
        ports = () if "--port" in words else ("--port", "0")
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "priority-spark", "exporter", *ports, *words],
                env={**environment, "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.port = 0

    @property
    def text(self) -> str:
        return self._log.read_text(errors="replace")

    def listens(self) -> ExporterProcess:
        """Return once it has said on which port it listens."""
        end = time.monotonic() + START_SECONDS
        while not (found := re.search(r"Exporter \d+ listens on port (\d+)", self.text)):
            assert self.process.poll() is None, self.text
            assert time.monotonic() < end, self.text
            time.sleep(0.1)
        self.port = int(found[1])
        return self

    def get(
        self, path: str = "/metrics", user: str = "", address: str = ""
    ) -> tuple[int, Mapping[str, str], str]:
        """Return status, headers and text."""
        where = f"{self.scheme}://{address or self.address}:{self.port}{path}"
        request = urllib.request.Request(where)
        if user:
            request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
        proxies = urllib.request.ProxyHandler({})
        opener = urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=self.context))
        try:
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def ends(self, seconds: float = START_SECONDS) -> int:
        """Return its exit code."""
        return self.process.wait(seconds)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
