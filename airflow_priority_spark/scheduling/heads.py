# SPDX-License-Identifier: Apache-2.0
"""The lines of a queue: who is head, whose turn it is, and who protects.

A head that does not fit parks its pool, and the other pools of the queue go on; otherwise one big
job would idle the cluster. But small jobs that keep going past it would then starve it for ever.
So a clock runs while a head is blocked by capacity, and past ``protection_seconds`` the head
protects what it needs against the rest of its queue. Only one head per queue protects: two that
each keep half of the room would both wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from airflow_priority_spark.scheduling.clock import HeadClock
from airflow_priority_spark.scheduling.model import HeadRules, PoolState, PoolView, QueuedJob, QueueView
from airflow_priority_spark.scheduling.order import blocked_key
from airflow_priority_spark.scheduling.shares import charged, next_pool

#: What a pool remembers that nobody waits in.
IDLE: Final = PoolState(0, None, None)


class PoolLine:
    """A priority pool's waiting line.

    :param jobs: its jobs in order, read only as far as needed.
    :param eligible: tells whether a job may be looked at; the others are passed over.
    :param rules: of its heads.
    """

    __slots__ = (
        "_eligible",
        "_jobs",
        "clock",
        "credit",
        "head",
        "hopeless",
        "parked",
        "rules",
        "stopped",
        "view",
        "weight",
    )

    def __init__(
        self,
        view: PoolView,
        jobs: Iterable[QueuedJob],
        eligible: Callable[[QueuedJob], bool],
        rules: HeadRules,
    ) -> None:
        self.view, self.rules = view, rules
        self.weight = max(0, view.weight)
        self._jobs, self._eligible = iter(jobs), eligible
        #: The first eligible job that has been neither admitted nor put aside.
        self.head: QueuedJob | None = None
        self.clock = HeadClock()
        #: The pool is set aside for the rest of this decision.
        self.parked = False
        #: It is a limit or a pause that has set it aside, not capacity: its head protects nothing.
        self.stopped = False
        #: The head could not start in an empty queue either (and the site lets such jobs wait).
        self.hopeless = False
        self.pop()
        # A pool that nobody waits in must not save up turns for later.
        self.credit = view.credit if self.head is not None else 0

    def pop(self) -> None:
        """Let the next eligible job become head."""
        self.parked = self.stopped = self.hopeless = False
        for job in self._jobs:
            if self._eligible(job):
                self.head = job
                self.clock = HeadClock.of(self.view, job.job_id)
                return
        self.head = None

    def pass_over(self) -> None:
        """Go on to the next job if the head is not eligible any more."""
        if self.head is not None and not self._eligible(self.head):
            self.pop()

    def park(self, now: float, *, runs: bool, hopeless: bool = False) -> None:
        """Set the pool aside because capacity blocks its head.

        :param runs: the head's timeout clock runs for this kind of block.
        :param hopeless: an empty queue could not take the head either.
        """
        self.parked, self.hopeless = True, hopeless
        self.clock.block(now, runs=runs)

    def stop(self, now: float) -> None:
        """Set the pool aside because of a limit or a pause; the timeout's clock stands still."""
        self.parked = self.stopped = True
        self.clock.pause(now)

    def state(self) -> PoolState:
        """Return what the pool must remember; nothing once its last job has gone.

        The next decision would drop the credit anyway; if this one kept it, the order of admissions would
        depend on whether a cycle happened to run before the next job came.
        """
        if self.head is None:
            return IDLE
        return self.clock.state(self.credit, self.head.job_id)


class QueueLine:
    """The lines of one queue's pools, and whose turn it is.

    :param pools: lines in the order of ``order.pool_key``; those without a head may be left out.
    """

    __slots__ = ("_bound", "_strict", "pools", "view")

    def __init__(self, view: QueueView, pools: list[PoolLine]) -> None:
        self.view, self.pools = view, pools
        self._strict = view.policy == "strict"
        self._bound = sum(max(0, pool.weight) for pool in view.pools)

    def protector(self, now: float) -> PoolLine | None:
        """Return the pool whose head has been blocked longest, if that is at least its protection time.

        It may still be unparked: then it has not been looked at in this cycle and goes first.
        """
        best, best_key = None, (0.0, "")
        for pool in self.pools:
            since = pool.clock.blocked_since
            if since is None or pool.head is None or pool.stopped or pool.hopeless:
                continue
            if now - since >= pool.rules.protection_seconds:
                key = blocked_key(since, pool.head.job_id)
                if best is None or key < best_key:
                    best, best_key = pool, key
        return best

    def next_pool(self, protector: PoolLine | None) -> PoolLine | None:
        """Return the pool whose head is looked at next, ``None`` when all are set aside or empty."""
        if protector is not None and not protector.parked:
            return protector
        active = self._active()
        if len(active) < 2 or self._strict:
            return active[0] if active else None
        return active[next_pool([pool.weight for pool in active], [pool.credit for pool in active])]

    def charge(self, admitted: PoolLine) -> None:
        """Charge an admission from a pool; call it before the pool's next job becomes head.

        A re-admission is not charged: its turn was paid the first time. Neither is policy ``strict``,
        which has no turns.
        """
        if self._strict or admitted.head is None or admitted.head.readmission:
            return
        active = self._active()
        credits = charged(
            [pool.weight for pool in active],
            [pool.credit for pool in active],
            active.index(admitted),
            bound=self._bound,
        )
        for pool, credit in zip(active, credits, strict=True):
            pool.credit = credit

    def _active(self) -> list[PoolLine]:
        return [pool for pool in self.pools if pool.head is not None and not pool.parked]
