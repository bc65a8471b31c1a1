# SPDX-License-Identifier: Apache-2.0
"""Which pods of lower priority must go so that a pod fits.

Source: kubernetes ``pkg/scheduler/framework/preemption`` and ``plugins/defaultpreemption``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_priority_spark.embedded.objects import Object, moment
from airflow_priority_spark.embedded.placement import Node

# ``minCandidateNodesAbsolute``.
_ENOUGH_PLANS = 100


@dataclass(frozen=True)
class Plan:
    """A node, and the pods to take from it."""

    node: Node
    victims: tuple[Object, ...]


def priority_of(pod: Object) -> int:
    """Return a pod's priority."""
    return pod["spec"].get("priority") or 0


def may_preempt(pod: Object) -> bool:
    """Whether a pod may push others out."""
    return pod["spec"].get("preemptionPolicy") != "Never"


def plan(pod: Object, nodes: Sequence[Node], fits: Callable[[Node], bool]) -> Plan | None:
    """Return the least harmful plan, or ``None`` when nobody's leaving would help.

    :param nodes: those whose obstacles could go with a pod; a tenth of them, or a hundred, are enough plans.
    :param fits: whether the pod fits a node as it is given.
    """
    plans = (found for node in nodes if (found := _on(pod, node, fits)))
    return min(itertools.islice(plans, max(len(nodes) // 10, _ENOUGH_PLANS)), key=_harm, default=None)


def _on(pod: Object, node: Node, fits: Callable[[Node], bool]) -> Plan | None:
    """Take all pods of lower priority from a node, then give back as many as fit, the highest first."""
    weaker = [other for other in node.pods.values() if priority_of(other) < priority_of(pod)]
    trial = node.without(weaker)
    if not weaker or not fits(trial):
        return None
    victims = []
    for other in sorted(weaker, key=lambda one: (-priority_of(one), _start(one))):
        again = trial.with_pod(other)
        if fits(again):
            trial = again
        else:
            victims.append(other)
    return Plan(node, tuple(victims))


def _harm(found: Plan) -> tuple[int, int, int, float, str]:
    """Order of ``pickOneNodeForPreemption``: priorities, their sum, how many, and how long they have run."""
    priorities = [priority_of(victim) for victim in found.victims]
    highest = max(priorities)
    begun = min(_start(victim) for victim in found.victims if priority_of(victim) == highest)
    above_zero = sum(priority + 2**31 for priority in priorities)
    return highest, above_zero, len(priorities), -begun, found.node.name


def _start(pod: Object) -> float:
    return moment(pod["status"].get("startTime") or pod["metadata"]["creationTimestamp"]).timestamp()
