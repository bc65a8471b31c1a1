# SPDX-License-Identifier: Apache-2.0
"""Jobs of the flow ``observe``: they were admitted at once, and what would have made each wait was noted."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.model import Demand
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.jobs import task_key
from airflow_priority_spark.store.models import Cluster, Job, Queue


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """One of them.

    :param ended_at: ``None`` while it goes on.
    :param verdict: what would have blocked it when it was admitted, as ``arbiter.apply`` writes verdicts;
        ``None``: it had room.
    """

    job_id: str
    task: str
    cluster: str
    namespace: str
    pool: str
    admitted_at: datetime.datetime
    ended_at: datetime.datetime | None
    demand: Demand
    verdict: dict[str, Any] | None


def observed_jobs(
    session: Session, since: datetime.datetime | None, namespace: str | None
) -> Sequence[ObservedJob]:
    """Return the jobs that were admitted in the flow ``observe``, oldest first (one statement).

    :param since: only those enqueued then or later; ``None``: all that are still known.
    """
    conditions = [Job.flow == "observe", Job.admitted_at.is_not(None)]
    if since is not None:
        conditions.append(Job.queued_at >= since)
    if namespace is not None:
        conditions.append(Queue.namespace == namespace)
    rows = session.execute(
        select(Job, Queue.namespace, Cluster.name)
        .join(Queue, Queue.id == Job.queue_id)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .where(*conditions)
        .order_by(Job.queued_at, Job.position_id, Job.id)
    )
    return [
        ObservedJob(
            job_id=job.id,
            task=task_key(job).readable(),
            cluster=cluster,
            namespace=queue,
            pool=job.pool,
            admitted_at=job.admitted_at,
            ended_at=job.ended_at,
            demand=demand_from_json(job.demand),
            verdict=job.observed,
        )
        for job, queue, cluster in rows
        if job.admitted_at is not None
    ]


def hard_limits(pictures: Sequence[dict[str, Any]], namespace: str) -> dict[str, int]:
    """Return the tightest limit of each quota key of a namespace, from the data of a cluster's picture."""
    tightest: dict[str, int] = {}
    for quota in pictures:
        if quota["namespace"] == namespace:
            for key, amount in quota["hard"].items():
                tightest[key] = min(amount, tightest.get(key, amount))
    return tightest
