# SPDX-License-Identifier: Apache-2.0
"""The simulated nodes: pods are bound once and stay where they are until their job ends.

Without that a simulation would pack all jobs anew at every decision and never see fragmentation. A
job's pods are bound as ``decide`` assumed when it let the job start: all at once, best fit. Where the
nodes turn out otherwise (room kept for a protecting head changes the order of things) the job waits
with its grant and its pods unbound, as pending pods do; it runs once all of them fit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from airflow_priority_spark.scheduling.model import NodeView, PodSet, PodView, QueuedJob
from airflow_priority_spark.scheduling.nodes import NodePool, Taken
from airflow_priority_spark.scheduling.placement import groups_of, place
from airflow_priority_spark.scheduling.resources import PODS


class Machines:
    """Nodes with the pods of running jobs.

    :ivar total: what all nodes offer, per resource.
    """

    def __init__(self, nodes: Sequence[NodeView]) -> None:
        self._pool = NodePool(nodes, lambda _: ({}, 0))
        self.total = _sum(node.allocatable for node in nodes)
        self._taken: dict[str, Taken] = {}
        self._views: dict[str, tuple[PodView, ...]] = {}
        self._pending: deque[QueuedJob] = deque()

    def pods(self) -> tuple[PodView, ...]:
        """Return every bound pod."""
        return tuple(chain.from_iterable(self._views.values()))

    def start(self, job: QueuedJob) -> bool:
        """Bind the pods of an admitted job; false when they have to wait."""
        if self._bind(job):
            return True
        self._pending.append(job)
        return False

    def _bind(self, job: QueuedJob) -> bool:
        taken = place(self._pool, groups_of(job.demand, job.queue.namespace, job.job_id))
        if taken is None:
            return False
        self._taken[job.job_id] = taken
        self._views[job.job_id] = tuple(self._pod_views(job, taken))
        return True

    def _pod_views(self, job: QueuedJob, taken: Taken) -> Iterator[PodView]:
        """Name the pods that were placed: which part of the room is whose follows from its size."""
        sets = job.demand.pod_sets
        missing = [pods.count for pods in sets]
        for piece in taken:
            for _ in range(piece.times):
                index = next(
                    index
                    for index, pods in enumerate(sets)
                    if missing[index] and self._size(pods) == piece.amount
                )
                pods, number = sets[index], missing[index]
                missing[index] -= 1
                yield PodView(
                    job.queue.namespace,
                    f"{job.job_id}-{pods.name}-{number}",
                    self._pool.nodes[piece.node].name,
                    pods.requests,
                    pods.limits,
                    job_id=job.job_id,
                    pod_set=pods.name,
                    node_selector=pods.node_selector,
                    tolerations=pods.tolerations,
                    affinity=pods.affinity,
                    labels=pods.labels,
                    scope=pods.scope,
                )

    def _size(self, pods: PodSet) -> tuple[int, ...]:
        return self._pool.need(pods.requests).vector

    def end(self, job_id: str) -> None:
        """Remove the pods of an ended job."""
        self._pool.give_back(self._taken.pop(job_id))
        del self._views[job_id]

    def bind_pending(self) -> Iterator[QueuedJob]:
        """Bind what waits and now fits, the longest waiting first; yield the jobs that run from now on."""
        waiting, self._pending = self._pending, deque()
        for job in waiting:
            if self._bind(job):
                yield job
            else:
                self._pending.append(job)


def _sum(amounts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {PODS: 0}
    for amount in amounts:
        for name, value in amount.items():
            total[name] = total.get(name, 0) + value
    return total
