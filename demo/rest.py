# SPDX-License-Identifier: Apache-2.0
"""Airflow's public REST API, as far as a person with a browser would use it on a DAG run."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

ENDED = ("success", "failed")
_PAGE = 100
#: What Airflow writes beside every line of a task's log.
_EVERYWHERE = {"event", "timestamp", "level", "logger", "filename", "lineno"} | {
    "ti_id", "dag_id", "run_id", "task_id", "map_index", "try_number",
}  # fmt: skip
#: Seconds before each further try of a request that met a busy database.
_PAUSES = (0.5, 1.0, 2.0)
#: A proxy of the environment must not get between us and loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ApiRefused(RuntimeError):
    """The API answered with an error; the message carries its body."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        self.status = status
        #: SQLite has one writer at a time; what met another one was rolled back and may be sent again.
        self.is_busy_database = status == HTTPStatus.INTERNAL_SERVER_ERROR and "Database error" in body
        super().__init__(f"{method} {path}: {status} {body[:1000]}")


class AirflowApi:
    """A client of ``/api/v2`` of a server whose simple auth manager lets everyone in as admin.

    :param base_url: ``http://127.0.0.1:port``.
    :param timeout: seconds one request may take.
    """

    def __init__(self, base_url: str, *, timeout: float = 30.0) -> None:
        self.base_url = base_url
        self._timeout = timeout
        self._token = ""

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request below ``/api/v2`` and return its JSON.

        :raises ApiRefused: for an HTTP error.
        :raises OSError: when nobody answers.
        """
        if not self._token:
            self._token = self._send("GET", "/auth/token", None)["access_token"]
        for pause in _PAUSES:
            try:
                return self._send(method, f"/api/v2{path}", body)
            except ApiRefused as refused:
                if refused.status == HTTPStatus.UNAUTHORIZED:
                    self._token = ""
                if not refused.is_busy_database:
                    raise
            time.sleep(pause)
        return self._send(method, f"/api/v2{path}", body)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data=data, headers=headers, method=method)
        try:
            with _OPENER.open(request, timeout=self._timeout) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            raise ApiRefused(method, path, error.code, error.read().decode(errors="replace")) from None

    def health(self) -> dict[str, str | None]:
        """Return component → status (``healthy``, ``unhealthy`` or ``None``); empty when nobody answers."""
        try:
            found = self._send("GET", "/api/v2/monitor/health", None)
        except (OSError, ApiRefused, ValueError):
            return {}
        return {name: (part or {}).get("status") for name, part in found.items()}

    def has_dag(self, dag_id: str) -> bool:
        """Tell whether the DAG was parsed and stored."""
        try:
            self.request("GET", f"/dags/{dag_id}")
        except ApiRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def pause(self, dag_id: str, *, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self.request("PATCH", f"/dags/{dag_id}", {"is_paused": paused})

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any] | None = None) -> None:
        """Start a DAG run without a logical date."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf or {})}
        self.request("POST", f"/dags/{dag_id}/dagRuns", body)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a DAG run."""
        return self.request("GET", f"/dags/{dag_id}/dagRuns/{_quote(run_id)}")["state"]

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a DAG run, and with it what it has not finished."""
        self.request("PATCH", f"/dags/{dag_id}/dagRuns/{_quote(run_id)}", {"state": state})

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return every task instance of a DAG run, mapped ones each."""
        found: list[dict[str, Any]] = []
        path = f"/dags/{dag_id}/dagRuns/{_quote(run_id)}/taskInstances"
        while True:
            page = self.request("GET", f"{path}?limit={_PAGE}&offset={len(found)}")
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def set_state(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark a task instance, as a person does with "Mark as …"."""
        path = f"/dags/{dag_id}/dagRuns/{_quote(run_id)}/taskInstances/{task_id}"
        if map_index >= 0:
            path += f"/{map_index}"
        self.request("PATCH", path, {"new_state": state})

    def clear(self, dag_id: str, run_id: str, task_ids: Iterable[str]) -> None:
        """Clear task instances in any state, as a person does with "Clear"."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self.request("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, *, attempt: int = 1, map_index: int = -1
    ) -> str:
        """Return the log of one attempt, worker's and triggerer's lines together, one event per line."""
        path = f"/dags/{dag_id}/dagRuns/{_quote(run_id)}/taskInstances/{task_id}/logs/{attempt}"
        content = self.request("GET", f"{path}?full_content=true&map_index={map_index}")["content"]
        return "\n".join(line if isinstance(line, str) else _event(line) for line in content)

    def wait_run(self, dag_id: str, run_id: str, timeout: float) -> str:
        """Return the state in which a DAG run ended.

        :raises TimeoutError: with the state of every task instance.
        """
        end = time.monotonic() + timeout
        while (state := self.run_state(dag_id, run_id)) not in ENDED:
            if time.monotonic() > end:
                tasks = {
                    (ti["task_id"], ti["map_index"]): ti["state"]
                    for ti in self.task_instances(dag_id, run_id)
                }
                raise TimeoutError(f"{dag_id} {run_id} is {state} after {timeout:g} s: {tasks}")
            time.sleep(0.5)
        return state


def _quote(run_id: str) -> str:
    return urllib.parse.quote(run_id, safe="")


def _event(line: Mapping[str, Any]) -> str:
    """Return an event with the details that Airflow keeps beside it (an exception, for example)."""
    details = {key: value for key, value in line.items() if key not in _EVERYWHERE and value is not None}
    return f"{line['event']} {json.dumps(details)}" if details else str(line["event"])
