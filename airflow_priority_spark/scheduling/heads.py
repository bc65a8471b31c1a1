# SPDX-License-Identifier: Apache-2.0
"""The lines of a queue: who is head, since when it is blocked, and who protects.

A head that does not fit parks its pool, and the other pools of the queue go on; otherwise one big
job would idle the cluster. But small jobs that keep going past it would then starve it for ever.
So a clock runs while a head is blocked by capacity, and past ``head_protection_seconds`` the head
protects what it needs against the rest of its queue. Only one head per queue protects: two that
each keep half of the room would both wait for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

from airflow_priority_spark.scheduling.model import Blocked, PoolState, PoolView, QueuedJob, QueueView
from airflow_priority_spark.scheduling.order import blocked_key, fifo_key, pool_key
from airflow_priority_spark.scheduling.shares import charged, next_pool


class PoolLine:
    """A priority pool's waiting line.

    :param jobs: its eligible jobs, in any order.
    """

    def __init__(self, view: PoolView, jobs: Iterable[QueuedJob]) -> None:
        self.view = view
        self._jobs = sorted(jobs, key=fifo_key)
        self._next = 0
        self.parked: Blocked | None = None
        #: The head could not start in an empty queue either (and the site lets such jobs wait).
        self.hopeless = False
        # A pool that nobody waits in must not save up turns for later.
        self.credit = view.credit if self._jobs else 0
        self.blocked_since = self._known_since()

    @property
    def head(self) -> QueuedJob | None:
        """The first eligible job that has not been admitted."""
        return self._jobs[self._next] if self._next < len(self._jobs) else None

    def _known_since(self) -> float | None:
        head = self.head
        return self.view.head_blocked_since if head and head.job_id == self.view.head_id else None

    def pop(self) -> None:
        """Let the next job become head."""
        self._next += 1
        self.parked, self.hopeless = None, False
        self.blocked_since = self._known_since()

    def park(self, verdict: Blocked, now: float, *, hopeless: bool = False) -> None:
        """Set the pool aside; the head's clock runs from now, or goes on."""
        self.parked, self.hopeless = verdict, hopeless
        if self.blocked_since is None:
            self.blocked_since = now

    def state(self) -> PoolState:
        """Return what the pool must remember."""
        head = self.head
        return PoolState(self.credit, head.job_id if head else None, self.blocked_since)


class QueueLine:
    """The lines of one queue, and whose turn it is.

    :param jobs: the queue's eligible jobs by pool name.
    """

    def __init__(self, view: QueueView, jobs: dict[str, list[QueuedJob]]) -> None:
        self.view = view
        self.pools = [PoolLine(pool, jobs.get(pool.name, ())) for pool in sorted(view.pools, key=pool_key)]

    def protector(self, now: float, protection_seconds: float) -> PoolLine | None:
        """Return the pool whose head has been blocked longest, if that is at least the protection time.

        It may still be unparked: then it has not been looked at in this cycle and goes first.
        """
        candidates = [
            (blocked_key(pool.blocked_since, pool.head.job_id), index)
            for index, pool in enumerate(self.pools)
            if pool.head is not None
            and pool.blocked_since is not None
            and not pool.hopeless
            and now - pool.blocked_since >= protection_seconds
        ]
        return self.pools[min(candidates)[1]] if candidates else None

    def next_pool(self, protector: PoolLine | None) -> PoolLine | None:
        """Return the pool whose head is looked at next, ``None`` when all are parked or empty."""
        if protector is not None and protector.parked is None:
            return protector
        active = self._active()
        if not active:
            return None
        if self.view.policy == "strict":
            return active[0]
        return active[next_pool([_weight(pool) for pool in active], [pool.credit for pool in active])]

    def charge(self, admitted: PoolLine) -> None:
        """Charge an admission from a pool; call it before the pool's next job becomes head.

        A re-admission is not charged: its turn was paid the first time. Neither is policy ``strict``,
        which has no turns.
        """
        if self.view.policy == "strict" or admitted.head is None or admitted.head.readmission:
            return
        active = self._active()
        credits = charged(
            [_weight(pool) for pool in active],
            [pool.credit for pool in active],
            active.index(admitted),
            bound=sum(map(_weight, self.pools)),
        )
        for pool, credit in zip(active, credits, strict=True):
            pool.credit = credit

    def _active(self) -> list[PoolLine]:
        return [pool for pool in self.pools if pool.head is not None and pool.parked is None]


def _weight(pool: PoolLine) -> int:
    return max(0, pool.view.weight)


def kept_state(pool: PoolView, jobs: Iterable[QueuedJob]) -> PoolState:
    """Return the state of a pool that is not looked at (paused, stale): no clock starts, none is lost."""
    head = min(jobs, key=fifo_key, default=None)
    same = head is not None and head.job_id == pool.head_id
    return PoolState(pool.credit, head.job_id if head else None, pool.head_blocked_since if same else None)
