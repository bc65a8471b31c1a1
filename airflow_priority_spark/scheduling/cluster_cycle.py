# SPDX-License-Identifier: Apache-2.0
"""The decision for one cluster, turn by turn.

A turn belongs to one queue and admits at most one job of it. Inside the turn the queue's heads are
looked at in order until one fits; those that do not fit are parked, and so is a pool that a limit
stops. Room and limits only shrink during a decision, so who is parked need not be looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from airflow_priority_spark.scheduling.heads import IDLE, PoolLine, QueueLine
from airflow_priority_spark.scheduling.limits import Limits
from airflow_priority_spark.scheduling.model import (
    Blocked,
    ClusterView,
    Demand,
    Grant,
    HeadTimeout,
    HeadWarning,
    Impossible,
    Ineligible,
    QueuedJob,
    QueueKey,
    QueueView,
    Rules,
)
from airflow_priority_spark.scheduling.order import fifo_key, pool_key
from airflow_priority_spark.scheduling.outcome import Outcome
from airflow_priority_spark.scheduling.room import ClusterRoom
from airflow_priority_spark.scheduling.waiting import QueueWaiting

_PLACEMENT: Final = "placement"


@dataclass(frozen=True, slots=True)
class Common:
    """What all clusters of a decision share."""

    rules: Rules
    now: float
    limits: Limits
    waiting: Mapping[QueueKey, QueueWaiting]
    outcome: Outcome

    def lines(self, queue: QueueView) -> QueueLine:
        """Return the lines of a queue's pools; a pool that nobody waits in has none, and is saved at once."""
        waiting = self.waiting.get(queue.key)
        pools = []
        for view in sorted(queue.pools, key=pool_key):
            jobs = waiting.line(view.name) if waiting is not None else ()
            if jobs:
                rules = view.head_rules or self.rules.head_rules
                pools.append(PoolLine(view, jobs, self._eligible, rules))
            else:
                self.outcome.pools[queue.key, view.name] = IDLE
        return QueueLine(queue, pools)

    def _eligible(self, job: QueuedJob) -> bool:
        if job.ineligible is not None or job.job_id in self.outcome.impossible:
            return False
        if self.limits.on_people and (clause := self.limits.pass_over(job)):
            self.outcome.ineligible[job.job_id] = (Ineligible.LIMIT, clause)
            return False
        return True

    def stop(self, pool: PoolLine, why: Ineligible, clause: str) -> None:
        """Set a pool aside for another reason than capacity."""
        if pool.head is not None and not pool.parked:
            pool.stop(self.now)
            self.outcome.ineligible[pool.head.job_id] = (why, clause)

    def keep(self, queue: QueueView) -> None:
        """Leave a queue as it is, because it is paused or its cluster is not seen clearly.

        No clock starts and none is lost; those that run stand still.
        """
        line = self.lines(queue)
        for pool in line.pools:
            if queue.paused:
                self.stop(pool, Ineligible.PAUSED, f"queue {queue.key.namespace} is paused")
            else:
                pool.stop(self.now)
        self.save(line)

    def save(self, line: QueueLine) -> None:
        """Write down what a queue's pools must remember."""
        for pool in line.pools:
            self.outcome.pools[line.view.key, pool.view.name] = pool.state()


class ClusterCycle:
    """The decision for one cluster.

    :param members: all its queues, paused ones too: they hold shares and room.
    :param queues: those that may admit.
    :param resting: those that somebody waits in, but need not be looked at.
    """

    def __init__(
        self,
        cluster: ClusterView,
        members: Sequence[QueueView],
        queues: Sequence[QueueView],
        resting: Sequence[QueueKey],
        grants: Sequence[Grant],
        common: Common,
    ) -> None:
        self._common, self._now = common, common.now
        self._rules, self._limits, self._outcome = common.rules, common.limits, common.outcome
        self._queues = queues
        waiting = {queue.key: common.waiting[queue.key] for queue in queues if queue.key in common.waiting}
        self._waiting = tuple(waiting.values())
        self.room = ClusterRoom(cluster, members, (*waiting, *resting), grants)
        self._nodes_count = cluster.fixed_nodes
        self._never: dict[tuple[QueueKey, int], Blocked | None] = {}
        #: How many jobs may still be admitted.
        self.left = common.rules.batch_size

    def prepare(self) -> None:
        """Sort out what could never start, and admit what is admitted whatever the room."""
        if self._rules.fail_impossible:
            for waiting in self._waiting:
                self._fail_impossible(waiting)
        for waiting in self._waiting:
            for job in sorted(waiting.unchecked, key=fifo_key)[: max(0, self.left)]:
                verdict = self.room.admit_unchecked(job)
                if verdict is not None:
                    self._outcome.observed[job.job_id] = verdict
                self._admit(job)

    def _fail_impossible(self, waiting: QueueWaiting) -> None:
        """Find who could not start in an empty queue, wherever they stand in line."""
        hopeless = {
            identity: why
            for identity, job in waiting.demands.items()
            if (why := self._impossible(job.queue, job.demand)) is not None
        }
        if hopeless:
            for job in waiting.asking(hopeless):
                self._outcome.impossible[job.job_id] = Impossible(hopeless[id(job.demand)])

    def lines(self) -> list[QueueLine]:
        """Return the lines of the queues that may admit."""
        return [self._common.lines(queue) for queue in self._queues]

    def save(self, line: QueueLine) -> None:
        """Write down what a queue's pools must remember."""
        self._common.save(line)

    def admit_next(self, line: QueueLine) -> bool:
        """Admit one job of a queue, parking the heads that cannot start; ``False``: none can."""
        if self.left <= 0 or (self._limits.exist and self._stop(line)):
            return False
        while True:
            pool = line.next_pool(line.protector(self._now))
            if pool is None or pool.head is None:
                return False
            head = pool.head
            never = self._impossible(line.view.key, head.demand)
            if never is not None and self._rules.fail_impossible:
                self._outcome.impossible[head.job_id] = Impossible(never)
                pool.pop()
                continue
            verdict = never or self.room.admit(head)
            if verdict is None:
                line.charge(pool)
                self._admit(head)
                pool.pop()
                return True
            self._block(line, pool, verdict, hopeless=never is not None)

    def _impossible(self, queue: QueueKey, demand: Demand) -> Blocked | None:
        """Return why no state of the queue could satisfy a demand; jobs of one make often share it."""
        key = (queue, id(demand))
        if key not in self._never:
            self._never[key] = self.room.impossible(queue, demand)
        return self._never[key]

    def _admit(self, job: QueuedJob) -> None:
        self._outcome.admit(job)
        self._limits.count(job)
        self.left -= 1

    def _stop(self, line: QueueLine) -> bool:
        """Set aside what limits stop and pass over whom they concern; ``True``: the whole queue stops."""
        everybody = self._limits.stop_queue(line.view.key)
        for pool in line.pools:
            if self._limits.on_people and not pool.parked:
                pool.pass_over()
            clause = everybody or self._limits.stop_pool(line.view.key, pool.view.name)
            if clause:
                self._common.stop(pool, Ineligible.LIMIT, clause)
        return bool(everybody)

    def _block(self, line: QueueLine, pool: PoolLine, verdict: Blocked, *, hopeless: bool) -> None:
        """Park a pool whose head does not fit, or put the head aside when its time is up."""
        head = pool.head
        if head is None:
            return
        by_nodes = verdict.by_nodes or verdict.resource == _PLACEMENT
        pool.park(self._now, runs=self._nodes_count or not by_nodes, hopeless=hopeless)
        if self._time_out(line, pool, head, verdict):
            pool.pop()
            return
        self._outcome.blocked[head.job_id] = verdict
        if line.protector(self._now) is pool and not self.room.is_protected(line.view.key):
            self.room.protect(head)

    def _time_out(self, line: QueueLine, pool: PoolLine, head: QueuedJob, why: Blocked) -> bool:
        """Retry, cancel or hold a head that was blocked too long; ``True``: it stands here no more."""
        rules, clock, now = pool.rules, pool.clock, self._now
        key, name = line.view.key, pool.view.name
        if not clock.expired(rules.timeout_seconds, now):
            percent = clock.warn(rules.timeout_seconds, now)
            if percent:
                warning = HeadWarning(head.job_id, key, name, percent, clock.seconds(now), why)
                self._outcome.warnings.append(warning)
            return False
        retry = head.head_retries < rules.retry_count
        self._outcome.timed_out.append(
            HeadTimeout(
                head.job_id,
                key,
                name,
                "retry" if retry else rules.timeout_action,
                rules.retry_position,
                clock.seconds(now),
                why,
            )
        )
        clock.restart(now)
        return not retry or rules.retry_position == "tail"
