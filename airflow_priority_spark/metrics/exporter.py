# SPDX-License-Identifier: Apache-2.0
"""The HTTP server that Prometheus reads.

``/metrics`` collects; ``/health`` says that the process answers; ``/ready`` asks the database. The latter
two are for probes, which bring no password. One scrape runs at a time: a second one that comes meanwhile
waits and gets an answer of its own, so that impatient scrapers do not pile up queries in the database.
"""

from __future__ import annotations

import logging
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from sqlalchemy.exc import SQLAlchemyError

from airflow_priority_spark.errors import InvalidInput, PrioritySparkError
from airflow_priority_spark.metrics.access import Users
from airflow_priority_spark.metrics.bounds import Bounds
from airflow_priority_spark.metrics.collector import Clock, SiteCollector
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.leadership import SessionFactory
from airflow_priority_spark.store.session import check_migrated

log = logging.getLogger(__name__)

_LAST_PORT: Final = 65535
#: A client that says nothing for so long is let go.
_SILENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Listening:
    """Where an exporter listens; ``port`` 0 takes a free one."""

    address: str
    port: int
    certificate: str = ""
    key: str = ""

    @classmethod
    def of(cls, settings: Settings, port: int, address: str | None = None) -> Listening:
        """Read the configuration.

        :raises InvalidInput: when only one of certificate and key is given.
        """
        certificate, key = settings.metrics_tls_certificate, settings.metrics_tls_key
        if bool(certificate) != bool(key):
            missing = "metrics_tls_key" if certificate else "metrics_tls_certificate"
            raise InvalidInput(f"[priority_spark] {missing}", "", "a PEM file, as its counterpart is set")
        return cls(address or settings.metrics_bind_address, port, certificate, key)


class Exporter:
    """Answers until it is closed.

    :raises InvalidInput: when it cannot listen there, or a file cannot be read.
    """

    def __init__(
        self, listening: Listening, sessions: SessionFactory, settings: Settings, clock: Clock
    ) -> None:
        self.sessions, self.users = sessions, Users(settings.metrics_users_file)
        self._registry = CollectorRegistry()
        self._registry.register(SiteCollector(sessions, Bounds.of(settings), clock))
        self._one_at_a_time = threading.Lock()
        self._server = _server(listening, self)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def serve(self) -> None:
        """Answer in this thread until ``close`` is called."""
        self._server.serve_forever(poll_interval=0.2)

    def start(self) -> None:
        """Answer in a thread."""
        self._thread = threading.Thread(target=self.serve, name="priority-spark-exporter", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def metrics(self, accept: str | None) -> tuple[bytes, str]:
        """Return metrics and their content type.

        :param accept: the header that says which form is wanted.
        """
        encode, content_type = choose_encoder(accept or "")
        with self._one_at_a_time:
            return encode(self._registry), content_type

    def ready(self) -> None:
        """Ask the database.

        :raises DatabaseNotMigrated, SQLAlchemyError: when it cannot answer.
        """
        with self.sessions() as session:
            check_migrated(session)


def _server(listening: Listening, exporter: Exporter) -> ThreadingHTTPServer:
    kind = _Server6 if ":" in listening.address else _Server
    if not 0 <= listening.port <= _LAST_PORT:
        raise InvalidInput("port", listening.port, f"0 to {_LAST_PORT}")
    try:
        server = kind((listening.address, listening.port), _Handler)
    except OSError as error:
        where = f"{listening.address}:{listening.port}"
        raise InvalidInput("address and port", where, f"one that is free here ({error.strerror})") from None
    server.exporter = exporter
    if listening.certificate:
        try:
            server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            server.tls.load_cert_chain(listening.certificate, listening.key)
        except OSError as error:
            server.server_close()
            files = f"{listening.certificate}, {listening.key}"
            allowed = f"PEM files that belong together ({error.strerror or error})"
            raise InvalidInput("[priority_spark] metrics_tls_certificate, _key", files, allowed) from None
    return server


class _Server(ThreadingHTTPServer):
    """Threads end with the process; the TLS handshake is the thread's business, not the listener's."""

    daemon_threads = True
    exporter: Exporter
    tls: ssl.SSLContext | None = None


class _Server6(_Server):
    address_family = AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SILENCE_SECONDS
    server_version = "priority-spark"

    def setup(self) -> None:
        if self.server.tls is not None:
            self.request.settimeout(_SILENCE_SECONDS)
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        if path in ("/health", "/ready"):
            self._probe(path)
        elif path not in ("", "/metrics"):
            self._answer(404, b"not found; there are /metrics, /health and /ready\n")
        elif not self.server.exporter.users.admit(self.headers.get("Authorization")):
            self._answer(401, b"name and password, please\n", {"WWW-Authenticate": 'Basic realm="metrics"'})
        else:
            self._metrics()

    def _probe(self, path: str) -> None:
        try:
            if path == "/ready":
                self.server.exporter.ready()
        except PrioritySparkError as error:
            self._answer(503, f"{error}\n".encode())
        except SQLAlchemyError as error:
            log.warning("The exporter is not ready: %s", error)
            self._answer(503, b"Airflow's database does not answer\n")
        else:
            self._answer(200, b"ok\n")

    def _metrics(self) -> None:
        try:
            body, content_type = self.server.exporter.metrics(self.headers.get("Accept"))
        except PrioritySparkError as error:
            self._answer(503, f"{error}\n".encode())
        except SQLAlchemyError as error:
            # A half answer would look like a drop of everything that is missing in it.
            log.warning("Metrics could not be collected: %s", error)
            self._answer(503, b"Airflow's database does not answer\n")
        else:
            self._answer(200, body, {"Content-Type": content_type})

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)
