# SPDX-License-Identifier: Apache-2.0
"""Which nodes a pod may run on, and the scheduler's words for why not.

Filters run in the order of kube-scheduler's default profile; a node counts for the first filter it fails,
where resources name everything that is short. Sources: kubernetes ``pkg/scheduler/framework/plugins``
(nodeunschedulable, tainttoleration, nodeaffinity, noderesources; the rest is in ``affinity``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_priority_spark.embedded.affinity import (
    NO_ANTI_AFFINITY,
    NO_EXISTING_ANTI_AFFINITY,
    NO_SPREAD,
    Neighbourhood,
    matches_node_affinity,
)
from airflow_priority_spark.embedded.objects import Object
from airflow_priority_spark.embedded.pods import Resources, add, pod_requests, subtract
from airflow_priority_spark.embedded.quantities import NANO, ZERO, Quantity, parse_all

MINIMUM_CHOICE = 100
_REPELLING = ("NoSchedule", "NoExecute")


@dataclass
class Node:
    """A node, its pods by uid, and what they hold; ``used`` counts pods under ``pods``."""

    data: Object
    used: Resources = field(default_factory=dict)
    pods: dict[str, Object] = field(default_factory=dict, repr=False)
    _offered: Resources = field(default_factory=dict, repr=False)
    _read_from: Object | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Its name."""
        return self.data["metadata"]["name"]

    @property
    def allocatable(self) -> Resources:
        """What it offers to pods; read once for every version of the node."""
        if self._read_from is not self.data:
            status = self.data.get("status", {})
            self._offered = parse_all(status.get("allocatable") or status.get("capacity"))
            self._read_from = self.data
        return self._offered

    def without(self, pods: Iterable[Object]) -> Node:
        """Return the node as it would be if some pods left."""
        gone = {pod["metadata"]["uid"]: pod for pod in pods}
        kept = {uid: pod for uid, pod in self.pods.items() if uid not in gone}
        return Node(self.data, subtract(self.used, add(*map(held_by, gone.values()))), kept)

    def with_pod(self, pod: Object) -> Node:
        """Return the node as it would be with one more pod."""
        return Node(self.data, add(self.used, held_by(pod)), {**self.pods, pod["metadata"]["uid"]: pod})


def held_by(pod: Object) -> Resources:
    """Return what a pod holds of a node."""
    return add(pod_requests(pod["spec"]), {"pods": ONE_POD})


def obstacles(
    node: Node, pod: Object, asked: Mapping[str, Quantity], neighbourhood: Neighbourhood | None = None
) -> list[str]:
    """Return why a pod cannot run on a node; empty when it can."""
    spec, node_spec = pod["spec"], node.data.get("spec", {})
    tolerations = spec.get("tolerations") or ()
    if node_spec.get("unschedulable"):
        return ["node(s) were unschedulable"]
    for taint in node_spec.get("taints") or ():
        if taint["effect"] in _REPELLING and not any(
            tolerates(toleration, taint) for toleration in tolerations
        ):
            return ["node(s) had untolerated taint(s)"]
    if not matches_node_affinity(pod, node.data):
        return ["node(s) didn't match Pod's node affinity/selector"]
    short = _shortages(node, asked)
    if short or neighbourhood is None:
        return short
    obstacle = neighbourhood.obstacle(node.data)
    return [obstacle] if obstacle else []


def is_resolvable(node: Node, reasons: Sequence[str], asked: Mapping[str, Quantity]) -> bool:
    """Whether these obstacles could go with pods of the node (``Unschedulable`` upstream)."""
    if all(reason.startswith(("Insufficient", "Too many")) for reason in reasons):
        offered = node.allocatable
        return all(amount.nanos <= offered.get(name, ZERO).nanos for name, amount in asked.items())
    return all(reason in (NO_SPREAD, NO_ANTI_AFFINITY, NO_EXISTING_ANTI_AFFINITY) for reason in reasons)


def _shortages(node: Node, asked: Mapping[str, Quantity]) -> list[str]:
    offered = node.allocatable
    short = []
    for name, amount in asked.items():
        free = offered.get(name, ZERO).nanos - node.used.get(name, ZERO).nanos
        if amount.nanos and amount.nanos > free:
            short.append("Too many pods" if name == "pods" else f"Insufficient {name}")
    return short


def tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """Whether a toleration matches a taint (k8s.io/component-helpers ``ToleratesTaint``)."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")


def nodes_enough(total: int) -> int:
    """Return how many fitting nodes are enough to choose from.

    As ``numFeasibleNodesToFind`` upstream with ``percentageOfNodesToScore: 5``, its least: big clusters are
    tried out here on two cores.
    """
    return max(total * 5 // 100, MINIMUM_CHOICE)


def emptiest(nodes: Iterable[Node], pod: Object, asked: Mapping[str, Quantity]) -> Node:
    """Return the node left with the largest free share of cpu and memory; ties go to the first name.

    One that would rather not have the pod (``PreferNoSchedule``) comes after those that do not mind.
    """
    return min(nodes, key=lambda node: (_reluctance(node, pod), _share_used(node, asked), node.name))


def _reluctance(node: Node, pod: Object) -> int:
    tolerations = pod["spec"].get("tolerations") or ()
    return sum(
        taint["effect"] == "PreferNoSchedule" and not any(tolerates(one, taint) for one in tolerations)
        for taint in node.data["spec"].get("taints") or ()
    )


def _share_used(node: Node, asked: Mapping[str, Quantity]) -> float:
    offered = node.allocatable
    total = 0.0
    for name in ("cpu", "memory"):
        used = node.used.get(name, ZERO).nanos + asked.get(name, ZERO).nanos
        total += used / max(offered.get(name, ZERO).nanos, 1)
    return total


def unschedulable_sentence(reasons: Sequence[Sequence[str]]) -> str:
    """Return the scheduler's words about every node's obstacles (``FitError.Error`` upstream)."""
    total = len(reasons)
    if not total:
        return "no nodes available to schedule pods"
    counted = Counter(reason for node in reasons for reason in node)
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in counted.items()))
    return f"0/{total} nodes are available: {listed}."


def preemption_sentence(total: int, resolvable: int, *, allowed: bool) -> str:
    """Return the scheduler's words about a preemption that did not come about.

    :param resolvable: the nodes whose obstacles could have gone with a pod.
    :param allowed: whether the pod may push others out.
    """
    head = " no new claims to deallocate, preemption: "
    if not allowed:
        return f"{head}not eligible due to preemptionPolicy=Never."
    parts = [
        f"{resolvable} No preemption victims found for incoming pod" if resolvable else "",
        f"{total - resolvable} Preemption is not helpful for scheduling" if total > resolvable else "",
    ]
    return f"{head}0/{total} nodes are available: {', '.join(filter(None, parts))}."


ONE_POD = Quantity(NANO)
