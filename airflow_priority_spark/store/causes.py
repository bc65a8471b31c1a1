# SPDX-License-Identifier: Apache-2.0
"""Why a job's way took a turn, as one word.

Every event has a sentence for people. Counters and notifications need a word of a short list besides;
whoever writes the event knows it best, so it is written there and never read out of a sentence.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Cause(StrEnum):
    """One word for an event; empty where the states say it all."""

    # Of its first event: another attempt of the task came before.
    RETRY = "retry"
    # Back in the queue.
    STALE_QUOTA = "stale-quota"
    STARVED = "starved"
    DEMAND_GREW = "demand-grew"
    ADMISSION_EXPIRED = "admission-expired"
    ATTEMPT_LOST = "attempt-lost"
    # Cancelled, held or failed by the queue.
    HEAD_TIMEOUT = "head-timeout"
    QUEUE_TIMEOUT = "queue-timeout"
    PERSON = "person"
    UNPARKED = "unparked"
    IMPOSSIBLE = "impossible"
    TOO_MANY_RESCHEDULES = "too-many-reschedules"
    # Ended by what Airflow says of the task.
    TASK_CLEARED = "task-cleared"
    TASK_DELETED = "task-deleted"
    TASK_SET = "task-set"
    TASK_FAILED = "task-failed"
    TASK_RETRIED = "task-retried"
    # Said of a job that stays in its state.
    BLOCKED = "blocked"
    LATE = "late"


class Notice(StrEnum):
    """What a notifier can be attached to."""

    BLOCKED = "blocked"
    LATE = "late"
    CANCELLED = "cancelled"
    STARVED = "starved"
    REQUEUED = "requeued"


_SAID: Final = {Cause.BLOCKED: Notice.BLOCKED, Cause.LATE: Notice.LATE, Cause.STARVED: Notice.STARVED}
_ACTIVE: Final = ("admitted", "submitted", "running")


def notice_of(before: str | None, after: str, cause: str | None) -> Notice | None:
    """Return what a notifier is told of an event, ``None`` for nothing.

    :param before, after: states of the job.
    """
    if after == "cancelled":
        return Notice.CANCELLED
    if before in _ACTIVE and after == "queued":
        return Notice.STARVED if cause == Cause.STARVED else Notice.REQUEUED
    return _SAID.get(Cause(cause)) if cause and before == after else None
