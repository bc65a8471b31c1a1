# SPDX-License-Identifier: Apache-2.0
"""Binds pending pods to nodes.

A pod is tried when it is new. One that fits nowhere is parked; a change of a node is held against one pod of
every kind that is parked, and wakes those that it helps.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping

from airflow_priority_spark.embedded.affinity import (
    NO_EXISTING_ANTI_AFFINITY,
    cares_for_others,
)
from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.kinds import NAMESPACES, NODES, PODS
from airflow_priority_spark.embedded.objects import Object, is_finished, is_terminating, labels_of, timestamp
from airflow_priority_spark.embedded.occupancy import Occupancy
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
from airflow_priority_spark.embedded.pods import Resources, disrupted
from airflow_priority_spark.embedded.preemption import Plan, may_preempt, plan, priority_of
from airflow_priority_spark.embedded.scheduling_queue import SchedulingQueue

COMPONENT = "default-scheduler"
# How often pods are looked for that were forgotten (``flushUnschedulablePodsLeftover``).
FLUSH_SECONDS = 30.0


class Scheduler:
    """Tries the pods of a queue one after the other, and wakes those that an event may help."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._known = Occupancy(lambda name: self._namespaces.get(name, {}))
        self._queue = SchedulingQueue(time.monotonic)
        # Nodes with more room, or other rules, than when pods were parked; and whether pods came or went at
        # all.
        self._better: set[str] = set()
        self._moved = False
        # What was said of pods that ask for the same, as long as no node got better since.
        self._verdicts: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._next_node = 0
        client.listen(NAMESPACES, self._on_namespace)
        client.listen(NODES, self._on_node)
        client.listen(PODS, self._on_pod)

    async def run(self) -> None:
        """Schedule until cancelled."""
        while True:
            self._wake.clear()
            self._wake_helped()
            pod = self._queue.pop()
            if pod is None:
                await self._rest()
                continue
            try:
                await self._schedule(pod)
            except Exception:
                self._queue.retry(pod)
                raise
            await asyncio.sleep(0)

    async def _rest(self) -> None:
        """Wait for an event, the end of a back-off, or the next look at forgotten pods."""
        loop, backoff = asyncio.get_running_loop(), self._queue.seconds_to_next()
        seconds = FLUSH_SECONDS if backoff is None else min(backoff, FLUSH_SECONDS)
        alarm = loop.call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            alarm.cancel()
        if alarm.when() <= loop.time():
            self._queue.wake_forgotten()

    def _on_namespace(self, _: str, data: Object, __: Object | None) -> None:
        self._namespaces[data["metadata"]["name"]] = labels_of(data)

    def _on_node(self, change: str, data: Object, before: Object | None) -> None:
        if change == "DELETED":
            self._known.drop_node(data["metadata"]["name"])
            self._verdicts.clear()
            self._moved = True
            return
        self._known.put_node(data)
        if before is None or _rules(before) != _rules(data):
            self._improve(data["metadata"]["name"])

    def _on_pod(self, change: str, pod: Object, _: Object | None) -> None:
        uid, place = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        gone = change == "DELETED" or is_finished(pod)
        if gone:
            self._improve(self._known.release(uid))
        elif place:
            self._moved = self._moved or not self._known.place_of(uid)
            self._known.hold(pod, place)
        if place or gone or is_terminating(pod) or _is_not_ours(pod):
            self._queue.drop(uid)
            self._improve(self._known.withdraw(uid))
        elif self._queue.put(pod):
            self._wake.set()

    def _improve(self, place: str) -> None:
        if place:
            self._better.add(place)
            self._verdicts.clear()
            self._moved = True
            self._wake.set()

    def _wake_helped(self) -> None:
        """Wake the first of every kind that fits a node that has changed, and those that care for others."""
        if not (self._better or self._moved):
            return
        nodes = [self._known.nodes[name] for name in self._better if name in self._known.nodes]
        self._better, self._moved = set(), False
        for group, head in self._queue.heads():
            if head.alone or self._fits_one_of(nodes, head.pod):
                self._queue.wake(group)

    def _fits_one_of(self, nodes: list[Node], pod: Object) -> bool:
        asked, neighbourhood = held_by(pod), self._known.neighbourhood(pod)
        return any(
            not obstacles(self._known.with_promises(node, pod), pod, asked, neighbourhood) for node in nodes
        )

    async def _schedule(self, pod: Object) -> None:
        asked = held_by(pod)
        group = group_of(pod, asked)
        if known := self._verdict(pod, group):
            self._queue.park(pod, group, alone=False)
            await self._report_unschedulable(pod, known, None)
            return
        fitting, reasons = self._look(pod, asked)
        if fitting:
            await self._client.bind(pod, emptiest(fitting, pod, asked).name)
            await self._report_bound(pod)
            self._queue.wake(group)
            return
        alone = cares_for_others(pod) or any(NO_EXISTING_ANTI_AFFINITY in found for found in reasons.values())
        self._queue.park(pod, pod["metadata"]["uid"] if alone else group, alone=alone)
        if self._known.awaits_victims(pod):
            return
        found, words = self._preempt(pod, asked, reasons)
        message = unschedulable_sentence(list(reasons.values())) + words
        if not found and not alone:
            self._verdicts[group] = message
        await self._report_unschedulable(pod, message, found)
        if found:
            await self._evict(pod, found)

    def _verdict(self, pod: Object, group: str) -> str:
        """Return what is said of a pod without looking at any node; empty when they have to be looked at."""
        may_push = may_preempt(pod) and self._known.has_weaker_pods(priority_of(pod))
        return "" if may_push or cares_for_others(pod) else self._verdicts.get(group, "")

    def _look(self, pod: Object, asked: Resources) -> tuple[list[Node], dict[str, list[str]]]:
        """Return enough nodes that fit, and the obstacles of those that do not; goes on where it ended."""
        nodes = list(self._known.nodes.values())
        neighbourhood = self._known.neighbourhood(pod)
        fitting: list[Node] = []
        reasons: dict[str, list[str]] = {}
        enough = nodes_enough(len(nodes))
        first = self._next_node % max(len(nodes), 1)
        for node in nodes[first:] + nodes[:first]:
            found = obstacles(self._known.with_promises(node, pod), pod, asked, neighbourhood)
            if found:
                reasons[node.name] = found
            else:
                fitting.append(node)
            if len(fitting) >= enough:
                break
        self._next_node = first + len(fitting) + len(reasons)
        return fitting, reasons

    def _preempt(
        self, pod: Object, asked: Resources, reasons: Mapping[str, list[str]]
    ) -> tuple[Plan | None, str]:
        """Return whom to push out, or the words for why that does not help."""
        if not reasons:
            return None, ""
        nodes = [
            self._known.nodes[name]
            for name, found in reasons.items()
            if is_resolvable(self._known.nodes[name], found, asked)
        ]
        allowed = may_preempt(pod)

        def fits(node: Node) -> bool:
            trial = self._known.with_promises(node, pod)
            return not obstacles(trial, pod, asked, self._known.neighbourhood(pod, node))

        worthwhile = allowed and self._known.has_weaker_pods(priority_of(pod))
        found = plan(pod, nodes, fits) if worthwhile else None
        if found:
            return found, ""
        return None, preemption_sentence(len(reasons), len(nodes), allowed=allowed)

    async def _evict(self, pod: Object, found: Plan) -> None:
        for victim in found.victims:
            why = f"{COMPONENT}: preempting to accommodate a higher priority pod"
            status = disrupted(victim, "PreemptionByScheduler", why)["status"]
            await self._client.set_status(PODS, victim, status)
            await self._client.delete(PODS, victim)
            message = f"Preempted by pod {pod['metadata']['uid']} on node {found.node.name}"
            await self._client.record_event(victim, "Normal", "Preempted", message, COMPONENT)

    async def _report_bound(self, pod: Object) -> None:
        node = self._known.place_of(pod["metadata"]["uid"])
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
            self._known.nominate(pod, found.node.name)
        await self._client.set_status(PODS, pod, status)
        await self._client.record_event(pod, "Warning", "FailedScheduling", message, COMPONENT)


def _is_not_ours(pod: Object) -> bool:
    """Whether a pod asks for another scheduler, or is not to be scheduled yet."""
    return pod["spec"].get("schedulerName", COMPONENT) != COMPONENT or bool(
        pod["spec"].get("schedulingGates")
    )


def _rules(node: Object) -> tuple[object, ...]:
    """Return the parts of a node that decide who fits on it."""
    return node.get("spec"), node.get("status", {}).get("allocatable"), labels_of(node)


def group_of(pod: Object, asked: Resources) -> str:
    """Return the same text for pods that fit, and may push out, the same."""
    spec = pod["spec"]
    rules = [
        spec.get("nodeSelector"),
        (spec.get("affinity") or {}).get("nodeAffinity"),
        spec.get("tolerations"),
        spec.get("priority"),
        spec.get("preemptionPolicy"),
        sorted((name, amount.nanos) for name, amount in asked.items()),
    ]
    return json.dumps(rules, sort_keys=True)
