# SPDX-License-Identifier: Apache-2.0
"""The states of a job, and the only table that says which may follow which.

::

    held ⇄ queued → admitted → submitted → running → succeeded | failed | cancelled
             ↑         │           │          │
             └─────────┴───────────┴──────────┘  rescheduled, at its original position

We watch a cluster and a database that go on without us: a job may be seen running that was never
seen submitted, or finished that was never seen running. So observation may skip states forward, and
whatever has not ended may fail or be cancelled. What has ended stays ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from airflow_priority_spark.errors import IllegalTransition


class JobState(StrEnum):
    """Where a job is on its way."""

    HELD = "held"
    QUEUED = "queued"
    ADMITTED = "admitted"
    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class HeldReason(StrEnum):
    """Why a job is held, and so who or what releases it.

    ``PERSON``: a person held it and releases it. ``PAUSED``: its DAG is paused; released with it.
    ``DRAINING``: it came while its queue drained; released when the queue resumes.
    ``TIMEOUT``: it was head for too long; a person requeues or cancels it.
    """

    PERSON = "person"
    PAUSED = "paused"
    DRAINING = "draining"
    TIMEOUT = "timeout"


#: In the queue: it holds no capacity.
WAITING: Final = frozenset({JobState.HELD, JobState.QUEUED})
#: It has a grant.
ACTIVE: Final = frozenset({JobState.ADMITTED, JobState.SUBMITTED, JobState.RUNNING})
#: It has ended, for good.
TERMINAL: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})

_UNHAPPY: Final = frozenset({JobState.FAILED, JobState.CANCELLED})

TRANSITIONS: Final[Mapping[JobState, frozenset[JobState]]] = {
    JobState.HELD: frozenset({JobState.QUEUED}) | _UNHAPPY,
    JobState.QUEUED: frozenset({JobState.HELD, JobState.ADMITTED}) | _UNHAPPY,
    JobState.ADMITTED: frozenset({JobState.SUBMITTED, JobState.RUNNING, JobState.QUEUED}) | TERMINAL,
    JobState.SUBMITTED: frozenset({JobState.RUNNING, JobState.QUEUED}) | TERMINAL,
    JobState.RUNNING: frozenset({JobState.QUEUED}) | TERMINAL,
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


def is_terminal(state: JobState | str) -> bool:
    """Tell whether a job in this state has ended."""
    return JobState(state) in TERMINAL


def check_transition(job_id: str, current: JobState | str, wanted: JobState | str) -> None:
    """Accept a legal transition silently.

    :param job_id: named in the error.
    :raises IllegalTransition: when ``wanted`` cannot follow ``current``.
    :raises ValueError: when one of them is no job state at all.
    """
    if JobState(wanted) not in TRANSITIONS[JobState(current)]:
        raise IllegalTransition(job_id, str(JobState(current)), str(JobState(wanted)))
