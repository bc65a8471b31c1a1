# SPDX-License-Identifier: Apache-2.0
"""Why pods find no node, in one sentence with numbers.

"0/12 nodes are available" leaves a person to find out which of the twelve were ever meant. So the
sentence says what each pod needs, how many fit, how large the largest hole is, which nodes are left
out and why, and whose company keeps pods from nodes that have room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from airflow_priority_spark.scheduling.constraints import (
    accepts_node,
    describe_node_terms,
    describe_requirements,
)
from airflow_priority_spark.scheduling.model import Blocked, NodeView, Taint
from airflow_priority_spark.scheduling.neighbours import Obstacle
from airflow_priority_spark.scheduling.nodes import NodePool
from airflow_priority_spark.scheduling.placement import hardness, sets_of, size
from airflow_priority_spark.scheduling.resources import format_amount
from airflow_priority_spark.scheduling.search import Group, fill_what_fits, is_plain, neighbours_of
from airflow_priority_spark.scheduling.taints import untolerated
from airflow_priority_spark.scheduling.usage import Shape

PLACEMENT = "placement"


def shortage(pool: NodePool, groups: Sequence[Group], situation: str = "") -> Blocked:
    """Say why a demand that ``place`` refused finds no nodes.

    :param situation: a clause that ends the sentence, e.g. ``even on empty nodes``.
    """
    counts = {shape: size(party) for shape, party in sets_of(groups)}
    for shape in sorted(counts, key=lambda shape: hardness(pool, shape, counts[shape])):
        fitting = pool.capacity(shape, counts[shape])
        if fitting < counts[shape]:
            said = _no_room(pool, shape, _names(groups, shape), counts[shape], fitting)
            return _blocked(counts[shape], fitting, _holder(shape), said, situation)
    for group in groups:
        verdict = None if is_plain(pool, [group]) else _kept_away(pool, group, situation)
        if verdict is not None:
            return verdict
    total = sum(counts.values())
    names = " and ".join(dict.fromkeys(name for group in groups for name in group.names))
    if total == 1 or len(groups) == 1:
        said = f"no place was found for all {total} of the {names} pods beside those that are there"
    else:
        said = f"the {names} pods fit one by one, but not all {total} together"
    return _blocked(total, 0, "nodes", said, situation)


def _blocked(needed: int, free: int, holder: str, *clauses: str) -> Blocked:
    detail = " ".join(clause for clause in clauses if clause)
    return Blocked(PLACEMENT, needed, free, holder, detail, by_nodes=True)


def _names(groups: Sequence[Group], shape: Shape) -> str:
    return " and ".join(
        dict.fromkeys(name for group in groups if group.shape == shape for name in group.names)
    )


def _holder(shape: Shape) -> str:
    wanted = [f"{name}={value}" for name, value in shape.node_selector]
    if shape.nodes:
        wanted.append(describe_node_terms(shape.nodes))
    return f"nodes with {', '.join(wanted)}" if wanted else "nodes"


def _asked(pool: NodePool, shape: Shape, names: str, count: int) -> str:
    asked = {name: amount for name, amount in shape.requests.items() if amount > 0 and name != "pods"}
    order = [name for name in pool.dimensions if name in asked]
    order += sorted(set(asked) - set(order))
    each = _amounts({name: asked[name] for name in order}) or "room for a pod"
    return f"the {names} pod needs {each}" if count == 1 else f"{names} pods need {each} each"


def _no_room(pool: NodePool, shape: Shape, names: str, count: int, fitting: int) -> str:
    needs, left_out = _asked(pool, shape, names, count), _left_out(pool, shape)
    hole = pool.largest_hole(shape)
    if hole is None:
        tolerated = ", ".join(toleration.key or "all" for toleration in shape.tolerations) or "none"
        said = f"{needs}, no ready node accepts them ({_holder(shape)}, taints tolerated: {tolerated}"
        return f"{said}{left_out})" if left_out else f"{said})"
    if fitting:
        needs += f", {fitting} of {count} fit"
    missing = sorted(
        name for name in shape.requests if shape.requests[name] > 0 and name not in pool.dimensions
    )
    room = {
        name: max(0, amount)
        for name, amount in zip(pool.dimensions, hole, strict=True)
        if name != "pods" and shape.requests[name] > 0
    } | dict.fromkeys(missing, 0)
    where = f"the largest hole is {_amounts(room)} of {_holder(shape)}"
    full = ", where no more pods are allowed" if hole[2] < 1 else ""
    return f"{needs}, {where}{full}{left_out}"


def _amounts(amounts: Mapping[str, int]) -> str:
    *most, last = [format_amount(name, amount) for name, amount in amounts.items()] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _left_out(pool: NodePool, shape: Shape) -> str:
    """Say which nodes take no such pod at all, and why; empty when all do."""
    if shape[1:] not in pool.left_out:
        pool.left_out[shape[1:]] = _why_left_out(pool, shape)
    return pool.left_out[shape[1:]]


def _why_left_out(pool: NodePool, shape: Shape) -> str:
    reasons = Counter(filter(None, (_reason(node, shape) for node in pool.nodes)))
    said = [
        f"{number} {reason}" for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item))
    ]
    return f"; left out of {_nodes(len(pool.nodes))}: {', '.join(said)}" if said else ""


def _nodes(number: int) -> str:
    return f"{number} {'node' if number == 1 else 'nodes'}"


def _reason(node: NodeView, shape: Shape) -> str:
    if not node.ready:
        return node.unready_reason or "not ready"
    for name, value in shape.node_selector:
        if node.labels.get(name) != value:
            return f"without {name}={value}"
    if not accepts_node(shape.nodes, node.name, node.labels):
        return f"without {describe_node_terms(shape.nodes)}"
    taints = untolerated(node.taints, shape.tolerations)
    return f"with taint {_taint(taints[0])}" if taints else ""


def _taint(taint: Taint) -> str:
    return f"{taint.key}={taint.value}" if taint.value else taint.key


def _kept_away(pool: NodePool, group: Group, situation: str) -> Blocked | None:
    """Say whose company keeps a group's pods from nodes that have room; ``None``: nobody's alone does."""
    taken = fill_what_fits(pool, group.shape, {group.company: group.number})
    fitting = sum(piece.times for piece in taken)
    verdict = None
    if fitting < group.number:
        neighbours = neighbours_of(pool, group)
        nodes = pool.in_order(group.shape)
        obstacles = (neighbours.obstacle(node) for node in nodes)
        found = Counter(what for what in obstacles if what is not None)
        said = f"{_asked(pool, group.shape, ' and '.join(group.names), group.number)}, "
        said += f"{fitting} of {group.number} find a node" if fitting else "none finds a node"
        reasons = [_because(group, what, number) for what, number in sorted(found.items())]
        said += f": {'; '.join(reasons)}" if reasons else ""
        verdict = _blocked(group.number, fitting, _holder(group.shape), said, situation)
    pool.give_back(taken)
    return verdict


def _because(group: Group, obstacle: Obstacle, nodes: int) -> str:
    """Say what an obstacle is, and on how many nodes with room it stands."""
    where, affinity = f"{_nodes(nodes)} with room", group.company.affinity
    if obstacle == "near":
        wanted = " and ".join(
            f"{describe_requirements(term.selector)} in the same {term.topology_key}"
            for term in affinity.near
        )
        return f"{where} without the pods they must be near ({wanted})"
    if obstacle == "apart":
        kept = " and ".join(
            f"{describe_requirements(term.selector)} in the same {term.topology_key}"
            for term in affinity.apart
        )
        return f"{where} beside pods they must be apart from ({kept})"
    if obstacle == "guard":
        return f"{where} beside pods that want to be apart from them"
    if obstacle == "spread":
        rules = " and ".join(f"over {one.topology_key} with skew {one.max_skew}" for one in affinity.spread)
        return f"{where} where their topology spread would be uneven ({rules})"
    keys = {term.topology_key for term in affinity.near} | {one.topology_key for one in affinity.spread}
    return f"{where} without the topology label {' or '.join(sorted(keys))}"


def crowded(empty: NodePool, group: Group) -> Blocked | None:
    """Say why pods that keep apart from each other are too many for the nodes, whoever else is there.

    :param empty: the nodes without any pod.
    """
    matcher = empty.society.matcher
    for term in group.company.affinity.apart:
        if group.number < 2 or term.job == "other" or not matcher(term, group.company)(group.company):
            continue
        need, domains, free = empty.need(group.shape.requests), set(), 0
        for room, nodes, _ in empty.entries(group.shape):
            for node in nodes:
                domain = empty.nodes[node].labels.get(term.topology_key)
                free += need.times(room) if domain is None else 0
                domains.add(domain)
        most = len(domains - {None}) + free
        if most < group.number:
            names = " and ".join(group.names)
            said = (
                f"{names} pods must be apart from each other ({describe_requirements(term.selector)} in the "
                f"same {term.topology_key}), and {most} of {group.number} can be"
            )
            return _blocked(group.number, most, _holder(group.shape), said, "even on empty nodes")
    return None
