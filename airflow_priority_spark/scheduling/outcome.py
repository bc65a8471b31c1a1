# SPDX-License-Identifier: Apache-2.0
"""Decisions in the making."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_priority_spark.scheduling.model import (
    Admission,
    Blocked,
    Decisions,
    HeadTimeout,
    HeadWarning,
    Impossible,
    Ineligible,
    PoolState,
    QueuedJob,
    QueueKey,
)


@dataclass(slots=True)
class Outcome:
    """What has been decided so far; the fields mean what they do in ``Decisions``."""

    admissions: list[Admission] = field(default_factory=list)
    blocked: dict[str, Blocked] = field(default_factory=dict)
    impossible: dict[str, Impossible] = field(default_factory=dict)
    pools: dict[tuple[QueueKey, str], PoolState] = field(default_factory=dict)
    observed: dict[str, Blocked] = field(default_factory=dict)
    timed_out: list[HeadTimeout] = field(default_factory=list)
    warnings: list[HeadWarning] = field(default_factory=list)
    ineligible: dict[str, tuple[Ineligible, str]] = field(default_factory=dict)

    def admit(self, job: QueuedJob) -> None:
        """Note that a job starts now."""
        self.admissions.append(Admission(job.job_id, job.queue, job.pool))

    def decisions(self) -> Decisions:
        """Return the finished decisions."""
        return Decisions(
            tuple(self.admissions),
            self.blocked,
            self.impossible,
            self.pools,
            self.observed,
            tuple(self.timed_out),
            tuple(self.warnings),
            self.ineligible,
        )
