# SPDX-License-Identifier: Apache-2.0
"""Adds nodes for pods that cannot be scheduled and that a new node would help; removes nodes that stay empty.

It knows only pods that exist: who waits for nodes before making pods waits for ever. It behaves as
cluster-autoscaler with one node group: pods are packed onto imagined nodes first, so that one new node is
ordered for all that fit on it. Unlike it, it does not move pods off half-empty nodes. Source: autoscaler
``cluster-autoscaler/core/static_autoscaler.go`` and its FAQ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from airflow_priority_spark.embedded import autoscaler_status as status
from airflow_priority_spark.embedded.daemons import belongs_to_daemon_set, daemon_pod, takes
from airflow_priority_spark.embedded.kinds import CONFIG_MAPS, DAEMON_SETS, NAMESPACES, NODES, PODS
from airflow_priority_spark.embedded.objects import (
    Object,
    generated_name,
    is_finished,
    is_terminating,
    labels_of,
)
from airflow_priority_spark.embedded.occupancy import Occupancy
from airflow_priority_spark.embedded.placement import Node, held_by, obstacles
from airflow_priority_spark.embedded.pools import Pool
from airflow_priority_spark.embedded.reporting import record_event
from airflow_priority_spark.embedded.scheduler import group_of
from airflow_priority_spark.embedded.shrinking import Shrinking
from airflow_priority_spark.embedded.store import Change
from airflow_priority_spark.embedded.verbs import Verbs

COMPONENT = "cluster-autoscaler"
# ``--scan-interval`` is ten seconds upstream; here the delay is what is waited for.
SCAN_SECONDS = 0.5
# ``--expendable-pods-priority-cutoff``: pods below it never cause a node.
LEAST_PRIORITY = -10


class Autoscaler:
    """Looks at waiting pods and empty nodes when something has changed.

    :param scan_seconds: the least time between two looks.
    """

    def __init__(self, verbs: Verbs, pool: Pool, scan_seconds: float = SCAN_SECONDS) -> None:
        self._verbs = verbs
        self._pool = pool
        self._scan_seconds = scan_seconds
        self._known = Occupancy(self._labels_of_namespace)
        self._unschedulable: dict[str, Object] = {}
        # What was said about a pod last; said once.
        self._told: dict[str, str] = {}
        self._coming: dict[str, Node] = {}
        self._shrinking = Shrinking(verbs, pool)
        self._wake = asyncio.Event()
        verbs.store.listen(NODES, self._on_node)
        verbs.store.listen(PODS, self._on_pod)

    async def run(self) -> None:
        """Scale until cancelled."""
        while True:
            self._wake.clear()
            self._grow()
            rest = self._shrinking.look(self._own_nodes())
            self._write_status()
            alarm = asyncio.get_running_loop().call_later(rest, self._wake.set) if rest is not None else None
            try:
                await self._wake.wait()
            finally:
                if alarm:
                    alarm.cancel()
            await asyncio.sleep(self._scan_seconds)

    def _labels_of_namespace(self, name: str) -> dict[str, str]:
        record = self._verbs.store.get(NAMESPACES, "", name)
        return dict(labels_of(record.data)) if record else {}

    def _on_node(self, change: Change) -> None:
        node = change.record.data
        if change.type == "DELETED":
            self._known.drop_node(node["metadata"]["name"])
        else:
            self._known.put_node(node)
        self._wake.set()

    def _on_pod(self, change: Change) -> None:
        pod = change.record.data
        uid, place = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        gone = change.type == "DELETED" or is_finished(pod)
        if gone:
            self._known.release(uid)
        elif place:
            self._known.hold(pod, place)
        if not gone and not place and _asks_for_a_node(pod):
            self._unschedulable[uid] = pod
        else:
            self._unschedulable.pop(uid, None)
            self._told.pop(uid, None)
        self._wake.set()

    def _own_nodes(self) -> list[Node]:
        return [node for node in self._known.nodes.values() if _is_of(self._pool, node.data)]

    def _grow(self) -> None:
        """Order the nodes that the waiting pods need and that are not on their way yet."""
        own, coming = self._own_nodes(), len(self._coming)
        # A node that has just come may not be filled yet.
        imagined = [*own, *self._coming.values()]
        before, helped = len(imagined), []
        searched: dict[str, int] = {}
        for pod in sorted(self._unschedulable.values(), key=_turn):
            group = group_of(pod, held_by(pod))
            searched[group] = self._pack(pod, imagined, searched.get(group, 0))
            if searched[group] < len(imagined):
                continue
            fresh = self._imagined_node()
            if not self._fits(pod, fresh):
                self._tell_not(pod, self._why_not(pod, fresh))
            elif len(imagined) >= self._pool.most:
                self._tell_not(pod, "1 max node group size reached")
            else:
                imagined.append(fresh.with_pod(pod))
                helped.append(pod)
        for node in imagined[before:]:
            self._order(Node(node.data))
        if helped:
            sizes = f"{len(own) + coming}->{len(own) + len(self._coming)}"
            grown = f"{self._pool.node.name} {sizes} (max: {self._pool.most})"
            self._tell(helped, "Normal", "TriggeredScaleUp", f"pod triggered scale-up: [{{{grown}}}]")

    def _pack(self, pod: Object, imagined: list[Node], first: int) -> int:
        """Put a pod on the first node from ``first`` on that takes it; returns which, or their number."""
        for index in range(first, len(imagined)):
            if self._fits(pod, imagined[index]):
                imagined[index] = imagined[index].with_pod(pod)
                return index
        return len(imagined)

    def _fits(self, pod: Object, node: Node) -> bool:
        asked = held_by(pod)
        if obstacles(node, pod, asked):
            return False
        return not obstacles(node, pod, asked, self._known.neighbourhood(pod, node))

    def _why_not(self, pod: Object, node: Node) -> str:
        found = obstacles(node, pod, held_by(pod), self._known.neighbourhood(pod, node))
        return ", ".join(f"1 {reason}" for reason in found)

    def _imagined_node(self) -> Node:
        """Return a new node as it will be, with the pods that every node has."""
        name = generated_name(f"{self._pool.node.name}-")
        manifest = self._pool.node.manifest()
        metadata = manifest["metadata"]
        metadata |= {
            "name": name,
            "labels": {**metadata["labels"], "kubernetes.io/hostname": name},
            "annotations": {status.POOL_MARK: self._pool.node.name},
        }
        node = Node(manifest)
        for record in self._verbs.store.all(DAEMON_SETS):
            pod = daemon_pod(record.data, name)
            if takes(pod, manifest):
                pod["metadata"] |= {"uid": record.data["metadata"]["uid"]}
                pod["metadata"]["namespace"] = record.data["metadata"]["namespace"]
                node = node.with_pod(pod)
        return node

    def _order(self, node: Node) -> None:
        self._coming[node.name] = self._with_daemons(node)
        asyncio.get_running_loop().call_later(self._pool.delay_seconds, self._deliver, node)

    def _with_daemons(self, node: Node) -> Node:
        fresh = self._imagined_node()
        return Node(node.data, fresh.used, fresh.pods)

    def _deliver(self, node: Node) -> None:
        self._coming.pop(node.name, None)
        self._verbs.create(NODES, "", node.data)

    def _tell_not(self, pod: Object, why: str) -> None:
        self._tell([pod], "Normal", "NotTriggerScaleUp", f"pod didn't trigger scale-up: {why}")

    def _tell(self, pods: Iterable[Object], severity: str, reason: str, message: str) -> None:
        for pod in pods:
            if self._told.get(pod["metadata"]["uid"]) != message:
                self._told[pod["metadata"]["uid"]] = message
                record_event(self._verbs, pod, severity, reason, message, COMPONENT)

    def _write_status(self) -> None:
        body = status.status_config_map(
            self._pool,
            present=len(self._own_nodes()),
            coming=len(self._coming),
            candidates=self._shrinking.candidates,
        )
        place = status.STATUS_NAMESPACE, status.STATUS_NAME
        if self._verbs.store.get(CONFIG_MAPS, *place) is None:
            self._verbs.create(CONFIG_MAPS, place[0], body)
        else:
            annotations = body["metadata"]["annotations"]
            self._verbs.update(
                CONFIG_MAPS,
                *place,
                lambda data: {
                    **data,
                    "metadata": {**data["metadata"], "annotations": annotations},
                    "data": body["data"],
                },
            )


def _asks_for_a_node(pod: Object) -> bool:
    """Whether the scheduler has said that a pod fits nowhere, and nobody leaves for it."""
    unschedulable = any(
        one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable"
        for one in pod["status"].get("conditions") or ()
    )
    waits = not is_terminating(pod) and not pod["status"].get("nominatedNodeName")
    worthy = (pod["spec"].get("priority") or 0) >= LEAST_PRIORITY
    return unschedulable and waits and worthy and not belongs_to_daemon_set(pod)


def _is_of(pool: Pool, node: Object) -> bool:
    return status.is_annotated(node, ((status.POOL_MARK, pool.node.name),))


def _turn(pod: Object) -> tuple[int, str, str]:
    """Return the scheduler's order; equal pods by name, so that the same pods mean the same nodes."""
    metadata = pod["metadata"]
    return -(pod["spec"].get("priority") or 0), metadata["creationTimestamp"], metadata["name"]
