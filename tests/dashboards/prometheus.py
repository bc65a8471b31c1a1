# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus of one test: its own port, its own files, gone at the end."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.site import free_port


class Prometheus:
    """Scrapes the targets every so many seconds; a context manager.

    :param targets: ``address:port`` of exporters.
    :param rules: files with rules, evaluated as often.
    """

    def __init__(
        self, directory: Path, targets: Sequence[str], rules: Sequence[Path] = (), *, seconds: int = 1
    ) -> None:
        directory.mkdir()
        configuration = {
            "global": {"scrape_interval": f"{seconds}s", "evaluation_interval": f"{seconds}s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [
                {"job_name": "priority-spark", "static_configs": [{"targets": list(targets)}]}
            ],
        }
        (directory / "prometheus.yml").write_text(json.dumps(configuration))
        self._log, self._port = directory / "log", free_port()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={directory}/prometheus.yml",
                    f"--storage.tsdb.path={directory}/tsdb",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """Return the series of an instant query, now or at a moment of the past."""
        moment = {} if at is None else {"time": f"{at:.3f}"}
        return self._get("query", query=expression, **moment)["result"]

    def ask_range(self, expression: str, start: float, end: float) -> list[dict[str, Any]]:
        """Return the series between two moments, a point every two seconds."""
        return self._get("query_range", query=expression, start=f"{start:.3f}", end=f"{end:.3f}", step="2")[
            "result"
        ]

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule that was loaded, with its health."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def wait(self, expression: str, seconds: float = 90.0) -> list[dict[str, Any]]:
        """Return what an instant query finds, once it finds something."""
        end = time.monotonic() + seconds
        while True:
            try:
                if found := self.ask(expression):
                    return found
            except OSError:
                assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < end, f"{expression}: nothing; {self._log.read_text()[-2000:]}"
            time.sleep(0.5)

    def _get(self, what: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._port}/api/v1/{what}?{query}", timeout=20
            ) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as refused:
            if refused.code == 503:
                raise OSError("Prometheus is starting") from None
            raise AssertionError(f"{parameters}: {refused.read().decode()}") from None
        assert found["status"] == "success", found
        return found["data"]
