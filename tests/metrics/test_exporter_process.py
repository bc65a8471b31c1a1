# SPDX-License-Identifier: Apache-2.0
"""The exporter's command as a process: what it answers, who may ask, what it refuses, how it ends."""

from __future__ import annotations

import io
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error

import pytest

from tests.metrics.process import ExporterProcess
from tests.unit.cli.conftest import airflow  # noqa: F401 - a fixture

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def start(database, tmp_path):
    """Start an exporter with these words and options of ``[priority_spark]``."""
    started = []

    def run(*words: str, **options: str) -> ExporterProcess:
        variables = {f"AIRFLOW__PRIORITY_SPARK__{name.upper()}": value for name, value in options.items()}
        log = tmp_path / f"exporter-{len(started)}.log"
        started.append(ExporterProcess(database.environment(**variables), log, *words))
        return started[-1]

    yield run
    for exporter in started:
        exporter.stop()


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 and its key."""
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    wanted = (
        "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    command = ["openssl", *wanted.split(), "-keyout", str(files[1]), "-out", str(files[0])]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return files


def lint(text: str) -> tuple[int, str]:
    """Return what ``promtool check metrics`` has to say."""
    said = subprocess.run(
        ["promtool", "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return said.returncode, said.stdout + said.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_would_find_a_metric_without_help():
    code, said = lint("priority_spark_thing 1\n")
    assert (code, "no help text" in said) == (3, True)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_it_answers_on_its_address_alone_and_ends_at_once_when_it_is_told_to(site, start):
    exporter = start("--bind-address", "127.0.0.1").listens()
    status, headers, text = exporter.get()
    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    assert 'priority_spark_running_jobs{cluster="spark-prod",namespace="team-a",pool="normal"} 1.0' in text
    assert lint(text) == (0, "")
    assert exporter.get("/health")[0::2] == exporter.get("/ready")[0::2] == (200, "ok\n")
    assert exporter.get("/config")[0] == 404
    with pytest.raises(urllib.error.URLError, match="refused"):
        exporter.get(address="127.0.0.2")
    began = time.monotonic()
    exporter.process.send_signal(signal.SIGTERM)
    assert exporter.ends(20) == 0, exporter.text
    assert time.monotonic() - began < 10
    assert "Traceback" not in exporter.text


def test_over_tls_it_lets_in_who_knows_the_password_and_nobody_else(
    site,
    start,
    certificate,
    tmp_path,
    airflow,  # noqa: F811
    monkeypatch,
):
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\n"))
    hashed = airflow("exporter", "--hash-password").strip()
    users = tmp_path / "users"
    users.write_text(f"prometheus:{hashed}\n")
    exporter = start(
        metrics_bind_address="127.0.0.1",
        metrics_tls_certificate=str(certificate[0]),
        metrics_tls_key=str(certificate[1]),
        metrics_users_file=str(users),
    ).listens()
    exporter.scheme, exporter.context = "https", ssl.create_default_context(cafile=str(certificate[0]))
    status, headers, _ = exporter.get()
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="metrics"')
    assert exporter.get(user="prometheus:wrong")[0] == 401
    assert exporter.get(user="prometheus:s3cret")[0] == 200
    assert exporter.get("/health")[0] == exporter.get("/ready")[0] == 200
    exporter.context = ssl.create_default_context()
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        exporter.get(user="prometheus:s3cret")
    exporter.scheme = "http"
    with pytest.raises(OSError, match=r"closed|reset|empty"):
        exporter.get(user="prometheus:s3cret")
    exporter.process.send_signal(signal.SIGINT)
    assert exporter.ends(20) == 0, exporter.text
    assert "s3cret" not in exporter.text


def test_a_port_that_is_taken_ends_it_with_one_sentence(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        exporter = start("--port", port, "--bind-address", "127.0.0.1")
        assert exporter.ends() == 1
    assert f"'127.0.0.1:{port}'" in exporter.text
    assert "Address already in use" in exporter.text
    assert "Traceback" not in exporter.text


@pytest.mark.parametrize(
    ("words", "options", "parts"),
    [
        (("--bind-address", "203.0.113.7"), {}, ("203.0.113.7:0", "address and port")),
        (("--bind-address", "no address"), {}, ("no address:0", "address and port")),
        (("--port", "99999"), {}, ("port", "99999", "0 to 65535")),
        (("--port", "many"), {}, ("--port", "'many'")),
        ((), {"tls_certificate": "/none/crt"}, ("metrics_tls_key", "PEM file")),
        (
            (),
            {"tls_certificate": "/none/crt", "tls_key": "/none/key"},
            ("tls_certificate, _key", "/none/crt"),
        ),
        ((), {"users_file": "/none/users"}, ("metrics_users_file", "/none/users", "No such file")),
        ((), {"labels": "pool,user"}, ("metrics_labels", "'user'", "dag_id")),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(airflow, database, monkeypatch, words, options, parts):  # noqa: F811
    for name, value in {"bind_address": "127.0.0.1", **options}.items():
        monkeypatch.setenv(f"AIRFLOW__PRIORITY_SPARK__METRICS_{name.upper()}", value)
    said = airflow.refused("exporter", *(() if "--port" in words else ("--port", "0")), *words)
    for part in parts:
        assert part in said, said
