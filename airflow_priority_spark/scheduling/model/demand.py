# SPDX-License-Identifier: Apache-2.0
"""What a job asks for: pods of a few shapes, and objects that are charged once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from airflow_priority_spark.scheduling.constraints import NO_AFFINITY, Affinity
from airflow_priority_spark.scheduling.resources import Resources

NO_RESOURCES: Final = Resources()


class Toleration(NamedTuple):
    """One entry of ``pod.spec.tolerations``; an empty key with ``Exists`` tolerates everything."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: str = ""


class PodScope(NamedTuple):
    """What the scopes of a quota look at in a pod besides its amounts.

    :param deadline: it has ``activeDeadlineSeconds`` (scope ``Terminating``).
    :param best_effort: no container of it asks for CPU or memory.
    :param cross_namespace: a (anti-)affinity term of it, even a preferred one, names namespaces.
    """

    priority_class: str = ""
    deadline: bool = False
    best_effort: bool = False
    cross_namespace: bool = False


ANY_SCOPE: Final = PodScope()


class Container(NamedTuple):
    """One container of a pod, as limit ranges look at it.

    :param kind: empty for one that runs with the others, ``init`` for one that runs before them,
        ``sidecar`` for a restartable init container.
    """

    name: str
    requests: Resources
    limits: Resources = NO_RESOURCES
    kind: Literal["", "init", "sidecar"] = ""


@dataclass(frozen=True, slots=True)
class PodSet:
    """Pods of one shape.

    :param name: ``driver`` or ``executor``.
    :param requests: of one pod, as the scheduler counts them (overhead included).
    :param limits: of one pod, for quotas on ``limits.*``.
    :param node_selector: labels a node must carry.
    :param affinity: what else it requires of where it runs.
    :param labels: that its pods carry, as far as they are known before they exist; for other pods' affinity.
    :param containers: of one pod; none named means one that has all of ``requests`` and ``limits``.
    """

    name: str
    count: int
    requests: Resources
    limits: Resources = NO_RESOURCES
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    affinity: Affinity = NO_AFFINITY
    labels: tuple[tuple[str, str], ...] = ()
    containers: tuple[Container, ...] = ()
    scope: PodScope = ANY_SCOPE
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        """Hash once: decisions remember what they found out about a pod set."""
        if not self._hash:
            parts = (self.name, self.count, self.requests, self.limits, self.node_selector, self.tolerations)
            more = (self.affinity, self.labels, self.containers, self.scope)
            object.__setattr__(self, "_hash", hash((parts, more)))
        return self._hash


@dataclass(frozen=True, slots=True)
class Demand:
    """What a job asks for.

    :param objects: quota keys charged once per job besides its pods, e.g. ``count/services``.
    """

    pod_sets: tuple[PodSet, ...]
    objects: Resources = NO_RESOURCES
    _hash: int = field(default=0, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        """Hash once: decisions remember what they found out about a demand."""
        if not self._hash:
            object.__setattr__(self, "_hash", hash((self.pod_sets, self.objects)))
        return self._hash

    def total(self) -> Resources:
        """Return the sum of all requests, ``pods`` included."""
        total = Resources()
        for pods in self.pod_sets:
            total = total + pods.requests * pods.count + Resources({"pods": pods.count})
        return total
