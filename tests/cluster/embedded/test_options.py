# SPDX-License-Identifier: Apache-2.0
"""Clusters with daemons, a lagging quota and an autoscaler, as a person starts them; and an eviction."""

import pytest
from kubernetes import client

from airflow_priority_spark.embedded.pools import Pool
from airflow_priority_spark.embedded.settings import ClusterSettings, parser
from airflow_priority_spark.embedded.specs import NodeSpec
from airflow_priority_spark.errors import InvalidInput
from tests.cluster.applications import eventually, pod

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def embedded_cluster(start_cluster):
    return start_cluster(
        nodes=[NodeSpec("fixed", cpu="2")],
        daemons={"agent": {"cpu": "500m", "memory": "100Mi"}},
        autoscale=Pool.parse("max=2,delay=100ms,idle=10m,cpu=4"),
        quota_lag_seconds=0.3,
    )


def read(*line):
    return ClusterSettings.from_arguments(parser().parse_args([*line]))


@pytest.mark.embedded_only("daemons, autoscaler and lag are options of its own")
def test_pods_find_nodes_that_daemons_have_their_share_of(kubernetes, namespace):
    kubernetes.core.create_namespaced_pod(namespace, pod("small", cpu="1500m"))
    kubernetes.core.create_namespaced_pod(namespace, pod("large", cpu="3"))

    def phases():
        return {found.metadata.name: found.status.phase for found in kubernetes.pods(namespace)}

    eventually(lambda: phases() == {"small": "Running", "large": "Running"}, "both run")
    places = {found.metadata.name: found.spec.node_name for found in kubernetes.pods(namespace)}
    assert places["small"] == "fixed"
    assert places["large"].startswith("autoscaled-")
    agents = {found.spec.node_name for found in kubernetes.pods("kube-system", "app=agent")}
    assert agents == {"fixed", places["large"]}


def test_an_evicted_pod_goes_with_its_grace_and_says_why(kubernetes, namespace):
    kubernetes.core.create_namespaced_pod(namespace, pod("a", cpu="100m", terminationGracePeriodSeconds=7))
    eventually(lambda: kubernetes.pods(namespace)[0].status.phase == "Running", "a runs")
    kubernetes.core.patch_namespaced_pod("a", namespace, {"metadata": {"finalizers": ["example.com/wait"]}})
    body = client.V1Eviction(metadata=client.V1ObjectMeta(name="a", namespace=namespace))

    kubernetes.core.create_namespaced_pod_eviction("a", namespace, body)

    evicted = kubernetes.core.read_namespaced_pod("a", namespace)
    (condition,) = [one for one in evicted.status.conditions if one.type == "DisruptionTarget"]
    assert (condition.reason, condition.message) == ("EvictionByEvictionAPI", "Eviction API: evicting")
    assert evicted.metadata.deletion_timestamp
    kubernetes.core.patch_namespaced_pod("a", namespace, {"metadata": {"finalizers": None}})


@pytest.mark.embedded_only("daemons, autoscaler and lag are options of its own")
def test_a_cluster_lags_with_its_quotas_as_it_is_told_to(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"pods": "3"})
    kubernetes.core.create_namespaced_pod(namespace, pod("a", cpu="100m"))
    assert kubernetes.used(namespace) == {"pods": "1"}

    kubernetes.core.delete_namespaced_pod("a", namespace, grace_period_seconds=0)

    assert kubernetes.used(namespace) == {"pods": "1"}
    eventually(lambda: kubernetes.used(namespace) == {"pods": "0"}, "the quota is given back")


def test_options_are_read_as_they_are_written():
    line = ["--daemon", "agent=cpu:100m,memory:200Mi", "--quota-lag", "2s", "--autoscale", "max=3,delay=1m"]

    settings = read(*line)

    assert settings.daemons == {"agent": {"cpu": "100m", "memory": "200Mi"}}
    assert settings.quota_lag_seconds == 2
    assert settings.autoscale == Pool(3, 60.0)
    assert read(*settings.to_arguments()).to_arguments() == settings.to_arguments()


@pytest.mark.parametrize(
    ("flag", "value", "allowed"),
    [
        ("--daemon", "agent", "NAME=cpu:100m,memory:200Mi"),
        ("--daemon", "Agent=cpu:1", "NAME=cpu:100m,memory:200Mi"),
        ("--daemon", "agent=cpu:lots", "'cpu:lots' names no Kubernetes quantity"),
        ("--quota-lag", "late", "a number and a unit of ms, s, m or h"),
        ("--autoscale", "max=none", "max=N,delay=30s"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_allowed(flag, value, allowed):
    with pytest.raises(InvalidInput) as caught:
        read(flag, value)

    assert flag in str(caught.value)
    assert repr(value) in str(caught.value)
    assert allowed in str(caught.value)
