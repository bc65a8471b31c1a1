# SPDX-License-Identifier: Apache-2.0
"""An API server that stumbles: whatever happens on the wire, one application comes out."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kubernetes.client import ApiClient, Configuration

from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.errors import ClusterUnavailable, InvalidManifest
from airflow_priority_spark.operators.submission import StaleQuotaError, create_application

LABELS = {"priority-spark/job": "j"}
BODY = {"metadata": {"name": "a", "namespace": "n", "labels": LABELS}}
MADE = {"metadata": {"name": "a", "namespace": "n", "uid": "u", "labels": LABELS}}
GOING = {"metadata": {**MADE["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}


@contextmanager
def api_server(*answers):
    """Serve these answers in turn: (status, object or message), or ``None`` to hang up."""
    asked, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(f"{self.command} {self.path.rsplit('/', 1)[-1]}")
            given = left.pop(0)
            if given is None:
                self.close_connection = True
                return
            status, body = given
            text = json.dumps(body if isinstance(body, dict) else {"kind": "Status", "message": body})
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{server.server_port}"
    try:
        yield ClusterConnection("connection test", ApiClient(configuration)), asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def create(connection):
    pauses = []
    return create_application(connection, BODY, LABELS, sleep=pauses.append), pauses


def test_a_creation_whose_answer_was_lost_is_taken_up():
    with api_server(None, (409, "already exists"), (200, MADE)) as (connection, asked):
        view, pauses = create(connection)
    assert view.uid == "u"
    assert asked == ["POST sparkapplications", "POST sparkapplications", "GET a"]
    assert pauses == [1.0]


def test_a_busy_server_is_asked_again():
    with api_server((503, "later"), (429, "too many"), (201, MADE)) as (connection, _):
        view, pauses = create(connection)
    assert (view.uid, pauses) == ("u", [1.0, 3.0])


def test_a_server_that_stays_silent_fails_the_task_in_the_end():
    with (
        api_server(None, None, None, None) as (connection, _),
        pytest.raises(
            ClusterUnavailable, match=r"cluster http://127\.0\.0\.1:\d+ \(connection test\) does not answer"
        ),
    ):
        create(connection)


def test_a_server_that_stays_busy_fails_the_task_in_the_end():
    with (
        api_server(*[(503, "no leader")] * 4) as (connection, _),
        pytest.raises(ClusterUnavailable, match=r'says "no leader" \(HTTP 503\)'),
    ):
        create(connection)


@pytest.mark.parametrize(
    ("around", "message"),
    [
        ("forbidden: ", "exceeded quota: q, requested: count/x=1, used: count/x=5, limited: count/x=5"),
        ("admission webhook denied the request: ", 'failed to validate resource quota "n/q"'),
    ],
)
def test_a_refusal_for_a_quota_is_told_apart(around, message):
    with api_server((403, around + message)) as (connection, _), pytest.raises(StaleQuotaError) as caught:
        create(connection)
    assert str(caught.value) == message


@pytest.mark.parametrize("status", [400, 422])
def test_a_manifest_the_api_server_refuses_fails_with_its_words(status):
    message = "spec.driver.cores: Invalid value: 1.5"
    with api_server((status, message)) as (connection, _), pytest.raises(InvalidManifest) as caught:
        create(connection)
    assert str(caught.value) == (
        f"manifest: 'a' is not valid; allowed: what the API server accepts; it says \"{message}\""
    )


def test_an_application_of_ours_that_is_being_deleted_is_not_taken_up():
    with (
        api_server((409, "already exists"), (200, GOING)) as (connection, _),
        pytest.raises(
            ClusterUnavailable, match="n/a of an earlier try is still being deleted; nothing was created"
        ),
    ):
        create(connection)


def test_an_application_that_vanishes_meanwhile_is_said():
    with (
        api_server((409, "already exists"), (404, "not found")) as (connection, _),
        pytest.raises(ClusterUnavailable, match="existed a moment ago and is gone; nothing was created"),
    ):
        create(connection)
