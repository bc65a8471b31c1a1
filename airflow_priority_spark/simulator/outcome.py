# SPDX-License-Identifier: Apache-2.0
"""What became of the jobs of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from airflow_priority_spark.simulator.workload import Arrival


class Fate(StrEnum):
    """What became of a job."""

    WAITING = "waiting"
    ADMITTED = "admitted"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    HELD = "held"


@dataclass(slots=True)
class JobRecord:
    """A job's way through the run; instants in ticks, ``None`` where they do not apply.

    :param admitted: when it got its room.
    :param finished: when it ended, by itself or cancelled.
    :param reason: why it was cancelled or held, or what it still waits for.
    """

    arrival: Arrival
    fate: Fate = Fate.WAITING
    admitted: int | None = None
    finished: int | None = None
    reason: str | None = None

    @property
    def job_id(self) -> str:
        """The job's identity."""
        return self.arrival.job_id


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run amounted to.

    :param jobs: in order of arrival.
    :param order: the admitted jobs in order of admission.
    :param makespan: from the start until the last job had ended, in ticks.
    :param usage_percent: per namespace, of its most used resource.
    :param cycles: calls of ``decide``.
    :param decisions: verdicts that were given: admitted, blocked, impossible, timed out.
    """

    jobs: tuple[JobRecord, ...]
    order: tuple[JobRecord, ...]
    makespan: int
    usage_percent: Mapping[str, float | None]
    cycles: int
    decisions: int
