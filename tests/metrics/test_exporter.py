# SPDX-License-Identifier: Apache-2.0
"""The exporter over HTTP: metrics, probes, passwords, TLS, and what it says when something is wrong."""

import base64
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest
from sqlalchemy import text

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.metrics.access import Users, hash_password
from airflow_priority_spark.metrics.exporter import Exporter, Listening
from airflow_priority_spark.settings import Settings
from tests.metrics.conftest import later


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def serve(database):
    """Start an exporter with these settings on a free port of loopback."""
    started = []

    def start(**options) -> Exporter:
        settings = Settings(metrics_bind_address="127.0.0.1", **options)
        exporter = Exporter(Listening.of(settings, 0), database.session, settings, lambda: later(200))
        exporter.start()
        started.append(exporter)
        return exporter

    yield start
    for exporter in started:
        exporter.close()


def get(exporter, path="/metrics", *, user=None, scheme="http", context=None, accept="text/plain"):
    """Return status, content type and text."""
    request = urllib.request.Request(
        f"{scheme}://127.0.0.1:{exporter.port}{path}", headers={"Accept": accept}
    )
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_it_answers_prometheus_in_the_form_it_asks_for(site, serve):
    exporter = serve()
    status, kind, body = get(exporter)
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert 'priority_spark_running_jobs{cluster="spark-prod",namespace="team-a",pool="normal"} 1.0' in body
    _, kind, body = get(exporter, accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_probes_need_no_password_and_another_path_is_unknown(site, serve, tmp_path):
    users = tmp_path / "users"
    users.write_text(f"prometheus:{hash_password('s3cret', rounds=1000)}\n")
    exporter = serve(metrics_users_file=str(users))
    assert get(exporter, "/health")[0] == get(exporter, "/ready")[0] == 200
    assert get(exporter, "/config")[0] == 404
    assert get(exporter)[0] == 401
    assert get(exporter, user="prometheus:wrong")[0] == 401
    assert get(exporter, user="nobody:s3cret")[0] == 401
    assert get(exporter, user="prometheus:s3cret")[0] == 200
    assert get(exporter, user="prometheus:s3cret")[0] == 200


def test_without_tables_it_lives_but_is_not_ready_and_says_which_command_to_run(serve, database):
    with database.session() as session, session.begin():
        session.execute(text("DROP TABLE priority_spark_alembic_version"))
        session.execute(text("DELETE FROM priority_spark_arbiter_state"))
    exporter = serve()
    assert get(exporter, "/health")[0] == 200
    for path in ("/ready", "/metrics"):
        status, _, body = get(exporter, path)
        assert status == 503
        assert "airflow db migrate" in body


def test_over_tls(site, serve, tmp_path):
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    wanted = (
        "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *wanted.split(), *files], check=True, capture_output=True)
    exporter = serve(metrics_tls_certificate=str(certificate), metrics_tls_key=str(key))
    trusted = ssl.create_default_context(cafile=str(certificate))
    assert get(exporter, scheme="https", context=trusted)[0] == 200


def test_a_certificate_without_its_key_is_refused_by_name(serve):
    with pytest.raises(InvalidInput) as refusal:
        serve(metrics_tls_certificate="/tls.crt")
    assert "metrics_tls_key" in str(refusal.value)


def test_a_port_that_is_taken_is_named(serve, database):
    taken = serve().port
    with pytest.raises(InvalidInput) as refusal:
        Exporter(Listening("127.0.0.1", taken), database.session, Settings(), lambda: later(0))
    assert f"127.0.0.1:{taken}" in str(refusal.value)


@pytest.mark.parametrize(("content", "said"), [("prometheus:s3cret", "line 1"), ("", "at least one line")])
def test_a_users_file_that_cannot_be_right_is_refused_without_its_words(tmp_path, content, said):
    path = tmp_path / "users"
    path.write_text(content)
    with pytest.raises(InvalidInput) as refusal:
        Users(str(path))
    assert said in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_a_users_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(InvalidInput) as refusal:
        Users(str(tmp_path / "none"))
    assert "metrics_users_file" in str(refusal.value)
    assert "No such file" in str(refusal.value)
