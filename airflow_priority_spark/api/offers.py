# SPDX-License-Identifier: Apache-2.0
"""Which acts make sense for a job as it is now; an act itself decides again, under locks."""

from __future__ import annotations

from typing import Final

from airflow_priority_spark.scheduling.jobs import WAITING, HeldReason, JobState
from airflow_priority_spark.store.job_reads import JobSummary

#: For every waiting job.
_WAITING: Final = ("cancel", "legacy", "pool", "demand")


def offered(job: JobSummary) -> list[str]:
    """Return the names of the acts.

    ``hold``, ``release``, ``requeue``, ``cancel``, ``legacy``, ``pool``, ``position``, ``demand``.
    """
    if job.state not in WAITING:
        return []
    found = []
    if job.held_reason != HeldReason.PERSON:
        found.append("hold")
    if job.state is JobState.HELD and job.held_reason != HeldReason.PAUSED:
        found.append("release")
    if job.held_reason == HeldReason.TIMEOUT:
        found.append("requeue")
    found += _WAITING
    if job.state is JobState.QUEUED:
        found.append("position")
    return found
