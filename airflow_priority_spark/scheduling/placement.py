# SPDX-License-Identifier: Apache-2.0
"""All or nothing: a driver and all its executors find a node each, or the job does not start.

A job that gets only its driver and half of its executors holds what the next one needs, and the
next one does the same to it: that is the deadlock this package exists to prevent. So a demand is
placed as a whole on a working copy of the nodes, and undone as a whole when one pod is left over.

Pods that only need room are placed largest first, each on the best fitting nodes. For what Spark
asks for, one driver and equal executors, the answer is exact and not only a heuristic: equal pods fit
if and only if the sum over nodes of what each can hold suffices, and if best fit fails, the driver is
put where it costs the executors least. Pods that care who is around them are searched for (``search``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_priority_spark.scheduling.model import Demand
from airflow_priority_spark.scheduling.nodes import Need, NodePool, Piece, Taken
from airflow_priority_spark.scheduling.search import Group, fill_what_fits, is_plain, search
from airflow_priority_spark.scheduling.shelf import Vector
from airflow_priority_spark.scheduling.usage import Company, Party, Shape, shape_of

#: Pods of one shape, whoever they are.
Set = tuple[Shape, Party]


def groups_of(demand: Demand, namespace: str = "", job_id: str | None = None) -> list[Group]:
    """Return a demand's pods as groups of equal ones, in the order in which Kubernetes creates them.

    A driver like the executors is one more of them.

    :param namespace: where they will be.
    :param job_id: whose they are.
    """
    found: dict[tuple[Shape, Company], Group] = {}
    for pods in demand.pod_sets:
        if pods.count > 0:
            company = Company(namespace, pods.labels, job_id, pods.affinity)
            key = shape_of(pods), company
            known = found.get(key)
            names = (*known.names, pods.name) if known else (pods.name,)
            found[key] = Group(*key, pods.count + (known.number if known else 0), names)
    return list(found.values())


def sets_of(groups: Iterable[Group]) -> list[Set]:
    """Return groups by shape alone."""
    sets: dict[Shape, Party] = {}
    for group in groups:
        party = sets.setdefault(group.shape, {})
        party[group.company] = party.get(group.company, 0) + group.number
    return list(sets.items())


def size(party: Party) -> int:
    """Return how many pods there are."""
    return sum(party.values())


def hardness(pool: NodePool, shape: Shape, count: int) -> tuple[object, ...]:
    """Return a pod set's place in the order of placement.

    1. fewest nodes that accept it; 2. largest, dimension by dimension; 3. its selector, tolerations and
    affinity; 4. most pods.
    """
    amounts = tuple(-part for part in pool.need(shape.requests).vector)
    return (pool.accepted(shape), amounts, *shape[1:], -count)


def hardest_first(pool: NodePool, sets: Sequence[Set]) -> list[Set]:
    """Return pod sets in the order of placement."""
    return sorted(sets, key=lambda item: hardness(pool, item[0], size(item[1])))


def is_exact(pool: NodePool, groups: Sequence[Group]) -> bool:
    """Tell whether a refusal of ``place`` proves that no placement exists."""
    counts = [size(party) for _, party in sets_of(groups)]
    few = len(counts) < 2 or (len(counts) == 2 and min(counts) == 1)
    return few and is_plain(pool, groups)


def place(pool: NodePool, groups: Sequence[Group]) -> Taken | None:
    """Place a whole demand.

    :return: what was taken from the pool, or ``None`` when a pod finds no node; the pool is then as before.
    """
    if not is_plain(pool, groups):
        return search(pool, groups)
    sets = hardest_first(pool, sets_of(groups))
    if any(pool.capacity(shape, size(party)) < size(party) for shape, party in sets):
        return None
    taken = _place_in_order(pool, sets)
    if taken is None and len(sets) == 2 and min(size(party) for _, party in sets) == 1:
        (one, single), many = sorted(sets, key=lambda item: size(item[1]))
        node = _cheapest_node(pool, one, many)
        if node is not None:
            piece = Piece(node, pool.need(one.requests).vector, 1, tuple(single.items()))
            pool.take(piece)
            taken = [piece, *pool.put(*many)[1]]
    return taken


def can_place(pool: NodePool, groups: Sequence[Group]) -> bool:
    """Tell whether ``place`` would succeed, taking nothing; cheap where many nodes are equal."""
    sets = sets_of(groups)
    if is_plain(pool, groups):
        if len(sets) == 2 and min(size(party) for _, party in sets) == 1:
            (single, _), many = sorted(sets, key=lambda item: size(item[1]))
            return _cheapest_node(pool, single, many) is not None
        if len(sets) < 2:
            return fits_alone(pool, groups)
    taken = place(pool, groups)
    if taken is not None:
        pool.give_back(taken)
    return taken is not None


def place_what_fits(pool: NodePool, sets: Sequence[Set], *, anyhow: bool = False) -> Taken:
    """Place as many pods as fit, and say what was taken from the pool.

    :param anyhow: pods whom the company of others keeps from every node take room all the same.
    """
    taken: Taken = []
    for shape, party in hardest_first(pool, sets):
        taken += fill_what_fits(pool, shape, party, anyhow=anyhow)
    return taken


def _place_in_order(pool: NodePool, sets: Sequence[Set]) -> Taken | None:
    taken: Taken = []
    for shape, party in sets:
        left, parts = pool.put(shape, party)
        taken += parts
        if left:
            pool.give_back(taken)
            return None
    return taken


def _cheapest_node(pool: NodePool, single: Shape, many: Set) -> int | None:
    """Return the node for one pod that leaves room for many equal pods, ``None`` when there is none; exact.

    The many fit if and only if the nodes hold enough of them one by one, so the best place of the
    single pod is the one that lowers that sum least (ties: the tightest free room, then the name).
    """
    shape, count = many[0], size(many[1])
    one, each = pool.need(single.requests), pool.need(shape.requests)
    dearest = max(-(-one.vector[index] // amount) for index, amount in each.parts)
    room = pool.capacity(shape, count + dearest)
    if room < count:
        return None
    if room >= count + dearest:
        return pool.best_fit(single)
    hosts = {id(kind) for kind in pool.accepting(shape)}
    best: tuple[int, Vector, int] | None = None
    for free, nodes, kind in pool.entries(single):
        choice = (_cost(one, each, free) if id(kind) in hosts else 0, free, nodes[0])
        best = choice if best is None else min(best, choice)
    return best[2] if best is not None and room - best[0] >= count else None


def _cost(one: Need, each: Need, free: Vector) -> int:
    left = tuple([have - part for have, part in zip(free, one.vector, strict=True)])
    return each.times(free) - each.times(left)


def fits_alone(pool: NodePool, groups: Sequence[Group]) -> bool:
    """Tell whether each pod set would fit if the others were not there, whoever is around."""
    return all(pool.capacity(shape, size(party)) >= size(party) for shape, party in sets_of(groups))
