# SPDX-License-Identifier: Apache-2.0
"""Faults of nodes, pods and the operator, as they show in objects and in the cluster room's picture."""

import time

import pytest

from tests.cluster.applications import eventually, pod, spark_application

pytestmark = pytest.mark.cluster


def test_a_lost_node_is_tainted_its_pods_hang_until_it_is_back(faults, observed, kubernetes, namespace):
    kubernetes.core.create_namespaced_pod(namespace, pod("held"))
    eventually(lambda: kubernetes.pods(namespace)[0].status.phase == "Running", "the pod runs")
    name = kubernetes.pods(namespace)[0].spec.node_name

    with faults.active("lost-node", node=name, evict_after="0s"):
        node = kubernetes.core.read_node(name)
        ready = next(item for item in node.status.conditions if item.type == "Ready")
        assert (ready.status, ready.reason) == ("Unknown", "NodeStatusUnknown")
        taints = {(taint.key, taint.effect) for taint in node.spec.taints}
        assert ("node.kubernetes.io/unreachable", "NoExecute") in taints
        eventually(lambda: kubernetes.pods(namespace)[0].metadata.deletion_timestamp, "the pod is evicted")
        eventually(lambda: not usable(observed, name), "the picture knows that nothing fits there")
        kubernetes.core.create_namespaced_pod(namespace, pod("elsewhere"))
        eventually(
            lambda: kubernetes.core.read_namespaced_pod("elsewhere", namespace).spec.node_name, "bound"
        )
        assert kubernetes.core.read_namespaced_pod("elsewhere", namespace).spec.node_name != name
        time.sleep(0.5)
        assert "held" in observed.pods(namespace), "nobody can say that its containers have ended"

    eventually(lambda: "held" not in observed.pods(namespace), "the node is back and lets it go")
    eventually(lambda: usable(observed, name), "the picture counts on the node again")


def usable(observed, name):
    node = next(item for item in observed.view.nodes if item.name == name)
    return not any(taint.key == "node.kubernetes.io/unreachable" for taint in node.taints)


def test_an_executor_killed_for_its_memory_is_replaced(faults, observed, kubernetes, namespace):
    kubernetes.submit(namespace, spark_application("app", executors=2, runtime="1h"))
    running = lambda: [  # noqa: E731
        item for item in kubernetes.pods(namespace, "spark-role=executor") if item.status.phase == "Running"
    ]
    eventually(lambda: len(running()) == 2, "two executors run")

    faults.add("oom-killed", namespace=namespace, count=1)

    eventually(lambda: kubernetes.pods(namespace, "spark-exec-id=3"), "a third executor")
    killed = [
        item for item in kubernetes.pods(namespace, "spark-role=executor") if item.status.phase == "Failed"
    ]
    ended = killed[0].status.container_statuses[0].state.terminated
    assert (len(killed), ended.reason, ended.exit_code) == (1, "OOMKilled", 137)
    eventually(lambda: len(running()) == 2, "two executors run again")
    counted = lambda: [item for item in observed.pods(namespace).values() if item.counts_quota]  # noqa: E731
    eventually(lambda: len(counted()) == 3, "the killed one counts no more")
    assert kubernetes.state(namespace, "app") == "RUNNING"


def test_a_driver_killed_for_its_memory_fails_its_application(faults, kubernetes, namespace):
    kubernetes.submit(namespace, spark_application("app", runtime="1h"))
    kubernetes.until_state(namespace, "app", "RUNNING")

    faults.add("oom-killed", app="app", role="driver", count=1)

    status = kubernetes.until_state(namespace, "app", "FAILED")
    said = "driver container failed with ExitCode: 137, Reason: OOMKilled"
    assert status["applicationState"]["errorMessage"] == said


def test_an_image_that_cannot_be_pulled_keeps_the_pod_waiting_with_its_reason(
    faults, observed, kubernetes, namespace
):
    with faults.active("image-pull", namespace=namespace, role="driver"):
        kubernetes.submit(namespace, spark_application("app"))

        def waiting():
            statuses = [item.status.container_statuses for item in kubernetes.pods(namespace)]
            return [each[0].state.waiting.reason for each in statuses if each]

        eventually(lambda: waiting() == ["ImagePullBackOff"], "the driver says why it waits")
        kubernetes.until_state(namespace, "app", "SUBMITTED")
        # The observer's watch and the test's own requests come to know of the pod one before the other.
        seen = lambda: observed.pods(namespace).get("app-driver")  # noqa: E731
        eventually(seen, "the picture has the driver")
        assert seen().counts_quota, "it holds its room all the same"

        def said():
            events = kubernetes.core.list_namespaced_event(namespace).items
            return any('Failed to pull image "spark:4.0.0"' in event.message for event in events)

        eventually(said, "an event says which image")
    kubernetes.until_state(namespace, "app", "COMPLETED", "RUNNING")


def test_a_lagging_operator_leaves_applications_without_a_state(faults, observed, kubernetes, namespace):
    with faults.active("operator-lag", by="3m"):
        kubernetes.submit(namespace, spark_application("app"))
        eventually(lambda: "app" in [item.name for item in observed.observer.applications()], "it is seen")
        time.sleep(1)
        assert kubernetes.state(namespace, "app") == ""
        assert kubernetes.pods(namespace) == []
        eventually(observed.is_fresh, "the picture is fresh")
    kubernetes.until_state(namespace, "app", "COMPLETED", "RUNNING")


def test_the_lag_is_as_long_as_it_says(faults, kubernetes, namespace):
    with faults.active("operator-lag", by="2s"):
        began = time.monotonic()
        kubernetes.submit(namespace, spark_application("app"))
        kubernetes.until_state(namespace, "app", "SUBMITTED", "RUNNING")
        assert time.monotonic() - began >= 2
