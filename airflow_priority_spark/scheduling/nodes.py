# SPDX-License-Identifier: Apache-2.0
"""The free room of a cluster's nodes, ordered so that the best fit is found without a scan.

Nodes with the same labels (those anybody selects by) and the same taints are of one *kind*: a pod
may run on all of them or on none. Inside a kind, nodes with the same free room are one entry of a
shelf sorted by free room, CPU first. The best fit is then the first entry, from a pod's own request
upward, in which it fits; placing a pod moves one node between entries. A cluster of 2,000 equal
nodes is one entry.

A pool outlives a decision: what the decision took is given back by ``rollback``, and between two
decisions only the nodes whose pods have changed are set anew.

Source of the fit: ``NodeResourcesFit`` (a resource that is not requested is not looked at; every pod
takes one of ``pods``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from heapq import merge
from itertools import groupby, repeat
from operator import itemgetter
from typing import NamedTuple

from airflow_priority_spark.scheduling.constraints import NamespaceLabels, accepts_node
from airflow_priority_spark.scheduling.model import NodeView, Taint
from airflow_priority_spark.scheduling.neighbours import Society
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.scheduling.shelf import Parts, Shelf, Vector
from airflow_priority_spark.scheduling.taints import untolerated
from airflow_priority_spark.scheduling.usage import Company, Party, Shape, count

_FIRST = ("cpu", "memory", "pods")


class Piece(NamedTuple):
    """What was taken from one node: so many times an amount, for these pods."""

    node: int
    amount: Vector
    times: int = 1
    who: tuple[tuple[Company, int], ...] = ()


#: What was taken from which node.
Taken = list[Piece]
#: Labels that somebody selects by, taints, and the name where it matters.
_KindKey = tuple[tuple[tuple[str, str], ...], tuple[Taint, ...], str]
Residents = Callable[[], Iterable[tuple[str, Company]]]


class Kind:
    """Nodes that the same pods may run on, by free room.

    :param labels: those that somebody selects by.
    :param taints: those that keep pods away (``NoSchedule``, ``NoExecute``).
    :param name: of the node, where somebody asks for nodes by name; else empty.
    :param fill: free room → nodes, each list in order.
    """

    __slots__ = ("labels", "members", "name", "shelf", "size", "taints")

    def __init__(
        self,
        labels: Mapping[str, str],
        taints: tuple[Taint, ...],
        name: str,
        fill: dict[Vector, list[int]],
    ) -> None:
        self.labels, self.taints, self.name, self.members = labels, taints, name, fill
        self.shelf = Shelf(fill)
        self.size = sum(map(len, fill.values()))

    def accepts(self, shape: Shape) -> bool:
        """Tell whether selector, affinity and tolerations let a pod run here, room aside."""
        return (
            all(self.labels.get(name) == value for name, value in shape.node_selector)
            and not untolerated(self.taints, shape.tolerations)
            and accepts_node(shape.nodes, self.name, self.labels)
        )

    def move(self, node: int, before: Vector, after: Vector) -> None:
        """Put a node where its new free room belongs."""
        nodes = self.members[before]
        if len(nodes) == 1:
            del self.members[before]
            self.shelf.remove(before)
        else:
            del nodes[bisect_left(nodes, node)]
        others = self.members.get(after)
        if others is None:
            self.members[after] = [node]
            self.shelf.add(after)
        else:
            insort(others, node)


class Need:
    """What one pod takes from a node, ready for comparison.

    :param vector: amounts in the order of the pool's dimensions.
    :param met: every resource it asks for is one that some node has.
    """

    __slots__ = ("least", "met", "parts", "vector")

    def __init__(self, vector: Vector, *, met: bool) -> None:
        self.vector, self.met = vector, met
        self.parts: Parts = tuple((index, amount) for index, amount in enumerate(vector) if amount > 0)
        #: No room below it is enough.
        self.least: Vector = vector[:1] if vector[0] else ()

    def fits(self, free: Vector) -> bool:
        """Tell whether one pod fits."""
        return self.met and all(free[index] >= amount for index, amount in self.parts)

    def times(self, free: Vector) -> int:
        """Return how many pods fit."""
        if not self.met:
            return 0
        return max(0, min([free[index] // amount for index, amount in self.parts]))


class NodePool:
    """The working copy of the nodes' free room.

    :param nodes: all of them; those that are not ready take nobody, but their pods are somebody's company.
    :param used: per node name, what the pods on it request (``pods`` not included) and how many they are.
    :param residents: the pods that are on nodes, and where; asked when somebody cares.
    :param namespace_labels: of the namespaces that are known.
    """

    def __init__(
        self,
        nodes: Iterable[NodeView],
        used: Callable[[str], tuple[Mapping[str, int], int]],
        residents: Residents = tuple,
        namespace_labels: NamespaceLabels | None = None,
    ) -> None:
        self.nodes = sorted(nodes, key=lambda node: node.name)
        self.index = {node.name: index for index, node in enumerate(self.nodes)}
        others = {name for node in self.nodes for name in node.allocatable} - set(_FIRST)
        self.dimensions = (*_FIRST, *sorted(others))
        self.residents, self.namespace_labels = residents, namespace_labels or {}
        self._used = used
        self._needs: dict[Resources, Need] = {}
        self._free = [self._room(node) for node in self.nodes]
        self._labels: set[str] = set()
        self._names: set[str] = set()
        self._original: dict[int, Vector] = {}
        #: Pods placed since the last rollback.
        self._placed: dict[tuple[int, Company], int] = {}
        self._society: Society | None = None
        #: What was said about nodes that take no pod of a shape, by the shape without its requests.
        self.left_out: dict[tuple[object, ...], str] = {}
        #: Somebody cares who is around, so that placing needs more than room.
        self.social = False
        self._sort_into_kinds()

    def _room(self, node: NodeView) -> Vector:
        requests, pods = self._used(node.name)
        return tuple(
            [
                node.allocatable[name] - (pods if name == "pods" else requests.get(name, 0))
                for name in self.dimensions
            ]
        )

    def _sort_into_kinds(self) -> None:
        fill: dict[_KindKey, dict[Vector, list[int]]] = defaultdict(dict)
        selected = sorted(self._labels)
        ready = [(index, node) for index, node in enumerate(self.nodes) if node.ready]
        for index, node in ready:
            labels = tuple([(name, node.labels[name]) for name in selected if name in node.labels])
            taints = tuple(sorted(untolerated(node.taints, ()))) if node.taints else ()
            key = (labels, taints, node.name if node.name in self._names else "")
            fill[key].setdefault(self._free[index], []).append(index)
        self.kinds: list[Kind] = []
        self._kind_of: list[Kind | None] = [None] * len(self.nodes)
        self._accepting: dict[tuple[object, ...], list[Kind]] = {}
        for (labels, taints, name), members in fill.items():
            kind = Kind(dict(labels), taints, name, members)
            self.kinds.append(kind)
            for nodes in members.values():
                for index in nodes:
                    self._kind_of[index] = kind

    def need(self, requests: Resources) -> Need:
        """Return what one pod of these requests takes from a node."""
        found = self._needs.get(requests)
        if found is None:
            amounts = tuple(1 if name == "pods" else max(0, requests[name]) for name in self.dimensions)
            met = all(name in self.dimensions for name, amount in requests.items() if amount > 0)
            found = self._needs[requests] = Need(amounts, met=met)
        return found

    def accepting(self, shape: Shape) -> list[Kind]:
        """Return the kinds of node that accept a pod, room aside."""
        key = shape[1:]
        found = self._accepting.get(key)
        if found is None:
            self._distinguish(shape)
            found = self._accepting[key] = [kind for kind in self.kinds if kind.accepts(shape)]
        return found

    def _distinguish(self, shape: Shape) -> None:
        """Sort the nodes anew when somebody selects by a label that nobody selected by before."""
        labels = {name for name, _ in shape.node_selector}
        labels.update(one.key for term in shape.nodes for one in term.labels)
        names = {name for term in shape.nodes for one in term.fields for name in one.values}
        if not (labels <= self._labels and names <= self._names):
            self._labels |= labels
            self._names |= names
            self._sort_into_kinds()

    def accepted(self, shape: Shape) -> int:
        """Return how many ready nodes accept a pod, room aside."""
        return sum(kind.size for kind in self.accepting(shape))

    def entries(self, shape: Shape) -> Iterator[tuple[Vector, list[int], Kind]]:
        """Yield every distinct free room in which a pod fits, with the nodes that have it, kind by kind."""
        need = self.need(shape.requests)
        for kind in self.accepting(shape):
            for free in kind.shelf.fitting(need.parts) if need.met else ():
                yield free, kind.members[free], kind

    def in_order(self, shape: Shape) -> Iterator[int]:
        """Yield every node in which a pod fits, the best fit first; the pool must not change meanwhile."""
        need = self.need(shape.requests)
        kinds = self.accepting(shape) if need.met else []
        rooms = [zip(kind.shelf.fitting(need.parts), repeat(kind.members)) for kind in kinds]
        for _, equal in groupby(merge(*rooms, key=itemgetter(0)), key=itemgetter(0)):
            yield from sorted(node for free, members in equal for node in members[free])

    def largest_hole(self, shape: Shape) -> Vector | None:
        """Return the free room that is nearest to a pod's size, or exceeds it most; ``None``: no node."""
        parts = self.need(shape.requests).parts

        def score(free: Vector) -> tuple[Fraction, Vector]:
            return min([Fraction(free[index], amount) for index, amount in parts]), free

        holes = [hole for kind in self.accepting(shape) if (hole := kind.shelf.greatest(score))]
        return max(holes, key=score, default=None)

    def best_fit(self, shape: Shape) -> int | None:
        """Return the node with the least free room in which a pod fits: CPU, then memory, …, then name."""
        need = self.need(shape.requests)
        best: tuple[Vector, int] | None = None
        for kind in self.accepting(shape) if need.met else ():
            free = kind.shelf.first_fit(need.parts, need.least)
            if free is not None and (best is None or free <= best[0]):
                found = (free, kind.members[free][0])
                best = found if best is None else min(best, found)
        return None if best is None else best[1]

    def free(self, node: int) -> Vector:
        """Return a node's free room."""
        return self._free[node]

    def take(self, piece: Piece, sign: int = 1) -> None:
        """Take room from a node; with ``sign`` -1 give it back."""
        free, times = self._free[piece.node], piece.times * sign
        left = tuple([have - part * times for have, part in zip(free, piece.amount, strict=True)])
        self._original.setdefault(piece.node, free)
        self._set(piece.node, left)
        for company, number in piece.who:
            count(self._placed, (piece.node, company), number * sign)
            if self._society is not None:
                self._society.add(piece.node, company, number * sign)

    def _set(self, node: int, left: Vector) -> None:
        kind = self._kind_of[node]
        if kind is not None and left != self._free[node]:
            kind.move(node, self._free[node], left)
        self._free[node] = left

    def give_back(self, taken: Taken) -> None:
        """Undo what was taken."""
        for piece in taken:
            self.take(piece, -1)

    def rollback(self) -> None:
        """Undo everything since the last rollback."""
        for node, free in self._original.items():
            self._set(node, free)
        self._original, self._placed, self._society, self.social = {}, {}, None, False

    def refresh(self, names: Iterable[str]) -> None:
        """Set the free room of nodes whose pods have changed; to be called after ``rollback``."""
        for name in names:
            node = self.index.get(name)
            if node is not None:
                self._set(node, self._room(self.nodes[node]))

    def put(self, shape: Shape, party: Party) -> tuple[int, Taken]:
        """Place as many equal pods as fit, filling the best fitting node first.

        :return: how many found no node, and what was taken.
        """
        need, taken = self.need(shape.requests), []
        waiting = list(party.items())
        left = sum(number for _, number in waiting if number > 0)
        while left > 0 and (node := self.best_fit(shape)) is not None:
            times = min(left, need.times(self._free[node]))
            piece = Piece(node, need.vector, times, _next(waiting, times))
            self.take(piece)
            taken.append(piece)
            left -= times
        return left, taken

    def capacity(self, shape: Shape, enough: int) -> int:
        """Return how many equal pods fit; counting stops at ``enough``."""
        need, total = self.need(shape.requests), 0
        for free, nodes, _ in self.entries(shape):
            total += need.times(free) * len(nodes)
            if total >= enough:
                break
        return total

    @property
    def society(self) -> Society:
        """Who is where; made when it is first asked for."""
        if self._society is None:
            there = ((self.index[name], who) for name, who in self.residents() if name in self.index)
            self._society = Society(self.nodes, self.namespace_labels, there)
            for (node, company), number in self._placed.items():
                self._society.add(node, company, number)
        return self._society


def _next(waiting: list[tuple[Company, int]], times: int) -> tuple[tuple[Company, int], ...]:
    """Take so many pods from those that wait, in their order."""
    if len(waiting) == 1:
        return ((waiting[0][0], times),)
    taken = []
    while times > 0 and waiting:
        company, number = waiting[0]
        part = min(times, number)
        if part > 0:
            taken.append((company, part))
        if part == number or number <= 0:
            del waiting[0]
        else:
            waiting[0] = (company, number - part)
        times -= max(0, part)
    return tuple(taken)
