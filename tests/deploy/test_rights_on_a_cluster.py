# SPDX-License-Identifier: Apache-2.0
"""Arbiter and worker code against an API server that knows our roles only, each request written down.

What is not granted is refused there, so that the code gets through says that the rights are enough; that each
right is among the requests says that none is more than enough.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from urllib.parse import urlsplit

import pytest
from kubernetes import client, config, utils

from airflow_priority_spark.cli.doctor_cluster import look_at
from airflow_priority_spark.cli.doctor_rights import chosen
from airflow_priority_spark.cluster.applications import (
    Deletion,
    delete_application,
    get_application,
    label_application,
)
from airflow_priority_spark.cluster.connections import ClusterConnection, identify
from airflow_priority_spark.cluster.dry_run import ask
from airflow_priority_spark.cluster.kinds import PODS
from airflow_priority_spark.cluster.observer import ClusterObserver
from airflow_priority_spark.cluster.placeholders import Make, create_placeholder, delete_placeholder
from airflow_priority_spark.embedded.process import EmbeddedCluster
from airflow_priority_spark.errors import PermissionMissing
from airflow_priority_spark.operators.driver import copy_events, copy_log, driver_end
from airflow_priority_spark.operators.submission import create_application, find_leftovers, find_lost
from airflow_priority_spark.scheduling.model import PodSet
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.identity import TaskKey, job_labels
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.triggers.watching import _Watches
from tests.builders import make_demand
from tests.cluster.applications import pod, spark_application
from tests.deploy.charts import EVERYTHING, NAMESPACE, OURS, manifests, merged, of_kind
from tests.deploy.rights import granted

pytestmark = pytest.mark.cluster

TEAM = "team-a"
LABELS = job_labels("airflow-1", TaskKey("etl", "run-1", "spark"), "job-1", 1)
LOG = logging.getLogger(__name__)
ROLES = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "PriorityClass")
MAKE = Make("airflow-1", NAMESPACE, "priority-spark-placeholder", "registry.k8s.io/pause:3.10")


class Recorded:
    """A pool of connections that writes down which right each granted request has used."""

    def __init__(self, pool):
        self._pool, self.used = pool, set()

    def request(self, method, url, **options):
        answer = self._pool.request(method, url, **options)
        if answer.status < 400:
            self.used.add(self._right(method, url, options.get("fields") or {}))
        return answer

    def __getattr__(self, name):
        return getattr(self._pool, name)

    @staticmethod
    def _right(method, url, query):
        """Read a request as authorization does: the verb and the resource."""
        path = re.fullmatch(
            r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)(?:/namespaces/[^/]+(?=/[a-z]))?/(?P<plural>[a-z]+)"
            r"(?:/(?P<name>[^/]+))?(?:/(?P<sub>[a-z]+))?",
            urlsplit(url).path,
        )
        many = {"GET": "watch" if "watch" in query else "list", "POST": "create"}
        one = {"GET": "get", "DELETE": "delete", "PATCH": "patch"}
        resource = path["plural"] + (f"/{path['sub']}" if path["sub"] else "")
        return (one if path["name"] else many)[method], f"{resource}.{path['group']}" if path[
            "group"
        ] else resource


@pytest.fixture(scope="module")
def found():
    return manifests(OURS, merged(EVERYTHING, {"rbac": {"namespaces": [TEAM], "podOperator": False}}))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, found):
    """A cluster with our roles, a finished application and a plain pod in the Spark namespace."""
    directory = tmp_path_factory.mktemp("cluster")
    running = EmbeddedCluster.start(directory, runtime="simulated", simulated_seconds=0.2)
    api = config.new_client_from_config(str(running.kubeconfig))
    for name in (TEAM, NAMESPACE):
        client.CoreV1Api(api).create_namespace({"metadata": {"name": name}})
    for item in of_kind(found, *ROLES):
        utils.create_from_dict(api, item, namespace=item["metadata"].get("namespace", NAMESPACE))
    client.CoreV1Api(api).create_namespaced_pod(TEAM, pod("plain"))
    yield running
    running.stop()


@pytest.fixture
def connect(cluster):
    """A function: the name of an account → a connection that acts as it, and what it was granted."""
    with contextlib.ExitStack() as stack:

        def connected(account):
            api = config.new_client_from_config(str(cluster.kubeconfig))
            api.set_default_header("Impersonate-User", f"system:serviceaccount:{NAMESPACE}:{account}")
            recorded = api.rest_client.pool_manager = Recorded(api.rest_client.pool_manager)
            connection = ClusterConnection(f"account {account}", api)
            stack.callback(connection.close)
            return connection, recorded

        yield connected


def until(holds, what):
    end = time.monotonic() + 30
    while not (result := holds()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return result


def submit(connection, name):
    app = spark_application(name, runtime="100ms")
    app["metadata"] |= {"namespace": TEAM, "labels": LABELS}
    return create_application(connection, app, LABELS)


def test_an_arbiter_gets_through_its_work_and_uses_every_right_it_has(connect, cluster, found):
    account = "airflow-priority-spark-arbiter"
    connection, recorded = connect(account)
    worker, _ = connect("airflow-worker")
    made = submit(worker, "for-the-arbiter")
    plain = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig))).read_namespaced_pod(
        "plain", TEAM
    )

    observer = ClusterObserver(connection, identify(connection))
    observer.start()
    rights = {(right.verb, right.resource) for right in granted(found, account)}
    watched = {right for right in rights if right[0] == "watch"}

    def all_watched():
        observer.follow([TEAM])
        return watched <= recorded.used

    until(all_watched, watched - recorded.used)
    observer.stop()
    assert ask(connection, TEAM, PodSet("driver", 1, Resources({"cpu": 100, "memory": 2**20}))).unknown == ""
    demand = make_demand()
    assert create_placeholder(connection, MAKE, "job-1", demand, demand.pod_sets[0], 0)
    (name,) = [item for item in placeholders(cluster) if item.startswith("priority-spark-placeholder")]
    delete_placeholder(connection, NAMESPACE, name)
    view = get_application(connection, TEAM, "for-the-arbiter")
    assert delete_application(connection, TEAM, "for-the-arbiter", view.uid) is Deletion.REQUESTED
    assert delete_application(connection, TEAM, "plain", plain.metadata.uid, kind=PODS) is Deletion.REQUESTED

    assert made.uid == view.uid
    assert recorded.used == rights


def placeholders(cluster):
    core = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))
    return [item.metadata.name for item in core.list_namespaced_pod(NAMESPACE).items]


@pytest.mark.parametrize("account", ["airflow-worker", "airflow-triggerer"])
def test_a_worker_gets_through_a_jobs_life_and_uses_every_right_it_has(connect, found, account):
    connection, recorded = connect(account)
    name = f"life-of-{account}"

    view = submit(connection, name)
    find_leftovers(connection, TEAM, LABELS, 0)
    assert find_lost(connection, TEAM, name, LABELS, LOG).uid == view.uid
    watches = _Watches(connection, TEAM, lambda: None)
    watches.start()
    until(lambda: get_application(connection, TEAM, name).terminal, "the application ends")
    until(lambda: {("watch", "pods")} <= recorded.used, "pods are followed")
    watches.ask_to_stop()
    copy_log(connection, TEAM, f"{name}-driver", LOG)
    copy_events(connection, TEAM, f"{name}-driver", LOG)
    assert driver_end(connection, TEAM, f"{name}-driver").code == 0
    assert label_application(connection, TEAM, name, view.uid, {"kept": "yes"})
    assert delete_application(connection, TEAM, name, view.uid) is Deletion.REQUESTED

    assert recorded.used == {(right.verb, right.resource) for right in granted(found, account)}


def asked_by_the_doctor(cluster, arbiter, worker):
    """Subject → what the doctor says of each right, asked as these accounts."""
    asked = chosen("both", f"{NAMESPACE}:{arbiter}", f"{NAMESPACE}:{worker}")
    said = look_at(ConnectionRef(conn_id=None, config_file=str(cluster.kubeconfig)), None, {TEAM}, (), asked)
    return {item.subject: item for item in said if item.check == "permission"}


def test_the_doctor_misses_no_right_of_the_accounts_of_the_chart(cluster):
    found = asked_by_the_doctor(cluster, "airflow-priority-spark-arbiter", "airflow-worker")
    assert {item.result for item in found.values()} == {"ok"}


def test_the_doctor_finds_that_an_arbiters_account_is_no_workers(cluster):
    found = asked_by_the_doctor(cluster, "airflow-worker", "airflow-priority-spark-arbiter")
    missing = found["worker: create sparkapplications.sparkoperator.k8s.io"]
    assert missing.result == "problem"
    assert missing.mend == (
        f"Grant the verb create on sparkapplications.sparkoperator.k8s.io in namespace {TEAM} to service "
        f"account {NAMESPACE}:airflow-priority-spark-arbiter, by a Role there or a ClusterRole."
    )
    assert found["arbiter: get namespaces"].result == "problem"


def test_what_is_not_granted_is_refused_so_that_the_tests_above_mean_something(connect):
    arbiter, _ = connect("airflow-priority-spark-arbiter")
    with pytest.raises(PermissionMissing, match="create"):
        submit(arbiter, "not-mine-to-make")
    stranger, _ = connect("airflow-api-server")
    with pytest.raises(PermissionMissing, match="namespaces"):
        identify(stranger)
