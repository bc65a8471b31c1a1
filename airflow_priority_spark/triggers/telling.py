# SPDX-License-Identifier: Apache-2.0
"""What a waiting task says in its log: each thing once, when it changes.

The trigger's log is part of the task's. Lines of a failed executor's own log are printed here and go
nowhere else: the event that resumes the task lies in the database in clear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from urllib3.exceptions import HTTPError

from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.kinds import PODS
from airflow_priority_spark.cluster.transport import Refused, open_response
from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.spark.states import COMPLETED, FAILED, NEW, RUNNING, SUBMITTED
from airflow_priority_spark.triggers.following import Followed, SparkPod
from airflow_priority_spark.triggers.starvation import Shortage, describe_waiting

if TYPE_CHECKING:
    from logging import Logger

#: Failed executors whose last lines are fetched, and how many lines of each.
SHOWN: Final = 3
LAST_LINES: Final = 20
_LAST_BYTES: Final = 64 * 1024
#: Seconds the kubelet may take for the end of a log; others wait behind it.
_READ_SECONDS: Final = 10.0
#: States that only a run leads to, and those that a driver may also fail on the way to.
_AFTER_RUN: Final = frozenset({"SUCCEEDING", COMPLETED})
_PERHAPS_AFTER_RUN: Final = frozenset({"FAILING", FAILED})
_BEFORE_RUN: Final = frozenset({NEW, SUBMITTED, "PENDING_RERUN"})


class Teller:
    """Says what becomes of one application.

    :param where: namespace and name of the application.
    """

    def __init__(self, log: Logger, where: str) -> None:
        self._log, self._where = log, where
        self._state: tuple[str, str] | None = None
        self._ran = False
        self._waiting: dict[str, str] = {}
        self._interrupted = {"applications": False, "pods": False}
        self._short = ""

    def state(self, app: Followed, driver: SparkPod | None = None) -> None:
        """Say a state of the application that is new.

        A watch shows what is, not what was: a short run may be over when it is first looked at. That it
        ran is said all the same, with its times.
        """
        view, before = app.view, self._state
        self._state = (view.state, view.driver_pod)
        if before == self._state:
            return
        arrow = f"{before[0] or 'new'} -> " if before is not None and before[0] != view.state else ""
        arrow += self._missed(app, driver)
        named = f", driver pod {view.driver_pod}" if view.driver_pod else ""
        error = f": {view.error}" if view.error else ""
        self._log.info("SparkApplication %s: %s%s%s%s", self._where, arrow, view.state or "new", named, error)

    def _missed(self, app: Followed, driver: SparkPod | None) -> str:
        """Return the run that no picture showed, as a step on the way."""
        state, started = app.view.state, driver.started if driver is not None else None
        over = state in _AFTER_RUN or (state in _PERHAPS_AFTER_RUN and started is not None)
        missed = over and not self._ran
        self._ran = state not in _BEFORE_RUN and (self._ran or over or state == RUNNING)
        if not missed:
            return ""
        times = [f"{word} {_clock(at)}" for word, at in (("from", started), ("to", app.ended)) if at]
        span = " ".join(times) + ", " if times else ""
        return f"{RUNNING} ({span}seen afterwards) -> "

    def waiting(self, role: str, pods: Sequence[SparkPod]) -> None:
        """Say what the scheduler says of pods that no node takes, and when all of them have found one."""
        message = describe_waiting(pod for pod in pods if pod.waiting)
        before = self._waiting.get(role, "")
        if message == before:
            return
        self._waiting[role] = message
        if message:
            self._log.warning("No node takes %s of %s: %s", role, self._where, message)
        else:
            self._log.info("Every %s pod of %s has found a node, or is gone", role, self._where)

    def failed(self, pod: SparkPod, last_lines: Sequence[str]) -> None:
        """Say that an executor has failed, with the end of its log."""
        self._log.warning("Executor %s failed: %s", pod.name, pod.failure)
        for line in last_lines:
            self._log.warning("[%s] %s", pod.name, line)

    def shortage(self, shortage: Shortage, limit: float) -> None:
        """Say that the job is starved, once per reason."""
        if shortage.message != self._short:
            self._short = shortage.message
            self._log.warning("SparkApplication %s %s", self._where, shortage.sentence(limit))

    def watch(self, what: str, error: str) -> None:
        """Say once that a watch is interrupted, however often the reason changes, and when it is not."""
        if bool(error) == self._interrupted[what]:
            return
        self._interrupted[what] = bool(error)
        if not error:
            self._log.info("The watch%s is in step again", "" if what == "applications" else f" of {what}")
        elif what == "applications":
            self._log.warning("The watch is interrupted and goes on trying: %s", error)
        else:
            self._log.warning("Pods cannot be watched, so nothing is said of them meanwhile: %s", error)


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}Z"


def summarize(failures: Iterable[SparkPod]) -> str:
    """Say how executors failed: ``3 executors failed: 2 by exit code 137 (OOMKilled), 1 by exit code 1``."""
    ways = Counter(pod.failure for pod in failures)
    if not ways:
        return ""
    count = ways.total()
    parts = ", ".join(f"{number} by {way}" for way, number in ways.most_common(5))
    return f"{count} executor{'s' if count > 1 else ''} failed: {parts}"


def last_lines(
    connection: ClusterConnection, pod: SparkPod, *, lines: int = LAST_LINES, since: float = 0
) -> list[str]:
    """Return the end of a pod's log; empty when it cannot be read (most failed executors are gone at once).

    :param since: only what was written in the last so many seconds; 0 for all.
    """
    query = {
        "container": f"spark-kubernetes-{pod.role}",
        "tailLines": str(lines),
        "limitBytes": str(_LAST_BYTES),
        **({"sinceSeconds": str(round(since))} if since else {}),
    }
    path = f"{PODS.path(pod.namespace, pod.name)}/log"
    try:
        response = open_response(connection, "GET", path, query=query, read_seconds=_READ_SECONDS)
        try:
            return response.read().decode(errors="replace").splitlines()
        finally:
            response.close()
    except (Refused, PrioritySparkError, HTTPError, OSError):
        return []
