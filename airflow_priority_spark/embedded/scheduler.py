# SPDX-License-Identifier: Apache-2.0
"""Binds pending pods to nodes.

Sleeps until a pod waits, a pod leaves a node, or a node changes; what nodes hold is kept by each change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from airflow_priority_spark.embedded.affinity import Neighbourhood, anti_affinity
from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.kinds import NODES, PODS
from airflow_priority_spark.embedded.objects import Object, is_finished, is_terminating, timestamp
from airflow_priority_spark.embedded.placement import (
    Node,
    emptiest,
    held_by,
    is_resolvable,
    nodes_enough,
    obstacles,
    preemption_sentence,
    unschedulable_sentence,
)
from airflow_priority_spark.embedded.pods import Resources, add, subtract
from airflow_priority_spark.embedded.preemption import Plan, may_preempt, plan, priority_of

COMPONENT = "default-scheduler"


class Scheduler:
    """One pass over the waiting pods after each change that could help one of them."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._nodes: dict[str, Node] = {}
        self._held: dict[str, tuple[str, Resources]] = {}
        # Pods on nodes that keep others away by anti-affinity.
        self._guarded: dict[str, Object] = {}
        # Pods that wait on a node for others to leave it.
        self._nominated: dict[str, Object] = {}
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
            self._hold(pod, node)
        elif node in self._nodes and uid in self._nodes[node].pods:
            self._nodes[node].pods[uid] = pod
        if node or gone or is_terminating(pod) or _is_not_ours(pod):
            self._waiting.pop(uid, None)
            self._nominated.pop(uid, None)
            return
        if uid not in self._waiting:
            self._wake.set()
        self._waiting[uid] = pod

    def _hold(self, pod: Object, node: str) -> None:
        uid, asked = pod["metadata"]["uid"], held_by(pod)
        self._held[uid] = node, asked
        if anti_affinity(pod):
            self._guarded[uid] = pod
        if node in self._nodes:
            self._nodes[node].used = add(self._nodes[node].used, asked)
            self._nodes[node].pods[uid] = pod

    def _release(self, uid: str) -> None:
        node, asked = self._held.pop(uid, ("", {}))
        self._guarded.pop(uid, None)
        if node in self._nodes:
            self._nodes[node].used = subtract(self._nodes[node].used, asked)
            self._nodes[node].pods.pop(uid, None)
            self._wake.set()

    async def _schedule(self, pod: Object) -> None:
        asked = held_by(pod)
        fitting, reasons = self._look(pod, asked)
        if fitting:
            await self._client.bind(pod, emptiest(fitting, asked).name)
            await self._report_bound(pod)
            return
        message = unschedulable_sentence(list(reasons.values()))
        if self._awaits_victims(pod):
            return
        found, words = self._preempt(pod, asked, reasons)
        await self._report_unschedulable(pod, message + words, found)
        if found:
            await self._evict(pod, found)

    def _look(self, pod: Object, asked: Resources) -> tuple[list[Node], dict[str, list[str]]]:
        """Return enough nodes that fit, and the obstacles of those that do not; goes on where it ended."""
        nodes = list(self._nodes.values())
        neighbourhood = self._neighbourhood(pod)
        fitting: list[Node] = []
        reasons: dict[str, list[str]] = {}
        enough = nodes_enough(len(nodes))
        first = self._next_node % max(len(nodes), 1)
        for node in nodes[first:] + nodes[:first]:
            found = obstacles(self._with_nominated(node, pod), pod, asked, neighbourhood)
            if found:
                reasons[node.name] = found
            else:
                fitting.append(node)
            if len(fitting) >= enough:
                break
        self._next_node = first + len(fitting) + len(reasons)
        return fitting, reasons

    def _neighbourhood(self, pod: Object, changed: Node | None = None) -> Neighbourhood:
        """Return what the pods that run mean for a pod; one node may be looked at as changed."""
        nodes = {**self._nodes, **({changed.name: changed} if changed else {})}
        guarded = [
            (other, nodes[place].data)
            for uid, other in self._guarded.items()
            if (place := self._held[uid][0]) in nodes
            and not (changed and place == changed.name and uid not in changed.pods)
        ]
        return Neighbourhood(
            pod, lambda: [(node.data, node.pods.values()) for node in nodes.values()], guarded
        )

    def _with_nominated(self, node: Node, pod: Object) -> Node:
        """Count what pods of the same or higher priority wait for on a node as taken."""
        uid = pod["metadata"]["uid"]
        for other_uid, other in self._nominated.items():
            place = other["status"]["nominatedNodeName"]
            if other_uid != uid and place == node.name and priority_of(other) >= priority_of(pod):
                node = node.with_pod(other)
        return node

    def _awaits_victims(self, pod: Object) -> bool:
        """Whether pods that were told to go for this one are still there."""
        nominated = self._nominated.get(pod["metadata"]["uid"])
        node = self._nodes.get(nominated["status"]["nominatedNodeName"]) if nominated else None
        return node is not None and any(
            is_terminating(other) and priority_of(other) < priority_of(pod) for other in node.pods.values()
        )

    def _preempt(
        self, pod: Object, asked: Resources, reasons: Mapping[str, list[str]]
    ) -> tuple[Plan | None, str]:
        """Return whom to push out, or the words for why that does not help."""
        if not reasons:
            return None, ""
        nodes = [
            self._nodes[name]
            for name, found in reasons.items()
            if is_resolvable(self._nodes[name], found, asked)
        ]
        allowed = may_preempt(pod)

        def fits(node: Node) -> bool:
            trial = self._with_nominated(node, pod)
            return not obstacles(trial, pod, asked, self._neighbourhood(pod, node))

        found = plan(pod, nodes, fits) if allowed else None
        if found:
            return found, ""
        return None, preemption_sentence(len(reasons), len(nodes), allowed=allowed)

    async def _evict(self, pod: Object, found: Plan) -> None:
        for victim in found.victims:
            others = [
                one for one in victim["status"].get("conditions", ()) if one["type"] != "DisruptionTarget"
            ]
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "PreemptionByScheduler",
                "message": f"{COMPONENT}: preempting to accommodate a higher priority pod",
                "lastTransitionTime": timestamp(),
            }
            status = {**victim["status"], "conditions": [*others, condition]}
            await self._client.set_status(PODS, victim, status)
            await self._client.delete(PODS, victim)
            message = f"Preempted by pod {pod['metadata']['uid']} on node {found.node.name}"
            await self._client.record_event(victim, "Normal", "Preempted", message, COMPONENT)

    async def _report_bound(self, pod: Object) -> None:
        node, _ = self._held.get(pod["metadata"]["uid"], ("", {}))
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        message = f"Successfully assigned {name} to {node}"
        await self._client.record_event(pod, "Normal", "Scheduled", message, COMPONENT)

    async def _report_unschedulable(self, pod: Object, message: str, found: Plan | None) -> None:
        """Say why, once: a condition that is already there is not written again."""
        status = pod["status"]
        before = next((item for item in status.get("conditions", ()) if item["type"] == "PodScheduled"), None)
        if before and before.get("message") == message and not found:
            return
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": before["lastTransitionTime"] if before else timestamp(),
        }
        others = [item for item in status.get("conditions", ()) if item["type"] != "PodScheduled"]
        status = {**status, "conditions": [*others, condition]}
        if found:
            status["nominatedNodeName"] = found.node.name
            self._nominated[pod["metadata"]["uid"]] = {**pod, "status": status}
        await self._client.set_status(PODS, pod, status)
        await self._client.record_event(pod, "Warning", "FailedScheduling", message, COMPONENT)


def _is_not_ours(pod: Object) -> bool:
    """Whether a pod asks for another scheduler, or is not to be scheduled yet."""
    return pod["spec"].get("schedulerName", COMPONENT) != COMPONENT or bool(
        pod["spec"].get("schedulingGates")
    )


def _turn(pod: Object) -> tuple[int, str, int]:
    """Order of scheduling: higher pod priority first, then older (kube-scheduler's PrioritySort)."""
    metadata = pod["metadata"]
    return -pod["spec"].get("priority", 0), metadata["creationTimestamp"], int(metadata["resourceVersion"])
