# SPDX-License-Identifier: Apache-2.0
"""``decide``: the picture in, the admissions out.

A pure function, so that a decision can be replayed, simulated and tested: no clock, no randomness,
no I/O, and never an exception for a snapshot, however odd. Per cluster::

    usage of pods and grants → room
    jobs no state could satisfy → impossible
    unchecked jobs → admitted
    queue with the smallest share → its protector or next pool → head
        fits    → admitted, room taken, credit charged, next queue
        blocked → pool parked (its clock runs), next pool

until ``batch_size`` admissions are made or every pool is parked or empty. Room only shrinks in
between, so a head that was blocked once need not be asked again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from airflow_priority_spark.scheduling.heads import PoolLine, QueueLine, kept_state
from airflow_priority_spark.scheduling.model import (
    Admission,
    Blocked,
    ClusterView,
    Decisions,
    Grant,
    Impossible,
    PoolState,
    QueuedJob,
    QueueKey,
    QueueView,
    Rules,
    Snapshot,
)
from airflow_priority_spark.scheduling.order import fifo_key
from airflow_priority_spark.scheduling.room import ClusterRoom


@dataclass(slots=True)
class _Outcome:
    """Decisions in the making."""

    admissions: list[Admission] = field(default_factory=list)
    blocked: dict[str, Blocked] = field(default_factory=dict)
    impossible: dict[str, Impossible] = field(default_factory=dict)
    pools: dict[tuple[QueueKey, str], PoolState] = field(default_factory=dict)
    observed: dict[str, Blocked] = field(default_factory=dict)

    def admit(self, job: QueuedJob) -> None:
        self.admissions.append(Admission(job.job_id, job.queue, job.pool))

    def keep(self, queue: QueueView, jobs: Sequence[QueuedJob]) -> None:
        """Leave a queue as it is: it is paused, or its cluster is not seen clearly."""
        checked = [job for job in jobs if not job.unchecked]
        for pool in queue.pools:
            self.pools[queue.key, pool.name] = kept_state(pool, (j for j in checked if j.pool == pool.name))


def decide(snapshot: Snapshot, now: float) -> Decisions:
    """Return who starts now, who cannot and why, and what the pools must remember.

    :param snapshot: the picture; it is not changed.
    :param now: POSIX seconds, for the clocks of blocked heads.
    """
    outcome = _Outcome()
    clusters = {cluster.cluster_id: cluster for cluster in snapshot.clusters}
    jobs: dict[QueueKey, list[QueuedJob]] = defaultdict(list)
    for job in snapshot.jobs:
        if job.ineligible is None:
            jobs[job.queue].append(job)
    grants: dict[str, list[Grant]] = defaultdict(list)
    for grant in snapshot.grants:
        grants[grant.queue.cluster_id].append(grant)
    queues: dict[str, list[QueueView]] = defaultdict(list)
    for queue in sorted(snapshot.queues, key=lambda queue: queue.key):
        queues[queue.key.cluster_id].append(queue)
    for cluster_id, members in queues.items():
        cluster = clusters.get(cluster_id)
        open_queues: list[QueueView] = []
        for queue in members:
            if cluster is not None and cluster.fresh and not queue.paused:
                open_queues.append(queue)
            else:
                outcome.keep(queue, jobs[queue.key])
        if cluster is not None and open_queues:
            waiting = {queue.key: jobs[queue.key] for queue in open_queues}
            cycle = _ClusterCycle(cluster, members, waiting, grants[cluster_id], snapshot.rules, now, outcome)
            cycle.run(open_queues)
    return Decisions(
        tuple(outcome.admissions), outcome.blocked, outcome.impossible, outcome.pools, outcome.observed
    )


class _ClusterCycle:
    """The decision for one cluster.

    :param members: all its queues, paused ones too: they hold shares and room.
    :param waiting: eligible jobs of the queues that may admit.
    """

    def __init__(
        self,
        cluster: ClusterView,
        members: Sequence[QueueView],
        waiting: dict[QueueKey, list[QueuedJob]],
        grants: Sequence[Grant],
        rules: Rules,
        now: float,
        outcome: _Outcome,
    ) -> None:
        every_job = [job for jobs in waiting.values() for job in jobs]
        self._room = ClusterRoom(cluster, members, every_job, grants)
        self._waiting, self._rules, self._now, self._outcome = waiting, rules, now, outcome
        self._left = rules.batch_size
        self._hopeless: dict[str, Blocked] = {}

    def run(self, queues: Sequence[QueueView]) -> None:
        """Admit until the batch is full or nothing more fits."""
        for queue in queues:
            self._sort_out_impossible(queue)
        for queue in queues:
            self._admit_unchecked(queue)
        lines = {queue.key: self._line(queue) for queue in queues}
        turns = [(self._room.share(key), key) for key in lines]
        heapify(turns)
        while turns and self._left > 0:
            _, key = heappop(turns)
            if self._admit_next(lines[key]):
                heappush(turns, (self._room.share(key), key))
        for line in lines.values():
            for pool in line.pools:
                self._outcome.pools[line.view.key, pool.view.name] = pool.state()

    def _sort_out_impossible(self, queue: QueueView) -> None:
        """Find the jobs that could not start in an empty queue, wherever they stand in line."""
        possible: list[QueuedJob] = []
        for job in self._waiting[queue.key]:
            why = None if job.unchecked else self._room.impossible(queue.key, job.demand)
            if why is not None and self._rules.fail_impossible:
                self._outcome.impossible[job.job_id] = Impossible(why)
                continue
            if why is not None:
                self._hopeless[job.job_id] = why
            possible.append(job)
        self._waiting[queue.key] = possible

    def _admit_unchecked(self, queue: QueueView) -> None:
        unchecked = sorted((job for job in self._waiting[queue.key] if job.unchecked), key=fifo_key)
        for job in unchecked[: max(0, self._left)]:
            verdict = self._room.admit_unchecked(job)
            if verdict is not None:
                self._outcome.observed[job.job_id] = verdict
            self._outcome.admit(job)
            self._left -= 1

    def _line(self, queue: QueueView) -> QueueLine:
        by_pool: dict[str, list[QueuedJob]] = defaultdict(list)
        for job in self._waiting[queue.key]:
            if not job.unchecked:
                by_pool[job.pool].append(job)
        return QueueLine(queue, by_pool)

    def _admit_next(self, line: QueueLine) -> bool:
        """Admit one job of a queue, parking the heads that are blocked; ``False``: none can start."""
        while True:
            protector = line.protector(self._now, self._rules.head_rules.protection_seconds)
            pool = line.next_pool(protector)
            if pool is None or pool.head is None:
                return False
            verdict = self._hopeless.get(pool.head.job_id) or self._room.admit(pool.head)
            if verdict is None:
                line.charge(pool)
                self._outcome.admit(pool.head)
                self._left -= 1
                pool.pop()
                return True
            self._park(line, pool, pool.head, verdict)

    def _park(self, line: QueueLine, pool: PoolLine, head: QueuedJob, verdict: Blocked) -> None:
        pool.park(verdict, self._now, hopeless=head.job_id in self._hopeless)
        self._outcome.blocked[head.job_id] = verdict
        protector = line.protector(self._now, self._rules.head_rules.protection_seconds)
        if protector is pool and not self._room.is_protected(line.view.key):
            self._room.protect(head)
