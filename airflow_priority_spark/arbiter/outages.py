# SPDX-License-Identifier: Apache-2.0
"""Says once that cycles fail, and once that they work again.

A database that restarts answers each attempt with another sentence: connection refused, starting up,
connection closed. It is one outage and gets one line; what else fails is told whole, once while it stays the
same. What the last outage was goes into the arbiter's state, for ``airflow priority-spark status``: while a
database is away nothing can be written there.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

log = logging.getLogger(__name__)


class Outages:
    """What cycles fail with.

    :param clock: the current UTC time.
    """

    def __init__(self, clock: Callable[[], datetime.datetime]) -> None:
        self._clock = clock
        self._since: datetime.datetime | None = None
        self._fault = ""
        self._why = ""
        self._count = 0
        #: The last outage that is over, as the arbiter's summary holds it; empty before the first.
        self.last: dict[str, Any] = {}
        #: The database is away.
        self.of_database = False

    def failed(self, error: Exception, longest_pause: float) -> None:
        """Note that a cycle failed; told when it is news.

        :param longest_pause: seconds between two attempts at most.
        """
        self.of_database = _is_of_database(error)
        why = f"{type(error).__name__}: {error}"
        fault = "database" if self.of_database else why
        if self._since is None:
            self._since, self._count = self._clock(), 0
        self._count += 1
        if fault == self._fault:
            return
        self._fault, self._why = fault, first_line(error) if self.of_database else why
        if self.of_database:
            log.warning(
                "Airflow's database does not answer: %s; it is tried again with pauses of up to %g s",
                self._why,
                longest_pause,
            )
        else:
            log.error("A cycle failed and will be tried again", exc_info=error)

    def worked(self) -> None:
        """Note that a cycle worked; told when the ones before did not."""
        if self._since is None:
            return
        now = self._clock()
        seconds = (now - self._since).total_seconds()
        log.info("Cycles work again after %.1f s and %d failures", seconds, self._count)
        self.last = {
            "since": self._since.isoformat(),
            "until": now.isoformat(),
            "what": "database" if self.of_database else "cycle",
            "why": self._why,
        }
        self._since, self._fault, self.of_database = None, "", False


def _is_of_database(error: Exception) -> bool:
    return isinstance(error, OperationalError | InterfaceError) or (
        isinstance(error, DBAPIError) and bool(error.connection_invalidated)
    )


def first_line(error: Exception) -> str:
    """Return the driver's own sentence, without the statement and the advice that SQLAlchemy adds."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
