# SPDX-License-Identifier: Apache-2.0
"""One simulated queue: who waits in which pool, who holds room, and how much of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace

from airflow_priority_spark.scheduling.capacity import charge
from airflow_priority_spark.scheduling.model import (
    Demand,
    Grant,
    PoolState,
    PoolView,
    QueuedJob,
    QueueKey,
    QueueView,
)
from airflow_priority_spark.scheduling.scopes import counted
from airflow_priority_spark.scheduling.usage import tallies_of
from airflow_priority_spark.simulator.workload import CLUSTER, QueuePlan


class Meter:
    """How much of some amounts is used, and was on average.

    :param hard: quota key or resource → what there is.
    """

    def __init__(self, hard: Mapping[str, int]) -> None:
        self._hard = dict(hard)
        self._used = dict.fromkeys(hard, 0)
        #: Use times ticks, up to ``_until``.
        self._integral = dict.fromkeys(hard, 0)
        self._until = 0
        self._charges: dict[Demand, list[tuple[str, int]]] = {}

    def add(self, demand: Demand, sign: int, now: int) -> None:
        """Add a job that starts (``sign`` 1), or take one that has ended (-1)."""
        self._advance(now)
        for key, amount in self._charges_of(demand):
            self._used[key] += sign * amount

    def _charges_of(self, demand: Demand) -> list[tuple[str, int]]:
        known = self._charges.get(demand)
        if known is None:
            tally = counted(tallies_of(demand), ())
            known = self._charges[demand] = [(key, charge(key, tally, demand.objects)) for key in self._hard]
        return known

    def _advance(self, now: int) -> None:
        passed, self._until = now - self._until, now
        if passed:
            for key, amount in self._used.items():
                self._integral[key] += amount * passed

    def percent(self, until: int) -> float | None:
        """Return the mean use of the most used amount in percent; ``None`` where there is none.

        :param until: end of the time that counts, in ticks; nothing has changed since the last ``add``.
        """
        self._advance(until)
        hard = {key: amount for key, amount in self._hard.items() if amount}
        if not hard or not until:
            return None
        return max(self._integral[key] * 100 / (amount * until) for key, amount in hard.items())


class SimulatedPool:
    """A priority pool: its waiting jobs, and what the last decision told it to remember.

    :ivar waiting: jobs that a decision has seen, first in line first.
    :ivar new: jobs that none has seen yet, behind those.
    :ivar alarm: the last instant at which somebody was told to look whether the head's time is up.
    """

    __slots__ = ("alarm", "new", "view", "waiting")

    def __init__(self, view: PoolView) -> None:
        self.view = view
        self.waiting: deque[QueuedJob] = deque()
        self.new: list[QueuedJob] = []
        self.alarm: int | None = None

    def settle(self) -> None:
        """Count what the decision has seen, and neither admitted nor refused, among those that wait."""
        self.waiting.extend(self.new)
        self.new.clear()

    def remember(self, state: PoolState) -> None:
        """Keep credit and clocks for the next decision."""
        if state != self.view.state():
            self.view = replace(self.view, **state._asdict())

    def remove(self, job: QueuedJob) -> None:
        """Take a job out of the line; it is nearly always the first."""
        if self.waiting and self.waiting[0] is job:
            self.waiting.popleft()
        elif job in self.new:
            self.new.remove(job)
        else:
            self.waiting.remove(job)


class SimulatedQueue:
    """A queue with its jobs.

    :param plan: its pools and limits.
    :param nodes: what all nodes offer, which a queue without quota is measured against; empty: nodes are
        not checked.
    """

    def __init__(self, plan: QueuePlan, nodes: Mapping[str, int]) -> None:
        self.plan, self.key = plan, QueueKey(CLUSTER, plan.namespace)
        self.pools = {view.name: SimulatedPool(view) for view in plan.pools}
        self.grants: dict[str, Grant] = {}
        self.meter = Meter(nodes if plan.quota is None else {key: plan.quota[key] for key in plan.quota_keys})

    def enqueue(self, job: QueuedJob) -> None:
        """Let a job wait at the end of its pool."""
        self.pools[job.pool].new.append(job)

    def remove(self, job: QueuedJob) -> None:
        """Take a waiting job out of its line."""
        self.pools[job.pool].remove(job)

    def admit(self, job: QueuedJob, now: int) -> None:
        """Give a waiting job its room."""
        self.remove(job)
        self.grants[job.job_id] = Grant(job.job_id, self.key, job.demand, job.pool, job.user, job.service)
        self.meter.add(job.demand, 1, now)

    def release(self, job_id: str, now: int) -> None:
        """Take the room of an ended job back."""
        self.meter.add(self.grants.pop(job_id).demand, -1, now)

    def view(self) -> QueueView:
        """Return the queue as the decision sees it."""
        return QueueView(
            self.key,
            tuple(pool.view for pool in self.pools.values()),
            self.plan.weight,
            self.plan.policy,
            limit=self.plan.limit,
        )

    def new_jobs(self) -> Iterator[QueuedJob]:
        """Yield the jobs that no decision has seen yet."""
        for pool in self.pools.values():
            yield from pool.new

    def lines(self) -> Iterator[tuple[tuple[QueueKey, str], deque[QueuedJob]]]:
        """Yield the lines of all others."""
        for name, pool in self.pools.items():
            if pool.waiting:
                yield (self.key, name), pool.waiting
