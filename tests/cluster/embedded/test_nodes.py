# SPDX-License-Identifier: Apache-2.0
"""Nodes that are not ready, that throw pods out, that go; and what their pods have to expect."""

import asyncio

import pytest

from airflow_priority_spark.embedded.kinds import NODES, PODS
from airflow_priority_spark.embedded.kubelet import Kubelet
from airflow_priority_spark.embedded.logbook import LogBook
from airflow_priority_spark.embedded.node_lifecycle import NodeLifecycle
from airflow_priority_spark.embedded.orphans import Orphans
from airflow_priority_spark.embedded.taint_eviction import TaintEviction, tolerated_seconds
from tests.cluster.embedded.control_plane import until

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
BOTH = ("NoSchedule", "NoExecute")


def toleration(key, seconds=None):
    limit = {} if seconds is None else {"tolerationSeconds": seconds}
    return {"key": key, "operator": "Exists", "effect": "NoExecute", **limit}


@pytest.mark.parametrize(("status", "key"), [("False", NOT_READY), ("Unknown", UNREACHABLE)])
async def test_a_node_that_is_not_ready_is_tainted_until_it_is(plane, status, key):
    NodeLifecycle(plane.verbs)
    plane.node("n", taints=[("own", "", "NoSchedule")])
    plane.pod("a", tolerations=[{"key": "own", "operator": "Exists"}])
    await until(lambda: plane.place("a"), "a is placed")
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    plane.verbs.update(
        PODS, "team-a", "a", lambda pod: {**pod, "status": {**pod["status"], **ready}}, status=True
    )

    plane.say_ready("n", status)

    assert plane.taints("n") == {("own", "NoSchedule")} | {(key, effect) for effect in BOTH}
    assert plane.find("a")["status"]["conditions"][0]["status"] == "False"
    assert plane.events("NodeNotReady", "default") == ["Node n status is now: NodeNotReady"]
    assert plane.events("NodeNotReady") == ["Node is not ready"]
    plane.say_ready("n", "True")
    assert plane.taints("n") == {("own", "NoSchedule")}


async def test_a_node_that_lacks_memory_and_a_cordoned_one_take_no_pods(plane):
    NodeLifecycle(plane.verbs)
    plane.node("n")

    def pressed(node):
        pressure = {"type": "MemoryPressure", "status": "True"}
        conditions = [*node["status"]["conditions"], pressure]
        return {**node, "status": {**node["status"], "conditions": conditions}}

    plane.verbs.update(NODES, "", "n", pressed, status=True)
    plane.verbs.update(NODES, "", "n", lambda node: {**node, "spec": {**node["spec"], "unschedulable": True}})

    assert plane.taints("n") == {
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    }


async def test_pods_go_when_they_tolerate_a_taint_no_longer(plane):
    TaintEviction(plane.verbs)
    plane.node("n")
    plane.pod("never")
    plane.pod("a-moment", tolerations=[toleration("away", 1), toleration("away", 60)])
    plane.pod("for-ever", tolerations=[toleration("away")])
    await until(lambda: all(map(plane.place, ("never", "a-moment", "for-ever"))), "all are placed")

    plane.taint("n", ("away", "NoExecute"))

    await until(lambda: "deletionTimestamp" in plane.find("never")["metadata"], "never goes", seconds=0.9)
    assert "deletionTimestamp" not in plane.find("a-moment")["metadata"]
    await until(lambda: "deletionTimestamp" in plane.find("a-moment")["metadata"], "a-moment goes")
    assert "deletionTimestamp" not in plane.find("for-ever")["metadata"]
    assert sorted(plane.events("TaintManagerEviction")) == [
        "Marking for deletion Pod team-a/a-moment",
        "Marking for deletion Pod team-a/never",
    ]
    condition = plane.find("never")["status"]["conditions"][-1]
    assert (condition["type"], condition["reason"], condition["message"]) == (
        "DisruptionTarget",
        "DeletionByTaintManager",
        "Taint manager: deleting due to NoExecute taint",
    )


async def test_a_taint_that_goes_in_time_lets_pods_stay(plane):
    eviction = TaintEviction(plane.verbs)
    plane.node("n")
    plane.pod("a", tolerations=[toleration("away", 30)])
    await until(lambda: plane.place("a"), "a is placed")
    plane.taint("n", ("away", "NoExecute"))
    assert len(eviction._timers) == 1

    plane.taint("n")

    assert not eviction._timers


async def test_every_pod_tolerates_a_lost_node_for_five_minutes(plane):
    pod = plane.pod("a")

    assert tolerated_seconds(pod, [{"key": UNREACHABLE, "effect": "NoExecute"}]) == 300
    assert tolerated_seconds(pod, [{"key": NOT_READY, "effect": "NoExecute"}]) == 300
    assert tolerated_seconds(pod, [{"key": "other", "effect": "NoExecute"}]) == 0


async def test_the_pods_of_a_deleted_node_are_collected(plane):
    Orphans(plane.verbs, quarantine_seconds=0.2)
    plane.node("n")
    plane.pod("a")
    await until(lambda: plane.place("a"), "a is placed")
    seen = []
    plane.verbs.store.listen(PODS, lambda change: seen.append((change.type, change.record.data["status"])))

    plane.end("n", kind=NODES, namespace="")

    assert plane.find("a") is not None
    await until(lambda: plane.find("a") is None, "a is collected")
    last = next(status for kind, status in seen if kind == "MODIFIED")
    assert last["phase"] == "Failed"
    assert last["conditions"][-1]["reason"] == "DeletionByPodGC"
    assert last["conditions"][-1]["message"] == "PodGC: node no longer exists"


async def test_a_node_that_comes_back_in_time_keeps_its_pods(plane):
    orphans = Orphans(plane.verbs, quarantine_seconds=0.1)
    plane.node("n")
    plane.pod("a")
    await until(lambda: plane.place("a"), "a is placed")

    plane.end("n", kind=NODES, namespace="")
    plane.node("n")

    await until(lambda: not orphans._quarantined, "the quarantine is over")
    assert plane.find("a") is not None


async def test_a_pod_bound_to_a_node_that_never_was_is_collected(plane):
    Orphans(plane.verbs, quarantine_seconds=0.1)
    plane.pod("a", nodeName="nowhere")

    await until(lambda: plane.find("a") is None, "a is collected")


async def test_no_kubelet_serves_a_node_that_does_not_exist_until_it_does(plane):
    Kubelet(plane.client, Pauses(), LogBook())
    plane.pod("gone", nodeName="late")
    plane.pod("a", nodeName="late")
    plane.end("gone", grace=30)
    await asyncio.sleep(0)

    assert plane.find("gone") is not None, "nobody ends it"
    assert plane.find("a")["status"]["phase"] == "Pending"

    plane.node("late")

    await until(lambda: plane.find("gone") is None, "the node's kubelet ends the one")
    await until(lambda: plane.find("a")["status"]["phase"] == "Running", "and runs the other")


class Pauses:
    """Containers that do nothing."""

    def program(self, pod, log):
        return None
