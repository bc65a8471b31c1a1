# SPDX-License-Identifier: Apache-2.0
"""One job, explained to whoever is on call: where it is, who is ahead, what it lacks, what would help.

The facts are read here, ``store.sentences`` words them; nothing is guessed, every number is one that a
decision was made with.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import PoolView, QueueKey
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.jobs import task_key
from airflow_priority_spark.store.models import Cluster, Delivery, Grant, Job, Pool, Queue
from airflow_priority_spark.store.over_limits import PeopleLimits, people_limits
from airflow_priority_spark.store.queue_table import read_queues
from airflow_priority_spark.store.site import read_site, rules
from airflow_priority_spark.store.status_reads import arbiter_status, latest_snapshots

#: So many jobs ahead, and so many holders of a resource, are named.
NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another job, as far as it matters here.

    :param amount: what it holds of the blocking resource, in its base unit; 0 where that is not asked.
    """

    id: str
    task: str
    amount: int = 0


@dataclass(frozen=True, slots=True)
class OtherPool:
    """Another priority pool of the queue with jobs in line."""

    name: str
    weight: int
    length: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is said about one job.

    :param position: place among the queued jobs of its pool, from 1; ``None`` while it is not queued.
    :param length: queued jobs of its pool.
    :param ahead: the first of those before it.
    :param head: the first eligible job of its pool.
    :param view: its pool with its rules and clocks.
    :param holders: who holds most of what it waits for, in its queue.
    :param passed_over: why it is not looked at (a word, perhaps a colon and a clause); empty when it is.
    :param told: its task has been resumed; false while Airflow cannot take it yet.
    :param leader: an arbiter leads.
    :param stale: why the picture of its cluster is stale; empty when it is fresh, or there is none.
    """

    job: Job
    queue: Queue
    cluster: str
    now: datetime.datetime
    position: int | None
    length: int
    ahead: tuple[Neighbour, ...]
    head: Job | None
    view: PoolView | None
    others: tuple[OtherPool, ...]
    holders: tuple[Neighbour, ...]
    passed_over: str
    told: bool
    leader: bool
    stale: str


def read_facts(session: Session, job_id: str, settings: Settings, now: datetime.datetime) -> Facts | None:
    """Read what is to be said about a job, ``None`` when nobody knows it (a fixed number of statements).

    :param settings: the configuration; what the tables say instead is read here.
    """
    row = session.execute(
        select(Job, Queue, Cluster.name)
        .join(Queue, Queue.id == Job.queue_id)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .where(Job.id == job_id)
    ).one_or_none()
    if row is None:
        return None
    job, queue, cluster = row
    line = _line(session, job) if job.state == JobState.QUEUED.value else []
    site = read_site(session, settings)
    people = people_limits(session, rules(site))
    position = line.index(job.id) + 1 if job.id in line else None
    return Facts(
        job=job,
        queue=queue,
        cluster=cluster,
        now=now,
        position=position,
        length=len(line),
        ahead=_named(session, line[: (position or 1) - 1][:NAMED]),
        head=_head(session, job, people),
        view=_view(session, job, queue, site),
        others=_others(session, job),
        holders=_holders(session, job),
        passed_over=_passed_over(job, people),
        told=session.get(Delivery, job.id) is None,
        leader=arbiter_status(session, now).alive,
        stale=_stale(session, queue.cluster_id, now),
    )


def _line(session: Session, job: Job) -> Sequence[str]:
    return session.scalars(
        select(Job.id)
        .where(Job.state == JobState.QUEUED.value, Job.queue_id == job.queue_id, Job.pool == job.pool)
        .order_by(Job.position_at, Job.position_id, Job.id)
    ).all()


def _named(session: Session, job_ids: Sequence[str]) -> tuple[Neighbour, ...]:
    found = {job.id: job for job in session.scalars(select(Job).where(Job.id.in_(job_ids)))}
    return tuple(
        Neighbour(job_id, task_key(found[job_id]).readable()) for job_id in job_ids if job_id in found
    )


def _passed_over(job: Job, people: PeopleLimits) -> str:
    word, clause = people.ineligible(job)
    if word is None:
        return ""
    return f"{word}: {clause}" if clause else word


def _head(session: Session, job: Job, people: PeopleLimits) -> Job | None:
    return session.scalar(
        select(Job)
        .where(
            Job.state == JobState.QUEUED.value,
            Job.queue_id == job.queue_id,
            Job.pool == job.pool,
            *people.conditions(),
        )
        .order_by(Job.position_at, Job.position_id, Job.id)
        .limit(1)
    )


def _view(session: Session, job: Job, queue: Queue, site: Settings) -> PoolView | None:
    table = read_queues(session, site)
    key = QueueKey(queue.cluster_id, queue.namespace)
    pools = next((view.pools for view in table.views if view.key == key), ())
    return next((pool for pool in pools if pool.name == job.pool), None)


def _others(session: Session, job: Job) -> tuple[OtherPool, ...]:
    rows = session.execute(
        select(Pool.name, Pool.weight, func.count(Job.id))
        .join(Job, (Job.queue_id == Pool.queue_id) & (Job.pool == Pool.name))
        .where(Pool.queue_id == job.queue_id, Pool.name != job.pool, Job.state == JobState.QUEUED.value)
        .group_by(Pool.name, Pool.weight)
        .order_by(Pool.weight.desc(), Pool.name)
    )
    return tuple(OtherPool(*row) for row in rows)


def _holders(session: Session, job: Job) -> tuple[Neighbour, ...]:
    """Return the jobs of the queue that hold most of what this one waits for."""
    resource = bare(job.blocking_resource or "")
    rows = session.execute(
        select(Job, Grant.demand)
        .join(Grant, Grant.job_id == Job.id)
        .where(Grant.queue_id == job.queue_id, or_(Job.id != job.id, Grant.unchecked))
    )
    holders = [
        Neighbour(holder.id, task_key(holder).readable(), demand_from_json(demand).total()[resource])
        for holder, demand in rows
        if resource
    ]
    found = sorted((each for each in holders if each.amount), key=lambda each: (-each.amount, each.id))
    return tuple(found[:NAMED])


def bare(resource: str) -> str:
    """Return the resource that a blocking resource or quota key counts: ``requests.cpu`` is ``cpu``."""
    return resource.removeprefix("requests.").removeprefix("limits.")


def _stale(session: Session, cluster_id: str, now: datetime.datetime) -> str:
    for picture in latest_snapshots(session, now):
        if picture.cluster_id == cluster_id and not picture.data.get("fresh", True):
            return str(picture.data.get("stale_reason") or "its watches are out of step")
    return ""
