# SPDX-License-Identifier: Apache-2.0
"""Finding nodes for pods that care who is around them.

Where the executors go depends on where the driver went, and whether the second executor may be in a
zone depends on the first. So pods are placed one by one, in the order in which Kubernetes creates
them (the driver first), and the choices that bind the later ones are tried in turn: the node of a
single pod, and of the first of a group that wants to be together. What is found is valid: every pod
could be bound where it was put, in that order. That nothing is found within the tries is no proof
that nothing exists; such a job waits, it is never called impossible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from airflow_priority_spark.scheduling.neighbours import Neighbours
from airflow_priority_spark.scheduling.nodes import NodePool, Piece, Taken
from airflow_priority_spark.scheduling.usage import Company, Party, Shape

#: So many complete placements are tried for one demand.
MOST_TRIES: Final = 100


class Group(NamedTuple):
    """Equal pods of one demand.

    :param names: of the pod sets they belong to.
    """

    shape: Shape
    company: Company
    number: int
    names: tuple[str, ...] = ()


class _Step(NamedTuple):
    """Some pods to place.

    :param choose: try one node after the other, because the next steps depend on it.
    """

    group: Group
    choose: bool


def neighbours_of(pool: NodePool, group: Group) -> Neighbours:
    """Return what the pods that are there mean for the pods of a group."""
    return Neighbours(pool.society, group.company, group.shape, pool.nodes)


def is_plain(pool: NodePool, groups: Sequence[Group]) -> bool:
    """Tell whether room is all that the pods of a demand need."""
    if any(group.company.affinity.is_social for group in groups):
        return False
    return not pool.social or all(neighbours_of(pool, group).is_free() for group in groups)


def search(pool: NodePool, groups: Sequence[Group]) -> Taken | None:
    """Place a whole demand whose pods care who is around them.

    :return: what was taken from the pool, or ``None`` when nothing was found; the pool is then as before.
    """
    steps: list[_Step] = []
    for group in groups:
        if group.number == 1:
            steps.append(_Step(group, choose=True))
        elif group.company.affinity.near:
            steps.append(_Step(group._replace(number=1), choose=True))
            steps.append(_Step(group._replace(number=group.number - 1), choose=False))
        else:
            steps.append(_Step(group, choose=False))
    was_social, pool.social = pool.social, True
    taken = _Search(pool).place(steps)
    pool.social = was_social or taken is not None
    return taken


class _Search:
    """One demand's search; counts its tries."""

    def __init__(self, pool: NodePool) -> None:
        self._pool, self._tries = pool, MOST_TRIES

    def place(self, steps: Sequence[_Step]) -> Taken | None:
        if not steps:
            return []
        step, *rest = steps
        if step.choose:
            return self._choose(step.group, rest)
        taken = fill(self._pool, step.group)
        if taken is None:
            return None
        return self._go_on(taken, rest)

    def _go_on(self, taken: Taken, rest: Sequence[_Step]) -> Taken | None:
        more = self.place(rest)
        if more is None:
            self._pool.give_back(taken)
            return None
        return taken + more

    def _choose(self, group: Group, rest: Sequence[_Step]) -> Taken | None:
        amount = self._pool.need(group.shape.requests).vector
        for node in list(self._choices(group, rest)) if rest else self._choices(group, rest):
            if self._tries <= 0:
                return None
            self._tries -= 1
            piece = Piece(node, amount, 1, ((group.company, 1),))
            self._pool.take(piece)
            found = self._go_on([piece], rest)
            if found is not None:
                return found
        return None

    def _choices(self, group: Group, rest: Sequence[_Step]) -> Iterator[int]:
        """Yield nodes for one pod: the best fit in each domain that binds later pods, then the next best."""
        neighbours = neighbours_of(self._pool, group)
        open_nodes = (node for node in self._pool.in_order(group.shape) if neighbours.obstacle(node) is None)
        bound = self._bound_to(group, rest)
        if not bound:
            yield from islice(open_nodes, self._tries)
            return
        lines: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
        for node in open_nodes:
            labels = self._pool.nodes[node].labels
            domains = tuple(labels.get(key) for key, _ in bound)
            # In no domain at all it binds nobody.
            if all(
                domain is None or domain in rooms for domain, (_, rooms) in zip(domains, bound, strict=True)
            ):
                lines[domains].append(node)
        for place in range(max(map(len, lines.values()), default=0)):
            yield from [nodes[place] for nodes in lines.values() if place < len(nodes)]

    def _bound_to(self, group: Group, rest: Sequence[_Step]) -> list[tuple[str, set[str]]]:
        """Return the topology keys by which later pods will have to be near this one.

        With each key, the domains that have room enough for them.
        """
        found = []
        for step in rest:
            society, wants = self._pool.society, step.group
            watches, _ = society.near(wants.company)
            if not watches or not all(watch.nobody() for watch in watches):
                continue
            for term, watch in zip(wants.company.affinity.near, watches, strict=True):
                if watch.means(group.company):
                    found.append((term.topology_key, self._rooms(wants, term.topology_key)))
        return found

    def _rooms(self, group: Group, key: str) -> set[str]:
        """Return the domains in which all pods of a group find room."""
        need, rooms = self._pool.need(group.shape.requests), defaultdict[str | None, int](int)
        for free, nodes, _ in self._pool.entries(group.shape):
            times = need.times(free)
            for node in nodes:
                rooms[self._pool.nodes[node].labels.get(key)] += times
        return {domain for domain, room in rooms.items() if domain is not None and room >= group.number}


def fill(pool: NodePool, group: Group) -> Taken | None:
    """Place all pods of a group, or none."""
    taken = fill_what_fits(pool, group.shape, {group.company: group.number})
    if sum(piece.times for piece in taken) < group.number:
        pool.give_back(taken)
        return None
    return taken


def fill_what_fits(pool: NodePool, shape: Shape, party: Party, *, anyhow: bool = False) -> Taken:
    """Place as many pods of one shape as fit, and say what was taken.

    :param anyhow: pods whom the company of others keeps from every node take room all the same.
    """
    plain: Party = {}
    taken: Taken = []
    for company, count in party.items():
        group = Group(shape, company, count)
        if is_plain(pool, [group]):
            plain[company] = plain.get(company, 0) + count
            continue
        pool.social = True
        placed = _one_by_one(pool, group)
        taken += placed
        if anyhow and len(placed) < count:
            taken += pool.put(shape, {company: count - len(placed)})[1]
    return taken + pool.put(shape, plain)[1] if plain else taken


def _one_by_one(pool: NodePool, group: Group) -> Taken:
    neighbours, taken = neighbours_of(pool, group), []
    amount = pool.need(group.shape.requests).vector
    for _ in range(group.number):
        node = next((node for node in pool.in_order(group.shape) if neighbours.obstacle(node) is None), None)
        if node is None:
            break
        piece = Piece(node, amount, 1, ((group.company, 1),))
        pool.take(piece)
        taken.append(piece)
    return taken
