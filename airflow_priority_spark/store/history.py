# SPDX-License-Identifier: Apache-2.0
"""What has really run, for whoever asks how it would have run under other rules."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.model import Demand
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.models import Cluster, Job, Queue

#: Rows fetched at a time.
_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class RanJob:
    """A job that was admitted and has ended.

    :param held: for how long it held its room: from its last admission to its end.
    """

    job_id: str
    namespace: str
    pool: str
    queued_at: datetime.datetime
    held: datetime.timedelta
    demand: Demand
    user: str
    service: str


@dataclass(frozen=True, slots=True)
class History:
    """The jobs of one cluster.

    :param ran: in order of arrival.
    :param left_out: jobs whose runtime is not known: they still wait or run, or ended without having run.
    """

    ran: tuple[RanJob, ...]
    left_out: int


def clusters_with_jobs(session: Session, since: datetime.datetime | None) -> dict[str, str]:
    """Return name → cluster id of the clusters that jobs were queued for (one statement)."""
    jobs = select(Queue.cluster_id).join(Job, Job.queue_id == Queue.id).where(*_after(since))
    rows = session.execute(
        select(Cluster.name, Cluster.cluster_id).where(Cluster.cluster_id.in_(jobs)).order_by(Cluster.name)
    )
    return {row.name: row.cluster_id for row in rows}


def read_history(session: Session, cluster_id: str, since: datetime.datetime | None) -> History:
    """Return what ran in a cluster (two statements).

    :param since: only jobs that were queued then or later; ``None``: all that are still known.
    """
    there = (Queue.cluster_id == cluster_id, *_after(since))
    ended = (Job.admitted_at.is_not(None), Job.ended_at.is_not(None))
    rows = session.execute(
        select(
            Job.id,
            Queue.namespace,
            Job.pool,
            Job.queued_at,
            Job.admitted_at,
            Job.ended_at,
            Job.demand,
            Job.user,
            Job.service,
        )
        .join(Queue, Queue.id == Job.queue_id)
        .where(*there, *ended)
        .order_by(Job.queued_at, Job.position_id, Job.id)
        .execution_options(yield_per=_CHUNK)
    )
    demands = _Demands()
    ran = tuple(
        RanJob(
            job_id=row.id,
            namespace=row.namespace,
            pool=row.pool,
            queued_at=row.queued_at,
            held=row.ended_at - row.admitted_at,
            demand=demands.of(row.demand),
            user=row.user or "",
            service=row.service or "",
        )
        for row in rows
    )
    known = session.scalar(
        select(func.count()).select_from(Job).join(Queue, Queue.id == Job.queue_id).where(*there)
    )
    return History(ran, (known or 0) - len(ran))


def _after(since: datetime.datetime | None) -> list[ColumnElement[bool]]:
    return [] if since is None else [Job.queued_at >= since]


class _Demands:
    """Makes one value of equal demands: thousands of runs of one DAG ask for the same."""

    def __init__(self) -> None:
        self._known: dict[str, Demand] = {}

    def of(self, data: Any) -> Demand:
        text = json.dumps(data, sort_keys=True)
        if text not in self._known:
            self._known[text] = demand_from_json(data)
        return self._known[text]
