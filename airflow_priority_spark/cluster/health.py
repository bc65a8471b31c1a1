# SPDX-License-Identifier: Apache-2.0
"""Where a watch stands: in step, or out of step since when and why.

A fault is told once, when it begins, and once when it is over: a log that repeats itself every few
seconds hides the next fault. In between, the state and its counters say what there is to know.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from airflow_priority_spark.errors import PrioritySparkError

log = logging.getLogger(__name__)


#: A list that takes longer is told of; most take milliseconds.
SLOW_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class WatchState:
    """Where a watch stands, and its counters since the start (POSIX seconds; ``None``: never).

    :param synced: a complete list has been read at least once.
    :param lost_since: out of step since then; ``None`` while list and watch work.
    :param error: why it is out of step.
    :param restarts: watches that ended otherwise than on time.
    :param unsteady_since: watches end as soon as they have begun, since then; ``None``: they do not.
    :param unsteady: why.
    """

    synced: bool = False
    lost_since: float | None = None
    error: PrioritySparkError | None = None
    lists: int = 0
    restarts: int = 0
    errors: int = 0
    events: int = 0
    last_event_at: float | None = None
    unsteady_since: float | None = None
    unsteady: str = ""


class Health:
    """Keeps the state of one watch; read from any thread, written by the watch's own.

    :param name: what is watched, for the log.
    :param where: the cluster, for the log (an error names it itself).
    :param first: pause after the first failure, doubled with each further one up to ``most`` (seconds).
    """

    def __init__(
        self, name: str, where: str, first: float, most: float, random: Random, clock: Callable[[], float]
    ) -> None:
        self._name, self._where, self._first, self._most = name, where, first, most
        self._random, self._clock = random, clock
        self._lock = threading.Lock()
        self._state = WatchState()
        self._failures = 0
        self._restart_told = False
        self._slow_told = False

    @property
    def state(self) -> WatchState:
        """The state now."""
        with self._lock:
            return self._state

    def listed(self) -> None:
        """Count a complete list."""
        with self._lock:
            self._state = replace(
                self._state, synced=True, lists=self._state.lists + 1, last_event_at=self._clock()
            )

    def took(self, seconds: float) -> None:
        """Tell of a list that took long, once until one is quick again."""
        slow = seconds > SLOW_SECONDS
        if slow and not self._slow_told:
            log.warning("watch of %s of %s is slow: a list took %.1f s", self._name, self._where, seconds)
        self._slow_told = slow

    def event(self) -> None:
        """Count an event or bookmark: the watch works."""
        self._failures = 0
        self._restart_told = False
        with self._lock:
            self._state = replace(
                self._state, events=self._state.events + 1, last_event_at=self._clock(), unsteady_since=None
            )

    def ended_well(self) -> None:
        """Note a watch that ran its time."""
        self._failures = 0
        self._restart_told = False
        with self._lock:
            self._state = replace(self._state, unsteady_since=None)

    def restarted(self, why: str, *, suspicious: bool) -> float:
        """Count a restart that is no fault, and return the pause before it.

        :param why: told once, until the watch has worked again.
        :param suspicious: the second one in a row waits, lest a server without history be asked in a loop.
        """
        with self._lock:
            state = self._state
            unsteady = state.unsteady_since
            if suspicious and self._failures and unsteady is None:
                unsteady = self._clock()
            self._state = replace(state, restarts=state.restarts + 1, unsteady_since=unsteady, unsteady=why)
        # One 410 is daily life; the second in a row, and a silence, are news.
        if not self._restart_told and (self._failures or not suspicious):
            log.info("watch of %s of %s begins again with a list: %s", self._name, self._where, why)
            self._restart_told = True
        pause = self._backoff() if suspicious and self._failures else 0.0
        self._failures += suspicious
        return pause

    def lose(self, error: PrioritySparkError, retry_after: float | None = None) -> tuple[float, bool]:
        """Note that the watch is out of step; return the pause before the next attempt, and if this is news.

        :param retry_after: the server's own wish; never shortened.
        """
        pause = max(self._backoff(), retry_after or 0.0)
        self._failures += 1
        with self._lock:
            known, state = self._state.error, self._state
            self._state = replace(
                state,
                error=error,
                lost_since=self._clock() if state.lost_since is None else state.lost_since,
                restarts=state.restarts + 1,
                errors=state.errors + 1,
            )
        if type(known) is not type(error):
            log.warning("watch of %s lost: %s (next attempt in %.1f s)", self._name, error, pause)
        return pause, str(known) != str(error)

    def regain(self) -> bool:
        """Note that the watch is in step; return whether it was not before."""
        with self._lock:
            since, errors = self._state.lost_since, self._state.errors
            self._state = replace(self._state, lost_since=None, error=None)
        if since is None:
            return False
        away = self._clock() - since
        log.info(
            "watch of %s of %s regained after %.1f s (%d errors since the start)",
            self._name,
            self._where,
            away,
            errors,
        )
        return True

    def _backoff(self) -> float:
        """Return the pause after this many failures, half of it at random: watches must not march in step."""
        longest = min(self._most, self._first * 2 ** min(self._failures, 16))
        return longest * (0.5 + 0.5 * self._random.random())
