# SPDX-License-Identifier: Apache-2.0
"""The free room of a cluster's nodes, ordered so that the best fit is found without a scan.

Nodes with the same labels (those anybody selects by) and the same taints are of one *kind*: a pod
may run on all of them or on none. Inside a kind, nodes with the same free room are one entry of a
list sorted by free room, CPU first. The best fit is then the first entry, from a pod's own request
upward, in which it fits; placing a pod moves one node between entries. A cluster of 2,000 equal
nodes is one entry.

Source of the fit: ``NodeResourcesFit`` (a resource that is not requested is not looked at; every pod
takes one of ``pods``); of the taints: ``TaintToleration``/``ToleratesTaint`` in
``k8s.io/api/core/v1/toleration.go``.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from airflow_priority_spark.scheduling.model import NodeView, Taint, Toleration
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.scheduling.usage import Shape

#: Amounts in the order of the pool's dimensions; negative where a node is over-committed.
Vector = tuple[int, ...]
#: What was taken from which node.
Taken = list[tuple[int, Vector]]


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Tell whether one toleration tolerates one taint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value


class Kind:
    """Nodes that the same pods may run on, by free room.

    :param labels: those that somebody selects by.
    :param taints: those that keep pods away (``NoSchedule``, ``NoExecute``).
    """

    __slots__ = ("entries", "labels", "members", "taints")

    def __init__(self, labels: Mapping[str, str], taints: tuple[Taint, ...]) -> None:
        self.labels, self.taints = labels, taints
        self.entries: list[Vector] = []
        self.members: dict[Vector, list[int]] = {}

    def accepts(self, shape: Shape) -> bool:
        """Tell whether selector and tolerations let a pod run here, room aside."""
        return all(self.labels.get(name) == value for name, value in shape.node_selector) and all(
            any(tolerates(toleration, taint) for toleration in shape.tolerations) for taint in self.taints
        )

    def add(self, node: int, free: Vector) -> None:
        """Enter a node."""
        nodes = self.members.get(free)
        if nodes is None:
            self.members[free] = [node]
            insort(self.entries, free)
        else:
            insort(nodes, node)

    def remove(self, node: int, free: Vector) -> None:
        """Take a node out."""
        nodes = self.members[free]
        del nodes[bisect_left(nodes, node)]
        if not nodes:
            del self.members[free]
            del self.entries[bisect_left(self.entries, free)]


class Need:
    """What one pod takes from a node, ready for comparison.

    :param vector: amounts in the order of the pool's dimensions.
    """

    __slots__ = ("parts", "vector")

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        self.parts = tuple((index, amount) for index, amount in enumerate(vector) if amount > 0)

    def fits(self, free: Vector) -> bool:
        """Tell whether one pod fits."""
        for index, amount in self.parts:  # noqa: SIM110 - a generator here doubles the time of a decision
            if free[index] < amount:
                return False
        return True

    def times(self, free: Vector) -> int:
        """Return how many pods fit."""
        return max(0, min(free[index] // amount for index, amount in self.parts))


class NodePool:
    """The working copy of the nodes' free room.

    :param nodes: nodes that accept pods; their order does not matter.
    :param shapes: every pod that will be asked about; they fix which labels and resources count.
    :param used: per node name, what the pods on it request (``pods`` not included) and how many they are.
    """

    def __init__(
        self,
        nodes: Iterable[NodeView],
        shapes: Iterable[Shape],
        used: Callable[[str], tuple[Mapping[str, int], int]],
    ) -> None:
        wanted = list(shapes)
        others = {name for shape in wanted for name in shape.requests} - {"cpu", "memory", "pods"}
        self.dimensions = ("cpu", "memory", "pods", *sorted(others))
        selected = sorted({name for shape in wanted for name, _ in shape.node_selector})
        ordered = sorted(nodes, key=lambda node: node.name)
        self.names = [node.name for node in ordered]
        self.index = {name: index for index, name in enumerate(self.names)}
        self.kinds: list[Kind] = []
        self._kind_of: list[Kind] = []
        self._free: list[Vector] = []
        self._accepting: dict[tuple[object, object], list[Kind]] = {}
        self._needs: dict[Resources, Need] = {}
        known: dict[tuple[object, object], Kind] = {}
        fill: dict[int, dict[Vector, list[int]]] = defaultdict(lambda: defaultdict(list))
        for index, node in enumerate(ordered):
            kind = self._kind(node, selected, known)
            free = self._room(node, *used(node.name))
            self._kind_of.append(kind)
            self._free.append(free)
            fill[id(kind)][free].append(index)
        for kind in self.kinds:
            kind.members = dict(fill[id(kind)])
            kind.entries = sorted(kind.members)

    def _kind(
        self, node: NodeView, selected: Sequence[str], known: dict[tuple[object, object], Kind]
    ) -> Kind:
        labels = {name: node.labels[name] for name in selected if name in node.labels}
        taints = tuple(sorted(taint for taint in node.taints if taint.effect in ("NoSchedule", "NoExecute")))
        key = (tuple(labels.items()), taints)
        if key not in known:
            known[key] = Kind(labels, taints)
            self.kinds.append(known[key])
        return known[key]

    def _room(self, node: NodeView, requests: Mapping[str, int], pods: int) -> Vector:
        return tuple(
            node.allocatable[name] - (pods if name == "pods" else requests.get(name, 0))
            for name in self.dimensions
        )

    def need(self, requests: Resources) -> Need:
        """Return what one pod of these requests takes from a node."""
        found = self._needs.get(requests)
        if found is None:
            amounts = tuple(1 if name == "pods" else max(0, requests[name]) for name in self.dimensions)
            found = self._needs[requests] = Need(amounts)
        return found

    def accepting(self, shape: Shape) -> list[Kind]:
        """Return the kinds of node that accept a pod, room aside."""
        key = (shape.node_selector, shape.tolerations)
        if key not in self._accepting:
            self._accepting[key] = [kind for kind in self.kinds if kind.accepts(shape)]
        return self._accepting[key]

    def entries(self, shape: Shape) -> Iterator[tuple[Vector, list[int], Kind]]:
        """Yield every distinct free room among the nodes that accept a pod, with the nodes that have it."""
        for kind in self.accepting(shape):
            for free in kind.entries:
                yield free, kind.members[free], kind

    def best_fit(self, shape: Shape) -> int | None:
        """Return the node with the least free room in which a pod fits: CPU, then memory, …, then name."""
        need, best = self.need(shape.requests), None
        for kind in self.accepting(shape):
            entries = kind.entries
            start = bisect_left(entries, need.vector) if need.vector[0] else 0
            for position in range(start, len(entries)):
                free = entries[position]
                if best is not None and free > best[0]:
                    break
                if need.fits(free):
                    found = (free, kind.members[free][0])
                    best = found if best is None else min(best, found)
                    break
        return None if best is None else best[1]

    def free(self, node: int) -> Vector:
        """Return a node's free room."""
        return self._free[node]

    def take(self, node: int, amount: Vector, times: int = 1) -> None:
        """Take room from a node; a negative ``times`` gives it back."""
        kind, free = self._kind_of[node], self._free[node]
        left = tuple([have - part * times for have, part in zip(free, amount, strict=True)])
        kind.remove(node, free)
        kind.add(node, left)
        self._free[node] = left

    def give_back(self, taken: Taken) -> None:
        """Undo what was taken."""
        for node, amount in taken:
            self.take(node, amount, -1)

    def put(self, shape: Shape, count: int) -> tuple[int, Taken]:
        """Place up to ``count`` equal pods, filling the best fitting node first.

        :return: how many found no node, and what was taken.
        """
        need, taken = self.need(shape.requests), []
        while count > 0 and (node := self.best_fit(shape)) is not None:
            times = min(count, need.times(self._free[node]))
            self.take(node, need.vector, times)
            taken.append((node, tuple([part * times for part in need.vector])))
            count -= times
        return max(0, count), taken

    def capacity(self, shape: Shape, enough: int) -> int:
        """Return how many equal pods fit; counting stops at ``enough``."""
        need, total = self.need(shape.requests), 0
        for kind in self.accepting(shape):
            for free in reversed(kind.entries):
                if need.vector[0] and free[0] < need.vector[0]:
                    break
                total += need.times(free) * len(kind.members[free])
                if total >= enough:
                    return total
        return total
