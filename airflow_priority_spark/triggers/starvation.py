# SPDX-License-Identifier: Apache-2.0
"""Tells a starved job: its driver runs, and holds room, while its executors find none.

Too few executors alone prove nothing. A driver may install packages for half an hour before it asks for
any, or go on long after it has dismissed them all. So a job counts as starved only on evidence: executor
pods that the scheduler cannot place, or the driver's own log that says its pods are refused by a quota
(such a pod never exists, so nobody else could tell).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from airflow_priority_spark.triggers.following import Followed, SparkPod

#: Evidence that is not renewed for so long is over.
FORGET_SECONDS: Final = 60.0
#: Lines of a driver's log in which a refusal is looked for.
LOG_LINES: Final = 200


@dataclass(frozen=True, slots=True)
class Shortage:
    """Executors a running driver lacks.

    :param ready: executors that run.
    :param missing: executors for which there is not even a pod.
    :param message: what the scheduler, or the quota, says; empty without evidence.
    :param seconds: since when the evidence lasts.
    """

    wanted: int
    ready: int
    missing: int
    message: str = ""
    seconds: float = 0.0

    def sentence(self, limit: float) -> str:
        """Say it with numbers."""
        return (
            f"has {self.ready} of {self.wanted} executors and no room for more for {self.seconds:.0f} s "
            f"(executor_readiness_timeout is {limit:g} s): {self.message}"
        )


class ShortageClock:
    """Watches for a lack of executors that lasts.

    :param wanted: executors the job has reserved room for.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._since: float | None = None
        self._seen = 0.0
        self._refusal = ""

    def look(
        self, app: Followed, driver: SparkPod | None, executors: Sequence[SparkPod], now: float
    ) -> Shortage | None:
        """Return what the running driver lacks at ``now`` (POSIX seconds), ``None`` if nothing."""
        if app.view.state != "RUNNING" or app.view.deleting or driver is None or not driver.running:
            self._since = None
            return None
        ready = sum(pod.running for pod in executors)
        alive = sum(pod.phase in ("Pending", "Running") and not pod.deleting for pod in executors)
        if ready >= self._wanted:
            self._since, self._refusal = None, ""
            return None
        waiting = [pod for pod in executors if pod.waiting]
        if waiting:
            self._note(now, min(pod.created for pod in waiting))
        elif self._since is not None and now - self._seen > FORGET_SECONDS:
            self._since, self._refusal = None, ""
        message = describe_waiting(waiting) if waiting else self._refusal
        since = now if self._since is None else self._since
        return Shortage(self._wanted, ready, max(0, self._wanted - alive), message, now - since)

    def refused(self, line: str, now: float) -> None:
        """Take in that the driver's log shows a refusal by a quota."""
        self._refusal = line
        self._note(now, now)

    def _note(self, now: float, since: float) -> None:
        self._seen = now
        if self._since is None:
            self._since = since


def describe_waiting(pods: Iterable[SparkPod]) -> str:
    """Say what the scheduler says of pods that wait, most frequent first: ``2 pods: 0/3 nodes …``."""
    said = Counter(pod.unschedulable for pod in pods)
    parts = [f"{count} pod{'s' if count > 1 else ''}: {message}" for message, count in said.most_common(3)]
    return "; ".join(parts)
