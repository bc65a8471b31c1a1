# SPDX-License-Identifier: Apache-2.0
"""The past in answers."""

from __future__ import annotations

from pydantic import Field

from airflow_priority_spark.api.datamodels.base import Answer, Instant


class Line(Answer):
    """A priority pool; every list has a value for each of ``at``."""

    cluster: str
    namespace: str
    pool: str
    depth: list[int] = Field(description="Jobs that waited at the end of the step.")
    admitted: list[int] = Field(description="Jobs that were admitted in the step.")
    average_wait_seconds: list[float | None] = Field(description="Of the jobs that were admitted.")
    longest_wait_seconds: list[float | None]


class UsedQuota(Answer):
    """One key of a namespace's quotas; null where no picture was taken."""

    cluster: str
    namespace: str
    resource: str = Field(examples=["requests.memory"])
    hard: list[int | None]
    used: list[int | None]


class History(Answer):
    """Queue depth, wait and usage over time."""

    at: list[Instant] = Field(description="Where each step begins.")
    step_seconds: int = Field(examples=[300])
    lines: list[Line]
    usage: list[UsedQuota]


class HeatCell(Answer):
    """How long jobs waited for a resource in an hour, over all that waited behind it."""

    hour: Instant
    resource: str = Field(examples=["memory"])
    job_seconds: float = Field(examples=[7200.0])


class HeatMap(Answer):
    """Hour by blocking resource; what is not there is zero."""

    cells: list[HeatCell]
