# SPDX-License-Identifier: Apache-2.0
"""The scheduler: where pods go, and its sentence when they go nowhere."""

import pytest

from airflow_priority_spark.embedded.specs import NodeSpec
from tests.cluster.applications import Kubernetes, eventually, pod

pytestmark = [pytest.mark.cluster, pytest.mark.embedded_only("it places pods on nodes of its own")]

NODES = [
    NodeSpec("small", cpu="2", memory="4Gi"),
    NodeSpec(
        "gpu", cpu="4", memory="8Gi", extended={"nvidia.com/gpu": "1"}, taints=[("gpu", "yes", "NoSchedule")]
    ),
    NodeSpec("disk", cpu="4", memory="8Gi", labels={"disk": "ssd"}),
]
TOLERATES_GPU = [{"key": "gpu", "operator": "Exists"}]


@pytest.fixture(scope="module")
def embedded_cluster(start_cluster):
    return start_cluster(nodes=NODES)


@pytest.fixture
def create(kubernetes, namespace):
    """Create a pod and return its node, or the scheduler's sentence."""

    def placed(name, **options):
        kubernetes.core.create_namespaced_pod(namespace, pod(name, **options))

        def answer():
            found = kubernetes.core.read_namespaced_pod(name, namespace)
            conditions = found.status.conditions or ()
            return found.spec.node_name or next(
                (c.message for c in conditions if c.reason == "Unschedulable"), None
            )

        eventually(answer, f"{name} scheduled or not")
        return answer()

    yield placed
    for found in kubernetes.pods(namespace):
        kubernetes.core.delete_namespaced_pod(found.metadata.name, namespace)
    eventually(lambda: not kubernetes.pods(namespace), "nodes free again")


def test_a_pod_goes_to_the_emptiest_node_that_takes_it(create):
    assert create("a") == "disk"
    assert create("b") == "disk"
    assert create("c") in ("small", "disk")


def test_selectors_taints_and_extended_resources_decide(create):
    assert create("ssd", nodeSelector={"disk": "ssd"}) == "disk"
    assert create("tolerant", cpu="3", tolerations=TOLERATES_GPU) == "gpu"


def test_the_scheduler_says_why_no_node_takes_a_pod(create):
    assert create("big", cpu="3", nodeSelector={"disk": "hdd"}, tolerations=TOLERATES_GPU).startswith(
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
    )
    assert create("bigger", cpu="8", memory="16Gi").startswith(
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu, "
        "2 Insufficient memory. no new claims to deallocate, preemption: 0/3 nodes are available: "
        "3 Preemption is not helpful for scheduling."
    )


def test_an_unschedulable_pod_has_an_event_and_starts_when_there_is_room(create, kubernetes, namespace):
    assert create("first", cpu="4", nodeSelector={"disk": "ssd"}) == "disk"
    assert "1 Insufficient cpu" in create("second", cpu="1", nodeSelector={"disk": "ssd"})
    (event,) = kubernetes.core.list_namespaced_event(
        namespace, field_selector="involvedObject.name=second,reason=FailedScheduling"
    ).items
    assert event.type == "Warning"

    kubernetes.core.delete_namespaced_pod("first", namespace)

    def running():
        return kubernetes.core.read_namespaced_pod("second", namespace).status.phase == "Running"

    eventually(running, "second runs")


def test_a_cordoned_node_takes_nothing(create, kubernetes):
    kubernetes.core.patch_node("disk", {"spec": {"unschedulable": True}})
    try:
        assert "1 node(s) were unschedulable" in create("a", nodeSelector={"disk": "ssd"})
    finally:
        kubernetes.core.patch_node("disk", {"spec": {"unschedulable": False}})


def test_a_node_takes_as_many_pods_as_it_says(start_cluster):
    crowded = Kubernetes(
        start_cluster(nodes=[NodeSpec("n", pods="1")], namespaces={"team-a": None}).kubeconfig
    )
    for name in ("one", "two"):
        crowded.core.create_namespaced_pod("team-a", pod(name))

    def sentence():
        conditions = crowded.core.read_namespaced_pod("two", "team-a").status.conditions
        return conditions[0].message if conditions else ""

    eventually(sentence, "two is looked at")
    assert sentence().startswith("0/1 nodes are available: 1 Too many pods.")
