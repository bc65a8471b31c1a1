# SPDX-License-Identifier: Apache-2.0
"""Airflow Kubernetes connections lead to API clients of their own."""

import json
import shutil
import subprocess
import sys
import textwrap

import certifi
import pytest
import yaml
from kubernetes.client import Configuration
from kubernetes.config import incluster_config

from airflow_priority_spark.cluster.connections import identify, resolve
from airflow_priority_spark.errors import ClusterUnavailable, InvalidInput, PermissionMissing
from airflow_priority_spark.spark.request import ConnectionRef

KUBE_SYSTEM = "/api/v1/namespaces/kube-system"


def kubeconfig(**servers):
    """A kubeconfig with one context per server; the first is current."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(servers)),
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
        "users": [{"name": name, "user": {"token": f"token-of-{name}"}} for name in servers],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in servers],
    }


@pytest.fixture
def connection_to(monkeypatch):
    """Define an Airflow connection in the environment, as AIRFLOW_CONN_<ID>, and return its id."""

    def define(conn_id="spark_cluster", **extra):
        text = json.dumps({"conn_type": "kubernetes", "extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", text)
        return conn_id

    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    return define


@pytest.fixture(autouse=True)
def _the_process_wide_default_stays_as_it_is():
    before = Configuration.get_default_copy()
    yield
    after = Configuration.get_default_copy()
    assert (after.host, after.verify_ssl, after.api_key) == (before.host, before.verify_ssl, before.api_key)


def authorization(connection):
    headers = {}
    connection.api_client.update_params_for_auth(headers, [], ["BearerToken"])
    return headers.get("authorization")


def test_a_kubeconfig_in_the_connection_is_read(connection_to):
    conn_id = connection_to(kube_config=json.dumps(kubeconfig(east="https://east:6443")))

    connection = resolve(ConnectionRef(conn_id))

    assert connection.host == "https://east:6443"
    assert authorization(connection) == "Bearer token-of-east"
    assert str(connection) == "cluster https://east:6443 (connection spark_cluster)"


def test_two_connections_do_not_touch_each_other(connection_to):
    first = resolve(ConnectionRef(connection_to("one", kube_config=kubeconfig(east="https://east:6443"))))
    second = resolve(ConnectionRef(connection_to("two", kube_config=kubeconfig(west="https://west:6443"))))

    assert (first.host, second.host) == ("https://east:6443", "https://west:6443")
    assert authorization(first) == "Bearer token-of-east"


def test_a_context_given_by_the_task_wins_over_the_kubeconfigs_own(connection_to, tmp_path):
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig(east="https://east:6443", west="https://west:6443")))
    conn_id = connection_to(kube_config_path=str(path))

    assert resolve(ConnectionRef(conn_id)).host == "https://east:6443"
    west = resolve(ConnectionRef(conn_id, cluster_context="west"))
    assert west.host == "https://west:6443"
    assert west.label == "connection spark_cluster, context west"


def test_a_file_given_by_the_task_is_read_without_any_connection(tmp_path):
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig(east="https://east:6443")))

    connection = resolve(ConnectionRef(conn_id=None, config_file=str(path)))

    assert connection.host == "https://east:6443"
    assert connection.label == f"kubeconfig {path}"


def test_switching_tls_verification_off_concerns_this_connection_only(connection_to):
    conn_id = connection_to(kube_config=kubeconfig(east="https://east:6443"), disable_verify_ssl=True)

    assert resolve(ConnectionRef(conn_id)).api_client.configuration.verify_ssl is False


def test_keepalive_is_on_unless_the_connection_says_otherwise(connection_to):
    on = connection_to("one", kube_config=kubeconfig(east="https://east:6443"))
    off = connection_to("two", kube_config=kubeconfig(east="https://east:6443"), disable_tcp_keepalive=True)

    assert resolve(ConnectionRef(on)).api_client.configuration.socket_options
    assert not resolve(ConnectionRef(off)).api_client.configuration.socket_options


def test_in_cluster_reads_the_pods_service_account(connection_to, monkeypatch, tmp_path):
    (tmp_path / "token").write_text("of-the-pod")
    shutil.copy(certifi.where(), tmp_path / "ca.crt")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    connection = resolve(ConnectionRef(connection_to(in_cluster=True)))

    assert connection.host == "https://10.0.0.1:443"
    assert authorization(connection) == "bearer of-the-pod"
    assert connection.api_client.configuration.ssl_ca_cert == str(tmp_path / "ca.crt")


def test_an_unknown_connection_names_the_option_and_the_id(connection_to):
    with pytest.raises(InvalidInput) as caught:
        resolve(ConnectionRef("nowhere"))
    assert str(caught.value) == (
        "kubernetes_conn_id: 'nowhere' is not valid; "
        "allowed: the id of an existing Airflow connection of type kubernetes"
    )


def test_an_unknown_context_is_named(connection_to):
    conn_id = connection_to(kube_config=kubeconfig(east="https://east:6443"))

    with pytest.raises(InvalidInput, match=r"kubernetes_conn_id: 'spark_cluster' is not valid.*name north"):
        resolve(ConnectionRef(conn_id, cluster_context="north"))


def test_a_connection_that_says_two_things_is_refused_as_the_stock_provider_refuses_it(connection_to):
    conn_id = connection_to(kube_config=kubeconfig(east="https://east:6443"), in_cluster=True)

    with pytest.raises(InvalidInput, match=r"in_cluster.*mutually exclusive"):
        resolve(ConnectionRef(conn_id))


def test_an_unreadable_kubeconfig_does_not_leak_into_the_message(connection_to):
    conn_id = connection_to(kube_config="users: [token: s3cr3t")

    with pytest.raises(InvalidInput) as caught:
        resolve(ConnectionRef(conn_id))
    assert "a connection with a readable kubeconfig (ParserError while reading it)" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_the_arbiters_process_finds_connections_in_the_metadata_database(tmp_path):
    program = f"""
        from airflow import settings
        from airflow.models import Base, Connection
        settings.initialize()
        Base.metadata.create_all(settings.get_engine())
        extra = {json.dumps(json.dumps({"kube_config": kubeconfig(east="https://east:6443")}))}
        with settings.get_session()() as session:
            session.add(Connection(conn_id="in_database", conn_type="kubernetes", extra=extra))
            session.commit()
        from airflow_priority_spark.cluster.connections import resolve
        from airflow_priority_spark.spark.request import ConnectionRef
        print("host:", resolve(ConnectionRef("in_database")).host)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
            "_AIRFLOW_PROCESS_CONTEXT": "server",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "host: https://east:6443" in done.stdout, done.stderr[-3000:]


def test_a_cluster_is_identified_by_the_uid_of_kube_system(api):
    api.on(
        KUBE_SYSTEM, lambda request: request.reply({"metadata": {"name": "kube-system", "uid": "abc-123"}})
    )

    assert identify(api.connection) == "abc-123"


def test_a_cluster_that_may_not_be_identified_says_what_to_grant(api):
    said = 'namespaces "kube-system" is forbidden: User "arbiter" cannot get resource "namespaces"'
    api.on(KUBE_SYSTEM, lambda request: request.refuse(403, said))

    with pytest.raises(PermissionMissing) as caught:
        identify(api.connection)
    assert str(caught.value) == (
        f'cannot get namespaces kube-system of {api.connection}: the API server says "{said}". '
        "Grant the verb get on namespaces to arbiter."
    )


def test_credentials_that_are_not_accepted_are_said_to_be(api):
    api.on(KUBE_SYSTEM, lambda request: request.refuse(401, "Unauthorized"))

    with pytest.raises(
        ClusterUnavailable, match="credentials of connection scripted are not accepted; renew them"
    ):
        identify(api.connection)


def test_a_server_that_is_no_kubernetes_is_said_to_be_none(api):
    def login_page(request):
        request.send_response(200)
        request.send_header("Content-Length", "13")
        request.end_headers()
        request.wfile.write(b"<html></html>")

    api.on(KUBE_SYSTEM, login_page)

    with pytest.raises(
        ClusterUnavailable, match=r"not a Kubernetes object: b'<html></html>'.*no proxy stands before"
    ):
        identify(api.connection)


def test_a_server_that_is_down_is_named(api):
    connection = api.connection
    api.stop()

    with pytest.raises(ClusterUnavailable) as caught:
        identify(connection)
    assert str(caught.value).startswith(
        f"cluster http://127.0.0.1:{api.port} (connection scripted) does not answer"
    )
    assert "Connection refused" in str(caught.value)
    api.start()


def test_a_certificate_that_is_not_trusted_is_an_unavailable_cluster(api):
    connection = api.connection
    connection.api_client.configuration.host = f"https://127.0.0.1:{api.port}"

    with pytest.raises(ClusterUnavailable, match=r"(?i)ssl"):
        identify(connection)
