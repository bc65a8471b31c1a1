# SPDX-License-Identifier: Apache-2.0
"""Binds pending pods to nodes.

Sleeps until a pod waits, a pod leaves a node, or a node changes; what nodes hold is kept by each change.
"""

from __future__ import annotations

import asyncio

from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.kinds import NODES, PODS
from airflow_priority_spark.embedded.objects import Object, is_finished, is_terminating, timestamp
from airflow_priority_spark.embedded.placement import (
    ONE_POD,
    Node,
    emptiest,
    nodes_enough,
    obstacles,
    unschedulable_sentence,
)
from airflow_priority_spark.embedded.pods import Resources, add, pod_requests, subtract

COMPONENT = "default-scheduler"


class Scheduler:
    """One pass over the waiting pods after each change that could help one of them."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._nodes: dict[str, Node] = {}
        self._held: dict[str, tuple[str, Resources]] = {}
        self._waiting: dict[str, Object] = {}
        self._wake = asyncio.Event()
        self._next_node = 0
        client.listen(NODES, self._on_node)
        client.listen(PODS, self._on_pod)

    async def run(self) -> None:
        """Schedule until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for uid in [pod["metadata"]["uid"] for pod in sorted(self._waiting.values(), key=_turn)]:
                if uid in self._waiting:
                    await self._schedule(self._waiting[uid])

    def _on_node(self, change: str, data: Object, _: Object | None) -> None:
        name = data["metadata"]["name"]
        if change == "DELETED":
            self._nodes.pop(name, None)
            return
        if name not in self._nodes:
            self._nodes[name] = Node(data, add(*(held for node, held in self._held.values() if node == name)))
        self._nodes[name].data = data
        self._wake.set()

    def _on_pod(self, change: str, pod: Object, _: Object | None) -> None:
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        gone = change == "DELETED" or is_finished(pod)
        if gone:
            self._release(uid)
        elif node and uid not in self._held:
            self._hold(uid, node, add(pod_requests(pod["spec"]), {"pods": ONE_POD}))
        if node or gone or is_terminating(pod):
            self._waiting.pop(uid, None)
            return
        if uid not in self._waiting:
            self._wake.set()
        self._waiting[uid] = pod

    def _hold(self, uid: str, node: str, asked: Resources) -> None:
        self._held[uid] = node, asked
        if node in self._nodes:
            self._nodes[node].used = add(self._nodes[node].used, asked)

    def _release(self, uid: str) -> None:
        node, asked = self._held.pop(uid, ("", {}))
        if node in self._nodes:
            self._nodes[node].used = subtract(self._nodes[node].used, asked)
            self._wake.set()

    async def _schedule(self, pod: Object) -> None:
        asked = add(pod_requests(pod["spec"]), {"pods": ONE_POD})
        fitting, reasons = self._look(pod, asked)
        if fitting:
            await self._client.bind(pod, emptiest(fitting, asked).name)
            await self._report_bound(pod)
        else:
            await self._report_unschedulable(pod, unschedulable_sentence(reasons))

    def _look(self, pod: Object, asked: Resources) -> tuple[list[Node], list[list[str]]]:
        """Return enough nodes that fit, and the obstacles of those that do not; goes on where it ended."""
        nodes = list(self._nodes.values())
        fitting: list[Node] = []
        reasons: list[list[str]] = []
        enough = nodes_enough(len(nodes))
        first = self._next_node % max(len(nodes), 1)
        for node in nodes[first:] + nodes[:first]:
            found = obstacles(node, pod, asked)
            if found:
                reasons.append(found)
            else:
                fitting.append(node)
            if len(fitting) >= enough:
                break
        self._next_node = first + len(fitting) + len(reasons)
        return fitting, reasons

    async def _report_bound(self, pod: Object) -> None:
        node, _ = self._held.get(pod["metadata"]["uid"], ("", {}))
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        message = f"Successfully assigned {name} to {node}"
        await self._client.record_event(pod, "Normal", "Scheduled", message, COMPONENT)

    async def _report_unschedulable(self, pod: Object, message: str) -> None:
        """Say why, once: a condition that is already there is not written again."""
        status = pod["status"]
        before = next((item for item in status.get("conditions", ()) if item["type"] == "PodScheduled"), None)
        if before and before["message"] == message:
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": before["lastTransitionTime"] if before else timestamp(),
        }
        await self._client.set_status(PODS, pod, {**status, "conditions": [condition]})
        await self._client.record_event(pod, "Warning", "FailedScheduling", message, COMPONENT)


def _turn(pod: Object) -> tuple[int, str, int]:
    """Order of scheduling: higher pod priority first, then older (kube-scheduler's PrioritySort)."""
    metadata = pod["metadata"]
    return -pod["spec"].get("priority", 0), metadata["creationTimestamp"], int(metadata["resourceVersion"])
