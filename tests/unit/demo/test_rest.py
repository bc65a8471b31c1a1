# SPDX-License-Identifier: Apache-2.0
"""The client of Airflow's API meets what an Airflow on SQLite answers when two processes write at once."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from demo import rest
from demo.rest import AirflowApi, ApiRefused

BUSY = (500, {"detail": {"reason": "Database error", "orig_error": "hidden"}})


@pytest.fixture
def airflow(monkeypatch):
    """An API that gives these answers in turn, the last one for ever; and how many requests came."""
    monkeypatch.setattr(rest, "_PAUSES", (0.0, 0.0))
    servers = []

    def start(*answers):
        left, seen = list(answers), []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(200, {"access_token": "t"})

            def do_POST(self):
                seen.append(self.path)
                self._answer(*(left.pop(0) if len(left) > 1 else left[0]))

            def _answer(self, status, body):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return AirflowApi(f"http://127.0.0.1:{server.server_port}"), seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_busy_database_is_asked_again(airflow):
    api, seen = airflow(BUSY, BUSY, (200, {"dag_run_id": "r"}))
    assert api.request("POST", "/dags/d/dagRuns", {}) == {"dag_run_id": "r"}
    assert len(seen) == 3


def test_a_database_that_stays_busy_is_reported_with_what_the_server_says(airflow):
    api, seen = airflow(BUSY)
    with pytest.raises(ApiRefused, match=r"POST /api/v2/dags/d/dagRuns: 500 .*Database error"):
        api.request("POST", "/dags/d/dagRuns", {})
    assert len(seen) == 3


def test_another_error_is_not_asked_again(airflow):
    api, seen = airflow((500, {"detail": "boom"}))
    with pytest.raises(ApiRefused, match=r"500 .*boom"):
        api.request("POST", "/dags/d/dagRuns", {})
    assert len(seen) == 1
