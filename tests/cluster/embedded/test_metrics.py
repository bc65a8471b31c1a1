# SPDX-License-Identifier: Apache-2.0
"""``kubectl top``: what nodes and pods use, as a metrics server says it."""

import pytest
from kubernetes import client

from tests.cluster.applications import eventually, pod

METRICS = ("metrics.k8s.io", "v1beta1")

pytestmark = [pytest.mark.cluster, pytest.mark.embedded_only("a control plane has no metrics server")]


@pytest.fixture
def running(kubernetes, namespace):
    """A running pod that asks for 500m and 256 MiB."""
    kubernetes.core.create_namespaced_pod(namespace, pod("busy", cpu="500m", memory="256Mi"))
    eventually(lambda: kubernetes.pods(namespace)[0].status.phase == "Running", "the pod runs")
    return kubernetes.pods(namespace)[0]


def test_the_metrics_api_is_discovered(kubernetes):
    groups = {group.name for group in client.ApisApi(kubernetes.api).get_api_versions().groups}

    assert "metrics.k8s.io" in groups


def test_top_pods_says_what_a_simulated_pod_asks_for(kubernetes, namespace, running):
    found = kubernetes.custom.list_namespaced_custom_object(*METRICS, namespace, "pods")

    (container,) = found["items"][0]["containers"]
    assert (found["kind"], container["name"]) == ("PodMetricsList", "main")
    assert container["usage"] == {"cpu": "500m", "memory": "256Mi"}


def test_top_nodes_adds_up_the_pods_of_each(kubernetes, running):
    found = kubernetes.custom.list_cluster_custom_object(*METRICS, "nodes")

    used = {item["metadata"]["name"]: item["usage"] for item in found["items"]}
    assert set(used) == {node.metadata.name for node in kubernetes.core.list_node().items}
    assert used.pop(running.spec.node_name) == {"cpu": "500m", "memory": "256Mi"}
    assert all(other == {"cpu": "0", "memory": "0"} for other in used.values())


def test_a_pod_that_does_not_run_has_no_metrics(kubernetes, namespace):
    kubernetes.core.create_namespaced_pod(namespace, pod("waits", schedulerName="nobody"))

    with pytest.raises(client.ApiException) as caught:
        kubernetes.custom.get_namespaced_custom_object(*METRICS, namespace, "pods", "waits")

    assert caught.value.status == 404
    assert f'podmetrics.metrics.k8s.io \\"{namespace}/waits\\" not found' in caught.value.body
