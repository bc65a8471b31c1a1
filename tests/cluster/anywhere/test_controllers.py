# SPDX-License-Identifier: Apache-2.0
"""``cluster controllers`` makes a cluster of a bare control plane, and leaves it as it found it."""

import re
import ssl
import threading
import urllib.request

import pytest
from kubernetes import client

from airflow_priority_spark.embedded import option_values
from airflow_priority_spark.embedded.remote.process import ControllersDidNotStart, ControllersProcess
from airflow_priority_spark.errors import InvalidInput
from tests.cluster.applications import Kubernetes, eventually, pod, spark_application

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def bare(start_cluster):
    """A control plane without nodes, kubelet and operator."""
    return start_cluster(bare=True)


@pytest.fixture
def controllers(bare, tmp_path):
    with ControllersProcess.start(
        bare.kubeconfig, tmp_path / "log", nodes=2, simulated_seconds=0.2, driver_start_seconds=0.05
    ) as started:
        yield started


@pytest.fixture
def team(bare):
    """The bare cluster with a namespace ``team``."""
    kubernetes = Kubernetes(bare.kubeconfig)
    kubernetes.create_namespace("team")
    yield kubernetes
    kubernetes.core.delete_namespace("team")
    names = lambda: [item.metadata.name for item in kubernetes.core.list_namespace().items]  # noqa: E731
    eventually(lambda: "team" not in names(), "the namespace is gone")


def test_on_a_bare_control_plane_nothing_runs(team):
    team.core.create_namespaced_pod("team", pod("waits"))
    condition = lambda: (team.pods("team")[0].status.conditions or [None])[0]  # noqa: E731

    eventually(condition, "the scheduler has looked")

    assert condition().message == "no nodes available to schedule pods"


def test_applications_run_to_their_end_with_driver_executors_and_states(controllers, team):
    app = spark_application("app", executors=2, runtime="1s")
    # An executor that is gone before the operator has seen its end counts as failed.
    app["spec"]["executor"]["deleteOnTermination"] = False
    team.submit("team", app)
    eventually(lambda: len(team.pods("team")) == 3, "driver and executors")

    status = team.until_state("team", "app", "COMPLETED")

    assert list(status["executorState"].values()) == ["COMPLETED"] * 2
    assert [item.status.phase for item in team.pods("team")] == ["Succeeded"] * 3
    assert (status["submissionAttempts"], status["executionAttempts"]) == (1, 1)
    nodes = {item.metadata.name for item in team.core.list_node().items}
    assert nodes == {"priority-spark-1", "priority-spark-2"}
    assert "ERROR" not in controllers.log.read_text()


def test_deleted_pods_end_and_are_gone(controllers, team):
    team.core.create_namespaced_pod("team", pod("stays"))
    eventually(lambda: team.pods("team")[0].status.phase == "Running", "the pod runs")

    assert [item.metadata.name for item in team.pods("team")] == ["stays"]
    team.core.delete_namespaced_pod("stays", "team")

    eventually(lambda: team.pods("team") == [], "the pod is gone")


def test_an_api_server_finds_the_logs_at_the_nodes_address(controllers, team):
    team.submit("team", spark_application("app"))
    team.until_state("team", "app", "COMPLETED")
    node = team.core.list_node().items[0].status

    (address,) = [item.address for item in node.addresses]
    port = node.daemon_endpoints.kubelet_endpoint.port
    unverified = ssl._create_unverified_context()
    url = f"https://{address}:{port}/containerLogs/team/app-driver/spark-kubernetes-driver?tailLines=1"
    with urllib.request.urlopen(url, timeout=5, context=unverified) as answer:
        last = answer.read().decode()

    assert last == "INFO SparkContext: Successfully stopped SparkContext, exit code 0\n"


def test_stopped_controllers_leave_no_nodes_and_others_go_on_where_they_stopped(bare, team, tmp_path):
    with ControllersProcess.start(bare.kubeconfig, tmp_path / "first", simulated_seconds=0.2):
        team.submit("team", spark_application("before"))
        team.until_state("team", "before", "COMPLETED")
    eventually(lambda: team.core.list_node().items == [], "its nodes are removed")
    team.submit("team", spark_application("between"))

    with ControllersProcess.start(bare.kubeconfig, tmp_path / "second", simulated_seconds=0.2):
        status = team.until_state("team", "between", "COMPLETED")
        assert (status["submissionAttempts"], status["executionAttempts"]) == (1, 1)
        assert team.state("team", "before") == "COMPLETED"


def test_controllers_come_through_an_api_server_that_is_away_for_a_while(bare, controllers, team):
    team.submit("team", spark_application("first"))
    team.until_state("team", "first", "COMPLETED")

    bare.faults.add("refused", for_="2s")
    eventually(lambda: bare.faults.list() == [], "the API server is back")
    team.submit("team", spark_application("second", executors=2))

    team.until_state("team", "second", "COMPLETED")
    lost = re.findall(r"watch of (\S+) lost", controllers.log.read_text())
    assert sorted(lost) == ["pods", "sparkapplications.sparkoperator.k8s.io"], "each is said once"


def test_controllers_wait_when_a_busy_api_server_says_when_to_come_back(bare, tmp_path):
    bare.faults.add("throttled", retry_after=1, resource="nodes", count=2)

    with ControllersProcess.start(bare.kubeconfig, tmp_path / "log", nodes=1):
        assert bare.faults.list() == [], "it was throttled"


def test_controllers_bring_the_definition_when_one_is_just_being_deleted(start_cluster, tmp_path):
    kubeconfig = start_cluster(bare=True).kubeconfig
    kubernetes = Kubernetes(kubeconfig)
    api = client.ApiextensionsV1Api(kubernetes.api)
    name = "sparkapplications.sparkoperator.k8s.io"
    old = api.patch_custom_resource_definition(name, {"metadata": {"finalizers": ["example.com/slow"]}})
    api.delete_custom_resource_definition(name)
    free = lambda: api.patch_custom_resource_definition(name, {"metadata": {"finalizers": None}})  # noqa: E731
    timer = threading.Timer(1, free)
    timer.start()

    with ControllersProcess.start(kubeconfig, tmp_path / "log", nodes=1):
        timer.join()
        assert api.read_custom_resource_definition(name).metadata.uid != old.metadata.uid
        kubernetes.submit("default", spark_application("app"))


def test_without_a_kubeconfig_the_command_says_so(tmp_path):
    with pytest.raises(ControllersDidNotStart) as caught:
        ControllersProcess.start(tmp_path / "none", tmp_path / "log")

    assert f"--kubeconfig: '{tmp_path}/none' is not valid; allowed: an existing file" in str(caught.value)


def test_a_number_of_nodes_must_be_one():
    with pytest.raises(InvalidInput, match="--nodes: 'many' is not valid; allowed: a whole number from 1"):
        option_values.number("--nodes", "many", 1, 5000)
