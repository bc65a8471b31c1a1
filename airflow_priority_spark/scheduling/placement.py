# SPDX-License-Identifier: Apache-2.0
"""All or nothing: a driver and all its executors find a node each, or the job does not start.

A job that gets only its driver and half of its executors holds what the next one needs, and the
next one does the same to it: that is the deadlock this package exists to prevent. So a demand is
placed as a whole on a working copy of the nodes, and undone as a whole when one pod is left over.

Pod sets are placed largest first, each on the best fitting nodes. For what Spark asks for, one
driver and equal executors, the answer is exact and not only a heuristic: equal pods fit if and only
if the sum over nodes of what each can hold suffices, and if best fit fails, the driver is put where
it costs the executors least.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow_priority_spark.scheduling.model import Blocked, Demand, PodSet
from airflow_priority_spark.scheduling.nodes import Need, NodePool, Taken, Vector
from airflow_priority_spark.scheduling.resources import format_amount
from airflow_priority_spark.scheduling.usage import Shape

PLACEMENT = "placement"


def shape_of(pods: PodSet) -> Shape:
    """Return what placement needs to know of a pod set."""
    return Shape(pods.requests, pods.node_selector, pods.tolerations)


def sets_of(demand: Demand) -> list[tuple[Shape, int]]:
    """Return a demand's pods as shapes and counts; a driver like the executors is one more of them."""
    counts: dict[Shape, int] = {}
    for pods in demand.pod_sets:
        if pods.count > 0:
            counts[shape_of(pods)] = counts.get(shape_of(pods), 0) + pods.count
    return list(counts.items())


def hardness(pool: NodePool, shape: Shape, count: int) -> tuple[object, ...]:
    """Return a pod set's place in the order of placement.

    1. fewest kinds of node that accept it; 2. largest, dimension by dimension; 3. its selector and
    tolerations; 4. most pods.
    """
    size = tuple(-part for part in pool.need(shape.requests).vector)
    return (len(pool.accepting(shape)), size, shape.node_selector, shape.tolerations, -count)


def hardest_first(pool: NodePool, sets: Sequence[tuple[Shape, int]]) -> list[tuple[Shape, int]]:
    """Return pod sets in the order of placement."""
    return sorted(sets, key=lambda item: hardness(pool, *item))


def is_exact(demand: Demand) -> bool:
    """Tell whether a refusal of ``place`` proves that no placement exists."""
    counts = [count for _, count in sets_of(demand)]
    return len(counts) < 2 or (len(counts) == 2 and min(counts) == 1)


def place(pool: NodePool, demand: Demand) -> Taken | None:
    """Place a whole demand.

    :return: what was taken from the pool, or ``None`` when a pod finds no node; the pool is then as before.
    """
    sets = hardest_first(pool, sets_of(demand))
    taken = _place_in_order(pool, sets)
    if taken is None and len(sets) == 2 and is_exact(demand):
        single, many = sorted(sets, key=lambda item: item[1])
        node = _cheapest_node(pool, single[0], many)
        if node is not None:
            amount = pool.need(single[0].requests).vector
            pool.take(node, amount)
            taken = [(node, amount), *pool.put(*many)[1]]
    return taken


def can_place(pool: NodePool, demand: Demand) -> bool:
    """Tell whether ``place`` would succeed, taking nothing; cheap where many nodes are equal."""
    sets = sets_of(demand)
    if len(sets) == 2 and is_exact(demand):
        single, many = sorted(sets, key=lambda item: item[1])
        return _cheapest_node(pool, single[0], many) is not None
    if len(sets) < 2:
        return fits_alone(pool, demand)
    taken = place(pool, demand)
    if taken is not None:
        pool.give_back(taken)
    return taken is not None


def place_what_fits(pool: NodePool, sets: Sequence[tuple[Shape, int]]) -> Taken:
    """Place as many pods as fit, and say what was taken from the pool."""
    return [part for shape, count in hardest_first(pool, sets) for part in pool.put(shape, count)[1]]


def _place_in_order(pool: NodePool, sets: Sequence[tuple[Shape, int]]) -> Taken | None:
    taken: Taken = []
    for shape, count in sets:
        left, parts = pool.put(shape, count)
        taken += parts
        if left:
            pool.give_back(taken)
            return None
    return taken


def _cheapest_node(pool: NodePool, single: Shape, many: tuple[Shape, int]) -> int | None:
    """Return the node for one pod that leaves room for many equal pods, ``None`` when there is none; exact.

    The many fit if and only if the nodes hold enough of them one by one, so the best place of the
    single pod is the one that lowers that sum least (ties: the tightest free room, then the name).
    """
    shape, count = many
    one, each = pool.need(single.requests), pool.need(shape.requests)
    room = sum(each.times(free) * len(nodes) for free, nodes, _ in pool.entries(shape))
    if room < count:
        return None
    hosts = {id(kind) for kind in pool.accepting(shape)}
    best: tuple[int, Vector, int] | None = None
    for free, nodes, kind in pool.entries(single):
        if one.fits(free):
            choice = (_cost(one, each, free) if id(kind) in hosts else 0, free, nodes[0])
            best = choice if best is None else min(best, choice)
    return best[2] if best is not None and room - best[0] >= count else None


def _cost(one: Need, each: Need, free: Vector) -> int:
    left = tuple([have - part for have, part in zip(free, one.vector, strict=True)])
    return each.times(free) - each.times(left)


def shortage(pool: NodePool, demand: Demand, situation: str = "") -> Blocked:
    """Say why a demand that ``place`` refused finds no nodes.

    :param situation: a clause that ends the sentence, e.g. ``even on empty nodes``.
    """
    sets = hardest_first(pool, sets_of(demand))
    for shape, count in sets:
        fitting = pool.capacity(shape, count)
        if fitting < count:
            detail = _sentence(_why(pool, shape, _names(demand, shape), count, fitting), situation)
            return Blocked(PLACEMENT, count, fitting, _holder(shape), detail)
    total = sum(count for _, count in sets)
    names = " and ".join(_names(demand, shape) for shape, _ in sets)
    detail = f"the {names} pods fit one by one, but not all {total} together"
    return Blocked(PLACEMENT, total, 0, "nodes", _sentence(detail, situation))


def _sentence(*clauses: str) -> str:
    return " ".join(clause for clause in clauses if clause)


def _names(demand: Demand, shape: Shape) -> str:
    return " and ".join(pods.name for pods in demand.pod_sets if pods.count > 0 and shape_of(pods) == shape)


def fits_alone(pool: NodePool, demand: Demand) -> bool:
    """Tell whether each pod set would fit if the others were not there."""
    return all(pool.capacity(shape, count) >= count for shape, count in sets_of(demand))


def _holder(shape: Shape) -> str:
    selector = ", ".join(f"{name}={value}" for name, value in shape.node_selector)
    return f"nodes with {selector}" if selector else "nodes"


def _why(pool: NodePool, shape: Shape, names: str, count: int, fitting: int) -> str:
    rooms = [free for free, _, _ in pool.entries(shape)]
    asked = {
        name: shape.requests[name] for name in pool.dimensions if shape.requests[name] > 0 and name != "pods"
    }
    each = _amounts(asked) or "room for a pod"
    needs = f"the {names} pod needs {each}" if count == 1 else f"{names} pods need {each} each"
    if not rooms:
        return (
            f"{needs}, no ready node accepts them ({_holder(shape)}, taints tolerated: {_tolerated(shape)})"
        )
    if fitting:
        needs += f", {fitting} of {count} fit"
    need = pool.need(shape.requests)
    largest = max(rooms, key=lambda free: (min(free[i] / part for i, part in need.parts), free))
    hole = {name: max(0, largest[i]) for i, name in enumerate(pool.dimensions) if name in asked}
    where = f"the largest hole is {_amounts(hole)} of {_holder(shape)}"
    return f"{needs}, {where}" + (", where no more pods are allowed" if largest[2] < 1 else "")


def _amounts(amounts: dict[str, int]) -> str:
    *most, last = [format_amount(name, amount) for name, amount in amounts.items()] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _tolerated(shape: Shape) -> str:
    return ", ".join(toleration.key or "all" for toleration in shape.tolerations) or "none"
