# SPDX-License-Identifier: Apache-2.0
"""Queues in answers."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_priority_spark.api.datamodels.base import Answer, Instant

_WAIT = 2460.5


class Head(Answer):
    """The first eligible job of a priority pool; unnamed when you may not read its DAG."""

    job_id: str | None
    dag_id: str | None = Field(examples=["sales_daily"])
    task_id: str | None = Field(examples=["aggregate"])
    sentence: str = Field(examples=["memory: needs 96 GiB, 40 GiB free of quota team-a"])
    blocking_resource: str | None = Field(examples=["memory"])
    blocked_seconds: float | None = Field(examples=[310.0])
    protecting: bool = Field(description="Nothing of its queue that needs what it lacks goes before it.")


class Pool(Answer):
    """A priority pool of a queue."""

    name: str = Field(examples=["high"])
    weight: int = Field(examples=[90])
    length: int = Field(description="Queued jobs.", examples=[12])
    held: int = Field(description="Jobs kept aside.", examples=[0])
    active: int = Field(description="Admitted jobs that have not ended.", examples=[4])
    running: int = Field(description="Those whose application runs.", examples=[3])
    job_limit: int | None = Field(description="Most jobs admitted at once; null: any number.")
    oldest_wait_seconds: float | None = Field(examples=[_WAIT])
    average_wait_seconds: float | None = Field(examples=[_WAIT / 2])
    head: Head | None
    late: bool = Field(description="Its head has used half of the time after which it is timed out.")


class Usage(Answer):
    """One key of a quota or of the declared capacity of a queue; cpu in millicores, else bytes or counts."""

    resource: str = Field(examples=["requests.memory"])
    hard: int | None = Field(description="The tightest limit; null when there is none.")
    used: int = Field(description="What pods use, as the quota reports it.")
    granted: int = Field(description="What admitted jobs were promised.")
    free: int | None = Field(description="What the next job can get; null without a limit.")
    holder: str = Field(description="Whose limit it is.", examples=["quota team-a"])


class Queue(Answer):
    """The jobs bound for one namespace of one cluster."""

    id: int = Field(examples=[1])
    cluster_id: str = Field(examples=["c0ffee00-0000-4000-8000-000000000001"])
    cluster: str = Field(examples=["kubernetes_default"])
    namespace: str = Field(examples=["team-a"])
    weight: int = Field(description="Among the queues that share nodes.", examples=[1])
    policy: str = Field(examples=["weighted"])
    paused: bool
    draining: bool
    length: int = Field(description="Queued jobs.", examples=[12])
    held: int = Field(examples=[0])
    active: int = Field(examples=[4])
    running: int = Field(examples=[3])
    job_limit: int | None
    oldest_wait_seconds: float | None = Field(examples=[_WAIT])
    average_wait_seconds: float | None = Field(examples=[_WAIT / 2])
    blocking: list[str] = Field(description="What the heads wait for.", examples=[["memory"]])
    pools: list[Pool]
    resources: list[Usage]


class Queues(Answer):
    """All queues."""

    queues: list[Queue]
    hidden_jobs: int = Field(description="Waiting and active jobs of DAGs that you may not read.")
    taken_at: Instant


class Setting(Answer):
    """A value and where it comes from."""

    value: Any = Field(examples=[300])
    source: str = Field(description="pool, queue, site, airflow.cfg or default.", examples=["queue"])
    since: Instant | None = Field(description="When it was set; null when it is only configured.")
    by: str | None = Field(description="Who set it.", examples=["alice"])


class QueueDetail(Queue):
    """A queue with its settings."""

    settings: dict[str, Setting]
    pool_settings: dict[str, dict[str, Setting]] = Field(description="Pool → setting → value.")
