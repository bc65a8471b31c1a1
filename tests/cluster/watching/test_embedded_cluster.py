# SPDX-License-Identifier: Apache-2.0
"""The observer against the embedded cluster, over HTTP: a Spark job's life as the arbiter sees it."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest
from kubernetes import client

from airflow_priority_spark.cluster.applications import Deletion, delete_application, get_application
from airflow_priority_spark.cluster.connections import identify, resolve
from airflow_priority_spark.cluster.observer import ClusterObserver
from airflow_priority_spark.cluster.reflector import Rhythm
from airflow_priority_spark.embedded.access import Denial
from airflow_priority_spark.embedded.process import EmbeddedCluster
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.identity import TaskKey, job_labels
from airflow_priority_spark.spark.request import ConnectionRef

pytestmark = [pytest.mark.cluster, pytest.mark.embedded_only("it cuts off, freezes and kills the server")]

MIB = 2**20
GROUP = ("sparkoperator.k8s.io", "v1beta2")
LABELS = job_labels("airflow-1", TaskKey("etl", "run-1", "spark"), "job-1", 1)
QUICK = Rhythm(retry_first=0.05, retry_most=0.2)


def spark_application(name="etl-spark", seconds=60):
    pod = {"cores": 1, "memory": "512m", "labels": LABELS}
    return {
        "apiVersion": "/".join(GROUP),
        "kind": "SparkApplication",
        "metadata": {
            "name": name,
            "namespace": "team-a",
            "labels": LABELS,
            "annotations": {"priority-spark/simulated-runtime": f"{seconds}s"},
        },
        "spec": {
            "type": "Scala",
            "mode": "cluster",
            "sparkVersion": "4.0.0",
            "mainClass": "Main",
            "mainApplicationFile": "local:///app.jar",
            "driver": pod,
            "executor": {**pod, "instances": 2},
        },
    }


class Relay:
    """A TCP relay to the cluster whose connections can be cut."""

    def __init__(self, port):
        self._target = port
        self._open = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self):
        self._server.close()
        self.cut()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def start_cluster(tmp_path):
    """Start an embedded cluster with the namespace ``team-a`` (4 CPU, 10 pods)."""
    running = []

    def start(**options):
        quota = {"requests.cpu": "4", "pods": "10"}
        cluster = EmbeddedCluster.start(
            tmp_path / "cluster", namespaces={"team-a": quota}, runtime="simulated", **options
        )
        running.append(cluster)
        return cluster

    yield start
    for cluster in running:
        cluster.stop()


@pytest.fixture
def observe(tmp_path):
    """Watch a cluster as one of its users, on another port if need be."""
    started = []

    def start(cluster, user="kubernetes-admin", rhythm=QUICK, port=None, **options):
        config = tmp_path / "kubeconfig"
        text = cluster.kubeconfig_of(user).read_text()
        config.write_text(text.replace(f":{cluster.port}", f":{port or cluster.port}"))
        connection = resolve(ConnectionRef(conn_id=None, config_file=str(config)))
        observer = ClusterObserver(connection, "cluster-1", rhythm=rhythm, **options)
        started.append(observer)
        observer.start()
        return observer

    yield start
    for observer in started:
        observer.stop()


def eventually(condition: Callable[[], object], what: str, seconds: float = 20.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"after {seconds} s still not: {what}")


def fresh(observer):
    def look():
        view = observer.view(time.time(), fixed_nodes=True)
        return view if view.fresh else None

    return look


def submit(observer, application):
    api = client.CustomObjectsApi(observer.connection.api_client)
    return api.create_namespaced_custom_object(*GROUP, "team-a", "sparkapplications", application)


def our_pods(observer):
    return [pod for pod in observer.view(time.time()).pods if pod.job_id == "job-1"]


def test_a_cluster_is_identified_by_its_kube_system_namespace(start_cluster):
    cluster = start_cluster()
    connection = resolve(ConnectionRef(conn_id=None, config_file=str(cluster.kubeconfig)))

    found = client.CoreV1Api(connection.api_client).read_namespace("kube-system")

    assert identify(connection) == found.metadata.uid


def test_a_spark_jobs_driver_and_executors_belong_to_it_and_charge_the_quota(start_cluster, observe):
    observer = observe(start_cluster())
    eventually(fresh(observer), "the picture is fresh")

    submit(observer, spark_application())

    eventually(lambda: len(our_pods(observer)) == 3, "driver and executors are seen")
    eventually(lambda: all(pod.node for pod in our_pods(observer)), "all are bound")
    pods = our_pods(observer)
    assert sorted(pod.pod_set for pod in pods) == ["driver", "executor", "executor"]
    assert {pod.requests for pod in pods} == {Resources({"cpu": 1000, "memory": 896 * MIB})}

    def quota_is_charged():
        (quota,) = observer.view(time.time()).quotas
        return quota.used == Resources({"requests.cpu": 3000, "pods": 3})

    eventually(quota_is_charged, "the quota's usage has followed")
    (application,) = observer.applications("airflow-1")
    assert (application.name, application.labels["priority-spark/job"]) == ("etl-spark", "job-1")
    eventually(lambda: observer.applications()[0].state == "RUNNING", "it runs")
    assert observer.applications()[0].driver_pod == "etl-spark-driver"


def test_a_finished_job_leaves_nothing_that_counts(start_cluster, observe):
    observer = observe(start_cluster())
    eventually(fresh(observer), "the picture is fresh")

    submit(observer, spark_application(seconds=1))

    eventually(lambda: observer.applications() and observer.applications()[0].terminal, "it has ended")
    assert observer.applications()[0].state == "COMPLETED"
    eventually(
        lambda: not any(pod.counts_quota or pod.counts_node for pod in our_pods(observer)), "no pod counts"
    )


def test_only_the_application_with_the_right_uid_is_deleted(start_cluster, observe):
    observer = observe(start_cluster())
    eventually(fresh(observer), "the picture is fresh")
    uid = submit(observer, spark_application())["metadata"]["uid"]
    eventually(lambda: len(our_pods(observer)) == 3, "driver and executors are seen")
    delete = lambda which: delete_application(observer.connection, "team-a", "etl-spark", which)  # noqa: E731

    assert delete("another") is Deletion.REPLACED
    assert get_application(observer.connection, "team-a", "etl-spark").uid == uid
    assert delete(uid) is Deletion.REQUESTED
    eventually(lambda: not observer.applications(), "the application is gone")
    assert delete(uid) is Deletion.ALREADY_GONE
    assert get_application(observer.connection, "team-a", "etl-spark") is None
    eventually(lambda: not our_pods(observer), "its pods are gone")


def test_events_missed_beyond_the_servers_history_are_made_up_for_by_a_list(start_cluster, observe):
    cluster = start_cluster(watch_window=5)
    relay = Relay(cluster.port)
    observer = observe(cluster, rhythm=Rhythm(retry_first=2), port=relay.port)
    eventually(fresh(observer), "the picture is fresh")
    direct = resolve(ConnectionRef(conn_id=None, config_file=str(cluster.kubeconfig)))
    core = client.CoreV1Api(direct.api_client)

    core.patch_namespaced_resource_quota("team-a", "team-a", {"metadata": {"labels": {"seen": "yes"}}})
    eventually(lambda: observer.counters()["resourcequotas"].events, "the watch of quotas is open")

    # The watches come back a second later at the earliest; by then the history has moved past them.
    relay.cut()
    for number in range(20):
        core.patch_namespaced_resource_quota("team-a", "team-a", {"spec": {"hard": {"pods": str(number)}}})

    eventually(lambda: observer.view(time.time()).quotas[0].hard["pods"] == 19, "the quota is known again")
    counters = observer.counters()["resourcequotas"]
    assert (counters.lists, counters.errors, counters.restarts) == (2, 1, 2), "cut off once, 410 once"
    assert observer.counters()["limitranges"].lists == 1, "others went on where they had stopped"
    relay.close()


def test_a_server_that_freezes_is_noticed_and_its_return_too(start_cluster, observe, monkeypatch):
    cluster = start_cluster()
    observer = observe(
        cluster, rhythm=Rhythm(idle=0.5, retry_first=0.05, retry_most=0.2), stale_after_seconds=1
    )
    eventually(fresh(observer), "the picture is fresh")

    os.kill(cluster.pid, signal.SIGSTOP)
    try:
        eventually(
            lambda: all(state.restarts for state in observer.counters().values()),
            "every watch has been given up",
        )
    finally:
        os.kill(cluster.pid, signal.SIGCONT)

    submit(observer, spark_application())
    eventually(lambda: len(our_pods(observer)) == 3, "driver and executors are seen")
    assert observer.view(time.time()).fresh


def test_a_killed_server_makes_the_picture_stale_and_says_so(start_cluster, observe):
    cluster = start_cluster()
    observer = observe(cluster, stale_after_seconds=0.3)
    eventually(fresh(observer), "the picture is fresh")

    os.kill(cluster.pid, signal.SIGKILL)

    # Which watch is lost first, and with what words, depends on what the server was about when it was killed.
    said = f"cluster {cluster.url} ({observer.connection.label}) does not answer"

    def stale():
        view = observer.view(time.time())
        return view if said in (view.stale_reason or "") else None

    view = eventually(stale, "the picture is stale and says why")
    assert not view.fresh
    assert [node.name for node in view.nodes] == ["node-1", "node-2", "node-3"]


def test_without_permission_to_list_quotas_the_picture_says_what_to_grant(start_cluster, observe):
    observer = observe(start_cluster(denials=[Denial("reader", "list", "resourcequotas")]), user="reader")

    def reason():
        observer.follow({"team-a"})
        said = observer.view(time.time()).stale_reason
        return (
            said if said.startswith("resourcequotas in team-a: not read yet: ") and ";" not in said else None
        )

    reason = eventually(reason, "only quotas are missing")
    assert "cannot list resourcequotas in namespace team-a of cluster" in reason
    assert 'the API server says "resourcequotas is forbidden: User "reader" cannot list resource' in reason
    assert reason.endswith("Grant the verb list on resourcequotas in namespace team-a to reader")


def test_without_permission_to_list_nodes_capacity_is_judged_by_quota(start_cluster, observe):
    observer = observe(start_cluster(denials=[Denial("reader", "list", "nodes")]), user="reader")

    view = eventually(fresh(observer), "the picture is fresh")

    assert view.mode == "quota"
    assert observer.notes() == [
        f"capacity is judged by quota only: nodes may not be listed in {observer.connection}"
    ]


def test_without_the_spark_operators_crd_the_picture_says_what_to_install(start_cluster, observe):
    observer = observe(start_cluster(without_crd=True))

    def reason():
        said = observer.view(time.time()).stale_reason
        return said if "CRD" in said and ";" not in said.partition("operator")[0] else None

    assert "is not installed in cluster" in eventually(reason, "the missing CRD is said")
