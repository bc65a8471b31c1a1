# SPDX-License-Identifier: Apache-2.0
"""A node that is lost, on demand: its state becomes unknown, and its pods are evicted but not gone.

The control plane does the rest (``node_lifecycle``, ``taint_eviction``). The node counts as lost at once,
without the forty seconds of missing heartbeats; its pods are asked to go after the five minutes that every
pod tolerates, or earlier when the fault says so (``evict-after``).
"""

from __future__ import annotations

import asyncio
from typing import Any

from airflow_priority_spark.embedded import durations
from airflow_priority_spark.embedded.deletion import Deletion
from airflow_priority_spark.embedded.faults import Fault, FaultBoard
from airflow_priority_spark.embedded.kinds import NODES, PODS
from airflow_priority_spark.embedded.objects import is_finished, timestamp
from airflow_priority_spark.embedded.verbs import Verbs

_LOST = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
_BACK = ("True", "KubeletReady", "kubelet is posting ready status")


class NodeFaults:
    """Follows the faults ``lost-node``."""

    def __init__(self, verbs: Verbs, board: FaultBoard) -> None:
        self._verbs = verbs
        self._board = board
        board.listen(self._on_fault)

    def _on_fault(self, what: str, fault: Fault) -> None:
        if fault.kind != "lost-node" or self._verbs.store.get(NODES, "", fault["node"]) is None:
            return
        if what == "added":
            self._mark(fault["node"], _LOST)
            seconds = durations.seconds(fault["evict-after"])
            asyncio.get_running_loop().call_later(seconds, self._evict, fault)
        else:
            self._mark(fault["node"], _BACK)

    def _mark(self, name: str, ready: tuple[str, str, str]) -> None:
        status, reason, message = ready
        condition = {
            "type": "Ready",
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": timestamp(),
            "lastTransitionTime": timestamp(),
        }

        def conditions(node: dict[str, Any]) -> dict[str, Any]:
            others = [item for item in node["status"].get("conditions", ()) if item["type"] != "Ready"]
            return {**node, "status": {**node["status"], "conditions": [*others, condition]}}

        self._verbs.update(NODES, "", name, conditions, status=True)

    def _evict(self, fault: Fault) -> None:
        """Ask the node's pods to go; none does before the node is back, or somebody deletes it by force."""
        if fault not in self._board.active():
            return
        for record in list(self._verbs.store.all(PODS)):
            if record.data["spec"].get("nodeName") == fault["node"] and not is_finished(record.data):
                self._verbs.delete(PODS, *record.key, Deletion(uid=record.data["metadata"]["uid"]))
