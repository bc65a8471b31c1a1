# SPDX-License-Identifier: Apache-2.0
"""Jobs in answers."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_priority_spark.api.datamodels.base import Amounts, Answer, Instant

_SENTENCE = "memory: needs 96 GiB, 40 GiB free of quota team-a"


class Verdict(Answer):
    """Why a job cannot start now; amounts in the base unit of ``resource``."""

    resource: str = Field(examples=["memory"])
    needed: int = Field(examples=[103079215104])
    free: int = Field(examples=[42949672960])
    holder: str = Field(description="Whose limit it is.", examples=["quota team-a"])
    detail: str = ""
    sentence: str = Field(examples=[_SENTENCE])


class Mapped(Answer):
    """What the selected jobs of one mapped task add up to."""

    count: int = Field(examples=[200])
    states: dict[str, int] = Field(description="State → jobs.", examples=[{"queued": 180, "running": 20}])


class Job(Answer):
    """One attempt of one task that wants to run a Spark application."""

    id: str = Field(examples=["0198f3a0-7c1e-7b6e-9d7e-3d3e0b6f1c55"])
    dag_id: str = Field(examples=["sales_daily"])
    run_id: str = Field(examples=["scheduled__2026-01-01T00:00:00+00:00"])
    task_id: str = Field(examples=["aggregate"])
    map_index: int = Field(description="-1: not mapped.", examples=[-1])
    try_number: int = Field(examples=[1])
    ti_id: str = Field(description="The task instance.", examples=["0198f39f-0000-7000-8000-000000000001"])
    cluster: str = Field(examples=["kubernetes_default"])
    namespace: str = Field(examples=["team-a"])
    queue_id: int = Field(examples=[1])
    pool: str = Field(description="Its priority pool.", examples=["normal"])
    state: str = Field(examples=["queued"])
    flow: str = Field(examples=["priority"])
    position: int | None = Field(
        description="Place in the line of its pool, from 1, while it is queued.", examples=[3]
    )
    ahead: int | None = Field(description="Jobs before it in its pool.", examples=[2])
    wait_seconds: float = Field(description="From enqueueing to admission, or until now.", examples=[2460.5])
    blocking_resource: str | None = Field(examples=["memory"])
    verdict: Verdict | None
    ineligible: str | None = Field(description="Why it is not looked at.", examples=[None])
    held_reason: str | None = Field(
        description="While it is held: person, paused, draining or timeout.", examples=[None]
    )
    sentence: str = Field(description="Where it is or what it waits for.", examples=[_SENTENCE])
    reason: str = Field(description="Why it is in its state.", examples=["enqueued"])
    demand: Amounts = Field(description="The sum over all its pods.")
    admission: int = Field(description="How often it was admitted.", examples=[0])
    reschedules: int = Field(examples=[0])
    application: str | None = Field(examples=["sales-daily-aggregate-1a2b3c4d-1"])
    application_state: str | None = Field(examples=["RUNNING"])
    user: str | None = Field(examples=["alice"])
    team: str | None = Field(examples=[None])
    service: str | None = Field(examples=[None])
    queued_at: Instant
    admitted_at: Instant | None
    submitted_at: Instant | None
    started_at: Instant | None
    ended_at: Instant | None
    actions: list[str] = Field(
        description="What who asks may do with it now.", examples=[["hold", "cancel", "legacy", "pool"]]
    )
    mapped: Mapped | None = Field(description="With group=mapped: it stands for its whole mapped task.")


class JobPage(Answer):
    """Some jobs in the order that was asked for."""

    jobs: list[Job]
    next: str | None = Field(
        description="Give it as `after` to get the next page; null at the end.", examples=[None]
    )
    hidden: int = Field(
        description="Jobs that wait or are active in the same queues and states, of DAGs that you may not "
        "read. Other filters do not change this number.",
        examples=[0],
    )
    total: int | None = Field(
        description="How many jobs the filters select; null when they are more than 10,000.", examples=[42]
    )


class TaskJobs(Answer):
    """The jobs of one task, newest first."""

    jobs: list[Job]


class Event(Answer):
    """One line of a job's history."""

    id: int = Field(examples=[17])
    at: Instant
    from_state: str | None = Field(examples=["queued"])
    to_state: str = Field(examples=["admitted"])
    reason: str = Field(examples=["admitted from pool high: fits in quota team-a"])
    actor: str = Field(examples=["arbiter"])


class Events(Answer):
    """A part of a job's history, oldest first; ``next`` continues it, also later."""

    events: list[Event]
    next: int = Field(description="Give it as `after` to get what came since.", examples=[17])


class Grant(Answer):
    """Capacity that a job holds."""

    admission: int = Field(examples=[1])
    unchecked: bool = Field(description="Given whatever the capacity was.", examples=[False])
    granted_at: Instant
    valid_until: Instant


class PodSet(Answer):
    """Pods of one shape."""

    count: int = Field(examples=[10])
    requests: Amounts = Field(description="Of one pod.")
    limits: Amounts = Field(description="Of one pod.")
    node_selector: dict[str, str]
    tolerations: list[dict[str, Any]]


class DemandDetail(Answer):
    """What a job asks for."""

    driver: PodSet | None
    executor: PodSet | None
    objects: Amounts = Field(description="Quota counted by objects, such as count/services.")
    explain: str = Field(examples=["1 driver of 1 CPU and 896 MiB; together 1 pods, 1 CPU, 896 MiB"])
    declared: str | None = Field(
        description="What its author asks for, while a person has set another demand.", examples=[None]
    )
    exceeded: bool = Field(description="Its pods use more than it declared.", examples=[False])


class JobAhead(Answer):
    """A job before this one in its pool; without a name when you may not read its DAG."""

    id: str | None
    pool: str = Field(examples=["high"])
    dag_id: str | None
    task_id: str | None
    sentence: str = Field(examples=["queued"])


class JobDetail(Job):
    """Everything about one job."""

    demand_detail: DemandDetail
    events: list[Event]
    grant: Grant | None
    ahead_jobs: list[JobAhead] = Field(description="The first ten.")

    waits_in_airflow: str | None = Field(
        description="What of Airflow an admitted job waits for.", examples=[None]
    )
