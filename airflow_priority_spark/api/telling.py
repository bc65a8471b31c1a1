# SPDX-License-Identifier: Apache-2.0
"""Tells tasks what became of their jobs where no arbiter runs that would.

A task that has just deferred cannot be resumed for a few seconds (``settle_seconds``). A person who sends
its job to legacy then does not wait for that in a browser: the promise is in the tables, and one thread of
the API server goes on trying for a while. What it does not manage in that time, or if the server ends, an
arbiter does when one runs, or ``airflow priority-spark unpark``.
"""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable, Collection
from typing import Final

from airflow_priority_spark.arbiter.actions import By, tell_all
from airflow_priority_spark.store.session import SessionFactory

log = logging.getLogger(__name__)

#: So long after it has deferred Airflow can take a task at the latest; see ``settle_seconds``.
TELL_SECONDS: Final = 120.0


class Teller:
    """One thread at most, which ends when nothing is left to tell.

    :param sessions: opens a session.
    :param clock: tells the time.
    """

    def __init__(self, sessions: SessionFactory, clock: Callable[[], datetime.datetime]) -> None:
        self._sessions, self._clock = sessions, clock
        self._lock = threading.Lock()
        self._waiting: list[tuple[tuple[str, ...], By]] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def tell(self, job_ids: Collection[str], by: By) -> None:
        """Go on trying to tell the tasks of these jobs, behind the caller's back."""
        if not job_ids:
            return
        with self._lock:
            self._waiting.append((tuple(job_ids), by))
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._work, args=(self._stop,), name="priority-spark-teller", daemon=True
                )
                self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until nothing is left to tell, for a time at most."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def close(self, seconds: float = 5.0) -> None:
        """Leave what is not told yet to an arbiter, and wait until the thread is over; see ``Feed``.

        :param seconds: longest wait.
        """
        with self._lock:
            self._waiting.clear()
            self._stop.set()
        self.wait(seconds)

    def _work(self, stop: threading.Event) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                job_ids, by = self._waiting.pop(0)
            try:
                left = tell_all(
                    self._sessions, job_ids, by, clock=self._clock, seconds=TELL_SECONDS, pause=stop.wait
                )
            except Exception:
                log.exception("could not tell the tasks of %d jobs what became of them", len(job_ids))
            else:
                if left:
                    log.warning(
                        "Airflow could not take the tasks of %d jobs; an arbiter will tell them", len(left)
                    )
