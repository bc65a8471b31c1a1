# SPDX-License-Identifier: Apache-2.0
"""The clocks of a blocked head: when it begins to protect, and when its patience ends.

Protection counts from the moment capacity first blocked the head. The timeout is stricter, because it
ends in a cancelled job: its clock runs only while we see that capacity blocks the head. It stands still
while the picture is stale, the queue is paused or a limit stops the pool, and on elastic nodes while
only nodes are missing (they may be on their way).

A clock that stands still must not cost a write per cycle. So the instant at which it stopped is noted
once, and when it goes on its start is moved forward by the pause: two writes per pause, however long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from airflow_priority_spark.scheduling.model import HeadRules, PoolState, PoolView

#: Warnings are given at so many percent of the timeout, the last one first.
WARNINGS = (80, 50)


@dataclass(slots=True)
class HeadClock:
    """What is known of how long a pool's head has been blocked; all instants in POSIX seconds.

    The fields mean what they do in ``PoolState``.
    """

    blocked_since: float | None = None
    timeout_since: float | None = None
    paused_at: float | None = None
    warned: int = 0

    @staticmethod
    def of(pool: PoolView, head_id: str) -> HeadClock:
        """Return a head's clock: the pool remembers it if it was head already."""
        if pool.head_id != head_id:
            return HeadClock()
        return HeadClock(
            pool.head_blocked_since, pool.head_timeout_since, pool.head_clock_paused_at, pool.head_warned
        )

    def block(self, now: float, *, runs: bool) -> None:
        """Note that capacity blocks the head.

        :param runs: the timeout's clock runs for this kind of block.
        """
        if self.blocked_since is None:
            self.blocked_since = now
        if not runs:
            self.pause(now)
        elif self.timeout_since is None:
            self.timeout_since = now
        elif self.paused_at is not None:
            self.timeout_since += max(0.0, now - self.paused_at)
            self.paused_at = None

    def pause(self, now: float) -> None:
        """Let the timeout's clock stand still, if it runs."""
        if self.timeout_since is not None and self.paused_at is None:
            self.paused_at = now

    def restart(self, now: float) -> None:
        """Begin again, as after a retry."""
        self.timeout_since, self.paused_at, self.warned = now, None, 0

    def seconds(self, now: float) -> float:
        """Return how long the timeout's clock has run; 0 while it stands still."""
        if self.timeout_since is None or self.paused_at is not None:
            return 0.0
        return now - self.timeout_since

    def expired(self, timeout: float, now: float) -> bool:
        """Tell whether the clock has run for ``timeout`` seconds (0 or less: it never does)."""
        return timeout > 0 and self.seconds(now) >= timeout

    def warn(self, timeout: float, now: float) -> int:
        """Return the percentage that has newly been reached, 0 when there is nothing to say."""
        for percent in WARNINGS:
            if timeout > 0 and self.seconds(now) * 100 >= timeout * percent:
                if self.warned >= percent:
                    return 0
                self.warned = percent
                return percent
        return 0

    def state(self, credit: int, head_id: str) -> PoolState:
        """Return what the pool must remember."""
        return PoolState(credit, head_id, self.blocked_since, self.timeout_since, self.paused_at, self.warned)


def next_instant(state: PoolState, rules: HeadRules, now: float) -> float:
    """Return when the clocks of a pool's head next come to something, all else staying as it is.

    That is the start of its protection, a warning or its timeout; infinite when none is to come.
    """
    instants = []
    if state.head_blocked_since is not None:
        instants.append(state.head_blocked_since + rules.protection_seconds)
    if (
        state.head_timeout_since is not None
        and state.head_clock_paused_at is None
        and rules.timeout_seconds > 0
    ):
        instants += [
            state.head_timeout_since + rules.timeout_seconds * percent / 100 for percent in (*WARNINGS, 100)
        ]
    return min((instant for instant in instants if instant > now), default=math.inf)
