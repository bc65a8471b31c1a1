# SPDX-License-Identifier: Apache-2.0
"""A scripted API server on a real socket, and ways to wait for what another thread does."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes.client import ApiClient, Configuration

from airflow_priority_spark.cluster.connections import ClusterConnection

WAIT_SECONDS = 10.0


class ScriptedApi:
    """Answers each request with a function of the script: ``on(path, answer)``; the last one stays in force.

    An answer takes the request (with ``query`` and ``body``) and calls its ``reply``, ``stream`` or ``hang``.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._answers: dict[str, list[Callable[[Request], None]]] = {}
        self.closing = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen, on the same port as before after a stop."""
        api = self

        class Handler(Request):
            def setup(self) -> None:
                super().setup()
                self.api = api

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        self._server.shutdown()
        self._server.server_close()

    def close(self) -> None:
        self.closing.set()
        self.stop()

    def on(self, path: str, *answers: Callable[["Request"], None]) -> None:
        """Answer requests to ``path`` (``watch:<path>`` for watches) with these in turn."""
        self._answers[path] = list(answers)

    def answer(self, path: str) -> Callable[["Request"], None]:
        answers = self._answers.get(path) or [
            lambda request: request.refuse(404, "the server could not find it")
        ]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def watches(self, path: str) -> list[dict[str, str]]:
        return [query for _, where, query in self.requests if where == path and query.get("watch")]

    def lists(self, path: str) -> list[dict[str, str]]:
        return [
            query
            for method, where, query in self.requests
            if (method, where) == ("GET", path) and not query.get("watch")
        ]

    @property
    def connection(self) -> ClusterConnection:
        configuration = Configuration(host=f"http://127.0.0.1:{self.port}")
        configuration.proxy = None
        configuration.connection_pool_maxsize = 100
        return ClusterConnection("connection scripted", ApiClient(configuration))


class Request(BaseHTTPRequestHandler):
    """One request, with the kinds of answer a Kubernetes API server, good or broken, gives."""

    protocol_version = "HTTP/1.1"
    api: ScriptedApi
    query: dict[str, str]
    body: dict

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        self.body = json.loads(self.rfile.read(length)) if length else {}
        self.api.requests.append((self.command, url.path, self.query))
        prefix = "watch:" if self.query.get("watch") else ""
        self.api.answer(prefix + url.path)(self)

    do_GET = do_POST = do_DELETE = handle_any

    def reply(self, value: object, code: int = 200, **headers: str) -> None:
        text = json.dumps(value).encode()
        self.send_response(code)
        for name, content in headers.items():
            self.send_header(name.replace("_", "-"), content)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def refuse(self, code: int, message: str, **headers: str) -> None:
        self.reply({"kind": "Status", "status": "Failure", "message": message, "code": code}, code, **headers)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, what: str, value: dict) -> None:
        line = json.dumps({"type": what, "object": value}).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()

    def end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def hang(self) -> None:
        """Keep the connection open and say nothing more."""
        self.api.closing.wait(30)
        self.close_connection = True

    def reset(self) -> None:
        """Break the connection off."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    server = ScriptedApi()
    yield server
    server.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], object], str], object]:
    """Wait until a condition holds; fail with what was waited for."""

    def wait(condition: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> object:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.005)
        pytest.fail(f"after {seconds} s still not: {what}")

    return wait
