# SPDX-License-Identifier: Apache-2.0
"""What the scheduler knows of the nodes: which pods hold what, and who has been promised room.

Kept by each change, never counted anew: with 20,000 pods a count per decision would be the scheduler's whole
work.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from airflow_priority_spark.embedded.affinity import Labels, Neighbourhood, anti_affinity, cares_for_others
from airflow_priority_spark.embedded.objects import Object, is_terminating
from airflow_priority_spark.embedded.placement import Node, held_by
from airflow_priority_spark.embedded.pods import Resources, add, subtract
from airflow_priority_spark.embedded.preemption import priority_of


class Occupancy:
    """The nodes with their pods.

    :param labels_of_namespace: for pods that look at those of other namespaces.
    """

    def __init__(self, labels_of_namespace: Callable[[str], Labels]) -> None:
        self.nodes: dict[str, Node] = {}
        self._labels_of_namespace = labels_of_namespace
        self._held: dict[str, tuple[str, Resources, int]] = {}
        self._priorities: Counter[int] = Counter()
        # Pods on nodes that keep others away by anti-affinity.
        self._guarded: dict[str, Object] = {}
        # Pods that wait for others to leave a node, by that node.
        self._nominated: dict[str, dict[str, Object]] = defaultdict(dict)

    def put_node(self, data: Object) -> None:
        """Take note of a node, or of its new version."""
        name = data["metadata"]["name"]
        if name not in self.nodes:
            held = [amount for place, amount, _ in self._held.values() if place == name]
            self.nodes[name] = Node(data, add(*held))
        self.nodes[name].data = data

    def drop_node(self, name: str) -> None:
        """Forget a node."""
        self.nodes.pop(name, None)
        self._nominated.pop(name, None)

    def hold(self, pod: Object, place: str) -> None:
        """Count a pod on its node, or take note of its new version."""
        uid = pod["metadata"]["uid"]
        node = self.nodes.get(place)
        if uid not in self._held:
            asked = held_by(pod)
            self._held[uid] = place, asked, priority_of(pod)
            self._priorities[priority_of(pod)] += 1
            if node:
                node.used = add(node.used, asked)
        if anti_affinity(pod):
            self._guarded[uid] = pod
        if node:
            node.pods[uid] = pod

    def release(self, uid: str) -> str:
        """Give back what a pod held; returns its node's name, empty when it held nothing."""
        place, asked, priority = self._held.pop(uid, ("", {}, 0))
        self._guarded.pop(uid, None)
        if place:
            self._priorities[priority] -= 1
        if place in self.nodes:
            self.nodes[place].used = subtract(self.nodes[place].used, asked)
            self.nodes[place].pods.pop(uid, None)
        return place

    def place_of(self, uid: str) -> str:
        """Return the node of a pod, or an empty name."""
        return self._held[uid][0] if uid in self._held else ""

    def has_weaker_pods(self, priority: int) -> bool:
        """Whether any pod on a node has a lower priority."""
        return any(count for other, count in self._priorities.items() if other < priority)

    def nominate(self, pod: Object, place: str) -> None:
        """Promise a node's room to a pod, once others have left it."""
        self.withdraw(pod["metadata"]["uid"])
        self._nominated[place][pod["metadata"]["uid"]] = pod

    def withdraw(self, uid: str) -> str:
        """Take a promise back; returns the node it was about, or an empty name."""
        for place, promised in self._nominated.items():
            if promised.pop(uid, None):
                return place
        return ""

    def awaits_victims(self, pod: Object) -> bool:
        """Whether pods that were told to go for this one are still there."""
        uid = pod["metadata"]["uid"]
        place = next((name for name, promised in self._nominated.items() if uid in promised), "")
        node = self.nodes.get(place)
        return node is not None and any(
            is_terminating(other) and priority_of(other) < priority_of(pod) for other in node.pods.values()
        )

    def with_promises(self, node: Node, pod: Object) -> Node:
        """Count what pods of the same or higher priority wait for on a node as taken."""
        if node.name not in self._nominated:
            return node
        uid = pod["metadata"]["uid"]
        for other_uid, other in self._nominated[node.name].items():
            if other_uid != uid and priority_of(other) >= priority_of(pod):
                node = node.with_pod(other)
        return node

    def neighbourhood(self, pod: Object, changed: Node | None = None) -> Neighbourhood:
        """Return what the pods that run mean for a pod; one node may be looked at as changed."""
        nodes = self.nodes
        if changed and (self._guarded or cares_for_others(pod)):
            nodes = {**self.nodes, changed.name: changed}
        guarded = [
            (other, nodes[place].data)
            for uid, other in self._guarded.items()
            if (place := self._held[uid][0]) in nodes
            and not (changed and place == changed.name and uid not in changed.pods)
        ]
        return Neighbourhood(
            pod,
            lambda: [(node.data, node.pods.values()) for node in nodes.values()],
            guarded,
            self._labels_of_namespace,
        )
