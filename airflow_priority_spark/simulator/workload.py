# SPDX-License-Identifier: Apache-2.0
"""What a run is made of: the site that jobs meet, and the jobs that arrive.

Both are plain values. A workload file describes them (``airflow_priority_spark.cli.workload_file``),
or the history of a real site does; the run cannot tell the difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from operator import attrgetter
from typing import Final, Literal

from airflow_priority_spark.scheduling.model import (
    Demand,
    NodeView,
    PodSet,
    PoolView,
    QuotaView,
    Rules,
    Taint,
    Toleration,
)
from airflow_priority_spark.scheduling.resources import CPU, MEMORY, PODS, Resources

#: A simulated site has one cluster.
CLUSTER: Final = "simulated"
#: The kubelet's default for ``maxPods``.
PODS_PER_NODE: Final = 110


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Equal nodes."""

    count: int
    allocatable: Resources
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()

    def views(self, group: int) -> Iterator[NodeView]:
        """Yield the nodes as the decision sees them.

        :param group: distinguishes the names of this group's nodes.
        """
        for index in range(self.count):
            yield NodeView(f"node-{group}-{index}", self.allocatable, self.labels, self.taints)


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """A queue.

    :param pools: its priority pools, as yet without memory; durations in ticks.
    :param quota: hard limits by quota key; ``None``: only nodes limit the queue.
    :param quota_keys: the keys the quota has; a hard limit of zero is a limit, but ``Resources`` stores no
        zero.
    :param weight: among queues that share nodes.
    :param limit: at most so many of its jobs run at a time; ``None``: any number.
    """

    namespace: str
    pools: tuple[PoolView, ...]
    quota: Resources | None = None
    quota_keys: frozenset[str] = frozenset()
    weight: int = 1
    policy: Literal["weighted", "strict"] = "weighted"
    limit: int | None = None

    def quota_view(self) -> QuotaView | None:
        """Return the quota as the decision sees it; nothing but our own jobs uses it."""
        if self.quota is None:
            return None
        return QuotaView(self.namespace, self.namespace, self.quota, Resources(), self.quota_keys)


@dataclass(frozen=True, slots=True)
class Site:
    """What the jobs meet.

    :param nodes: empty: only quotas are checked.
    :param rules: with every duration in ticks.
    """

    queues: tuple[QueuePlan, ...]
    nodes: tuple[NodeView, ...] = ()
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job that will ask for room.

    :param at: when, in ticks.
    :param runtime: for how long it holds its room, in ticks.
    :param user: for limits, like ``service``.
    """

    job_id: str
    namespace: str
    pool: str
    at: int
    runtime: int
    demand: Demand
    user: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """Equal jobs at equal distances: sleep ``every``, then one job; ``count`` times.

    :param every: in ticks.
    :param runtime: in ticks.
    """

    namespace: str
    pool: str
    count: int
    every: int
    runtime: int
    demand: Demand

    def arrivals(self, name: str) -> Iterator[Arrival]:
        """Yield the jobs in time order.

        :param name: distinguishes this stream's jobs from those of others of its pool.
        """
        for number in range(1, self.count + 1):
            job_id = f"{self.namespace}/{self.pool}/{name}-{number}"
            yield Arrival(job_id, self.namespace, self.pool, number * self.every, self.runtime, self.demand)


def arrivals_of(streams: Iterable[Stream]) -> Iterator[Arrival]:
    """Yield the jobs of concurrent streams in time order; at one instant in the order of the streams."""
    known: Counter[tuple[str, str]] = Counter()
    found = []
    for stream in streams:
        known[stream.namespace, stream.pool] += 1
        found.append(stream.arrivals(str(known[stream.namespace, stream.pool])))
    return merge(*found, key=attrgetter("at"))


def demand_of(
    cpu: int,
    memory: int,
    executors: int,
    node_selector: Mapping[str, str] | None = None,
    tolerations: Iterable[Toleration] = (),
) -> Demand:
    """Return the demand of a driver and its executors, all of one size; their limits are their requests.

    :param cpu: of one pod, in millicores.
    :param memory: of one pod, in bytes.
    :param executors: pods besides the driver.
    """
    size = Resources({CPU: cpu, MEMORY: memory})
    places = (tuple(sorted((node_selector or {}).items())), tuple(tolerations))

    def pods(name: str, count: int) -> PodSet:
        return PodSet(name, count, size, size, *places)

    return Demand((pods("driver", 1), *([pods("executor", executors)] if executors else [])))


def node_size(cpu: int, memory: int, pods: int = PODS_PER_NODE) -> Resources:
    """Return what a node offers (millicores, bytes, pods)."""
    return Resources({CPU: cpu, MEMORY: memory, PODS: pods})
