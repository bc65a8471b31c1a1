# SPDX-License-Identifier: Apache-2.0
"""Turns what a node says of itself into taints, and tells the pods of a node that is not ready.

Source: kubernetes ``pkg/controller/nodelifecycle/node_lifecycle_controller.go``. Without its patience: a node
that says it is not ready is tainted at once. A node that says nothing at all is left alone, as nobody speaks
for it.
"""

from __future__ import annotations

from typing import Any

from airflow_priority_spark.embedded.kinds import NODES, PODS
from airflow_priority_spark.embedded.objects import Object, is_finished, timestamp
from airflow_priority_spark.embedded.reporting import record_event
from airflow_priority_spark.embedded.store import Change
from airflow_priority_spark.embedded.verbs import Verbs

COMPONENT = "node-controller"
UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_BY_READY = {"False": NOT_READY, "Unknown": UNREACHABLE}
_BY_CONDITION = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_OWN = {NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_BY_CONDITION.values()}

Taint = dict[str, Any]


class NodeLifecycle:
    """Follows the nodes; writes while it hears of them."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        verbs.store.listen(NODES, self._on_node)

    def _on_node(self, change: Change) -> None:
        if change.type == "DELETED":
            return
        # The store may have gone on since: what it holds now is what counts.
        record = self._verbs.store.get(NODES, "", change.record.data["metadata"]["name"])
        if record is None:
            return
        node = record.data
        taints = node["spec"].get("taints") or []
        wanted = _wanted(node, taints)
        if wanted != taints:
            self._verbs.update(NODES, "", node["metadata"]["name"], lambda data: _tainted(data, wanted))
        before = _ready(change.previous.data) if change.previous else "True"
        if _ready(change.record.data) in _BY_READY and before == "True":
            self._tell(node)

    def _tell(self, node: Object) -> None:
        """Say that a node is not ready, on the node and on its pods (``MarkPodsNotReady``)."""
        name = node["metadata"]["name"]
        record_event(
            self._verbs, node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady", COMPONENT
        )
        for record in list(self._verbs.store.all(PODS)):
            pod = record.data
            if pod["spec"].get("nodeName") == name and not is_finished(pod):
                self._verbs.update(PODS, *record.key, _unready, status=True)
                record_event(self._verbs, pod, "Warning", "NodeNotReady", "Node is not ready", COMPONENT)


def _ready(node: Object) -> str:
    """Return the status of a node's condition ``Ready``; empty when it says nothing."""
    conditions = node.get("status", {}).get("conditions") or ()
    return next((one["status"] for one in conditions if one["type"] == "Ready"), "")


def _wanted(node: Object, taints: list[Taint]) -> list[Taint]:
    """Return a node's taints as they should be; those that stay keep the time they were added."""
    wanted: list[tuple[str, str]] = []
    if key := _BY_READY.get(_ready(node)):
        wanted += [(key, "NoSchedule"), (key, "NoExecute")]
    for condition in node.get("status", {}).get("conditions") or ():
        if condition["type"] in _BY_CONDITION and condition["status"] == "True":
            wanted.append((_BY_CONDITION[condition["type"]], "NoSchedule"))
    if node["spec"].get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    kept = [one for one in taints if one["key"] not in _OWN or (one["key"], one["effect"]) in wanted]
    there = {(one["key"], one["effect"]) for one in kept}
    added = [
        {"key": key, "effect": effect, "timeAdded": timestamp()}
        for key, effect in wanted
        if (key, effect) not in there
    ]
    return kept + added


def _tainted(node: dict[str, Any], taints: list[Taint]) -> dict[str, Any]:
    spec = {key: value for key, value in node["spec"].items() if key != "taints"}
    return {**node, "spec": {**spec, "taints": taints} if taints else spec}


def _unready(pod: dict[str, Any]) -> dict[str, Any]:
    conditions = [
        {**one, "status": "False", "lastTransitionTime": timestamp()}
        if one["type"] == "Ready" and one["status"] == "True"
        else one
        for one in pod["status"].get("conditions") or ()
    ]
    return {**pod, "status": {**pod["status"], "conditions": conditions}}
