# SPDX-License-Identifier: Apache-2.0
"""How long an application may take for each part of its life: one clock per part, and they never add up.

A clock starts with what really began: a pod's creation, a container's start, a change of state that was
seen. So neither the time in the queue nor a slow part before counts against a later one, and what nobody
can hurry (a suspension, a rerun's pause, a deletion) stops all of them. A clock that cannot know when
its part began, because the triggerer was restarted meanwhile, starts anew: late rather than wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from airflow_priority_spark.spark.states import NEW, SUBMITTED
from airflow_priority_spark.triggers.following import Followed, SparkPod

SUBMISSION: Final = "submission"
SCHEDULING: Final = "driver_scheduling"
RUN: Final = "run"

#: The operator has something to do before there is a driver pod.
_BEFORE_DRIVER: Final = frozenset(
    {NEW, SUBMITTED, "SUBMISSION_FAILED", "PENDING_RERUN", "INVALIDATING", "RESUMING"}
)
#: Somebody else (a person, Kueue) holds the application back.
SUSPENDED: Final = frozenset({"SUSPENDING", "SUSPENDED"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for each part; 0 is no limit.

    :param submission: until the driver pod exists.
    :param driver_scheduling: from there until it runs.
    :param executor_readiness: how long executors may find no room.
    :param run: from the driver's start to the end.
    """

    submission: float = 0.0
    driver_scheduling: float = 0.0
    executor_readiness: float = 0.0
    run: float = 0.0

    def to_json(self) -> dict[str, float]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Limits:
        """Read the JSON form; what is missing is no limit."""
        known = value or {}
        return cls(**{item.name: float(known.get(item.name) or 0.0) for item in fields(cls)})


@dataclass(frozen=True, slots=True)
class Overdue:
    """A part that took too long, with the sentence that says so."""

    clock: str
    sentence: str


class Clocks:
    """Follows one application through its parts."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._part: tuple[str, str] | None = None
        self._since = 0.0

    def look(self, app: Followed, driver: SparkPod | None, *, pods_known: bool, now: float) -> Overdue | None:
        """Return the part that is overdue at ``now`` (POSIX seconds), if any."""
        clock = _clock(app, driver, pods_known=pods_known)
        part = (clock, driver.name + str(driver.created) if driver else "")
        if part != self._part:
            self._since = _began(clock, app, driver, now, first=self._part is None)
            self._part = part
        limit = {
            SUBMISSION: self._limits.submission,
            SCHEDULING: self._limits.driver_scheduling,
            RUN: self._limits.run,
        }.get(clock, 0.0)
        taken = now - self._since
        if not limit or taken <= limit:
            return None
        return Overdue(clock, _sentence(clock, app, driver, taken, limit))


def _clock(app: Followed, driver: SparkPod | None, *, pods_known: bool) -> str:
    """Return the part the application is in, empty where nothing is to be timed."""
    state = app.view.state
    if app.view.deleting or state in SUSPENDED or (driver is not None and driver.deleting):
        return ""
    if driver is None:
        if not pods_known and state in (SUBMITTED, "RUNNING"):
            return SCHEDULING if state == SUBMITTED else RUN
        return SUBMISSION if state in _BEFORE_DRIVER else ""
    if state in _BEFORE_DRIVER or state == "RUNNING":
        return {"Pending": SCHEDULING, "Running": RUN}.get(driver.phase, "")
    return ""


def _began(clock: str, app: Followed, driver: SparkPod | None, now: float, *, first: bool) -> float:
    if clock == SCHEDULING and driver is not None:
        return driver.created
    if clock == RUN and driver is not None and driver.started is not None:
        return driver.started
    if clock == SUBMISSION and first and app.view.state == NEW:
        return app.view.created or now
    if clock == SUBMISSION and first and app.view.state == SUBMITTED:
        return app.submitted or now
    return now


def _sentence(clock: str, app: Followed, driver: SparkPod | None, taken: float, limit: float) -> str:
    if clock == SUBMISSION:
        what = f"has no driver pod after {taken:.0f} s, in state {app.view.state or 'new'}"
        return f"{what} (submission_timeout is {limit:g} s)"
    if clock == SCHEDULING:
        why = f": {driver.unschedulable}" if driver is not None and driver.unschedulable else ""
        return (
            f"has a driver pod that does not run after {taken:.0f} s "
            f"(driver_scheduling_timeout is {limit:g} s){why}"
        )
    return f"has run for {taken:.0f} s (run_timeout is {limit:g} s)"
