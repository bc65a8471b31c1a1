# SPDX-License-Identifier: Apache-2.0
"""What a job asks for: pods of a few shapes, and objects that are charged once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from airflow_priority_spark.scheduling.resources import Resources

NO_RESOURCES: Final = Resources()


class Toleration(NamedTuple):
    """One entry of ``pod.spec.tolerations``; an empty key with ``Exists`` tolerates everything."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class PodSet:
    """Pods of one shape.

    :param name: ``driver`` or ``executor``.
    :param requests: of one pod, as the scheduler counts them (overhead included).
    :param limits: of one pod, for quotas on ``limits.*``.
    :param node_selector: labels a node must carry.
    """

    name: str
    count: int
    requests: Resources
    limits: Resources = NO_RESOURCES
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """What a job asks for.

    :param objects: quota keys charged once per job besides its pods, e.g. ``count/services``.
    """

    pod_sets: tuple[PodSet, ...]
    objects: Resources = NO_RESOURCES

    def total(self) -> Resources:
        """Return the sum of all requests, ``pods`` included."""
        total = Resources()
        for pods in self.pod_sets:
            total = total + pods.requests * pods.count + Resources({"pods": pods.count})
        return total
