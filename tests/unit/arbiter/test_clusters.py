# SPDX-License-Identifier: Apache-2.0
"""Following connections to clusters, without ever making a cycle wait."""

from __future__ import annotations

import json
import time

import pytest

from airflow_priority_spark.arbiter.clusters import RETRY_SECONDS, Clusters
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.request import ConnectionRef

ABSENT = ConnectionRef(conn_id="no_such_connection")
SILENT = ConnectionRef(conn_id="silent")


class Seconds:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def clusters(monkeypatch, tmp_path, seconds):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: u, user: {token: t}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(kubeconfig)}}
    monkeypatch.setenv("AIRFLOW_CONN_SILENT", json.dumps(connection))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    made = Clusters(Settings(), lambda: None, seconds)
    yield made
    made.stop()


def settled(clusters, ref, seconds):
    """Ask until the background thread has answered once."""
    clusters.find(ref)
    deadline = time.monotonic() + 20
    while clusters._futures and time.monotonic() < deadline:
        time.sleep(0.02)
        if all(future.done() for future in clusters._futures.values()):
            break
    answer = clusters.find(ref)
    seconds.now += RETRY_SECONDS
    return answer


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_connection_that_does_not_exist_is_named_once_two_looks_agree(clusters, seconds, database):
    assert settled(clusters, ABSENT, seconds) is None
    with pytest.raises(InvalidInput, match="kubernetes_conn_id: 'no_such_connection' is not valid"):
        settled(clusters, ABSENT, seconds)


def test_a_cluster_that_does_not_answer_is_asked_again_and_its_fault_is_shown(clusters, seconds, caplog):
    assert settled(clusters, SILENT, seconds) is None
    assert settled(clusters, SILENT, seconds) is None
    (fault,) = clusters.failures.values()
    assert "127.0.0.1:9" in str(fault)
    assert caplog.text.count("Jobs of connection silent wait outside the queue") == 1


def test_a_connection_nobody_asks_for_any_more_is_still_followed(clusters, seconds):
    assert settled(clusters, SILENT, seconds) is None
    clusters.refresh()
    assert len(clusters._futures) == 1
