# SPDX-License-Identifier: Apache-2.0
"""What a person may change about a job while it waits: its priority pool, its place, its demand.

Called and recorded like those of ``job_actions``.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.acting import By, audit, lock_waiting
from airflow_priority_spark.errors import Conflict, InvalidInput
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import Demand
from airflow_priority_spark.spark.demand import describe_demand
from airflow_priority_spark.spark.request import demand_from_json, demand_to_json
from airflow_priority_spark.store import jobs, positions
from airflow_priority_spark.store.models import Job, Pool, Queue
from airflow_priority_spark.store.rules import Facts, refusal

Where = Literal["first", "last", "before", "after"]


def change_pool(session: Session, job_id: str, pool: str, by: By) -> None:
    """Let a waiting job wait in another priority pool of its queue, by the time at which it was enqueued.

    :raises InvalidInput: when its queue has no such pool.
    :raises NotFound, Conflict: with a sentence.
    """
    job = lock_waiting(session, job_id, "change its priority pool")
    queue = session.get_one(Queue, job.queue_id)
    rows = {row.name: row for row in session.scalars(select(Pool).where(Pool.queue_id == job.queue_id))}
    if pool not in rows:
        raise InvalidInput("pool", pool, f"{', '.join(sorted(rows))} (the pools of queue {queue.namespace})")
    if job.pool == pool:
        raise Conflict(f"job {job_id} waits in pool {pool} already")
    _check_allowed(job, rows[pool], queue)
    before = job.pool
    job.pool = pool
    _look_again(job)
    text = by.sentence(f"moved from pool {before} to {pool}")
    jobs.note(session, job, text, by.actor, by.now)
    audit(session, by, "change-pool", "job", job_id, before=before, after=pool)


def _check_allowed(job: Job, pool: Pool, queue: Queue) -> None:
    facts = Facts(job.dag_id, queue.namespace, tuple(job.tags or ()), job.team, job.bundle)
    if why := refusal(pool.allowed, facts, f"{queue.namespace}/{pool.name}"):
        raise Conflict(why)


def move_job(session: Session, job_id: str, where: Where, by: By, other_id: str | None = None) -> None:
    """Give a queued job another place in its priority pool.

    :param where: ``first``, ``last``, or directly ``before`` or ``after`` the job ``other_id``.
    :raises InvalidInput: when the other job is the same one, or is missing.
    :raises NotFound, Conflict: with a sentence.
    """
    job = lock_waiting(session, job_id, "be moved")
    if job.state != JobState.QUEUED.value:
        raise Conflict(f"job {job_id} is held and has no place in the line; release it first")
    if where == "first":
        positions.move_first(session, job)
    elif where == "last":
        positions.move_last(session, job)
    else:
        other = _neighbour(session, job, other_id, where)
        move = positions.move_before if where == "before" else positions.move_behind
        move(session, job, other)
    _look_again(job)
    beside = f" job {other_id}" if where in ("before", "after") else " of its pool"
    jobs.note(session, job, by.sentence(f"moved {where}{beside}"), by.actor, by.now)
    audit(session, by, "move", "job", job_id, where=where, other=other_id)


def _neighbour(session: Session, job: Job, other_id: str | None, where: str) -> Job:
    if other_id is None or other_id == job.id:
        raise InvalidInput(where, other_id, "the id of another job of the same priority pool")
    other = lock_waiting(session, other_id, f"be a mark to move {where}")
    if other.state != JobState.QUEUED.value:
        raise Conflict(f"job {other_id} is held and has no place in the line")
    if (other.queue_id, other.pool) != (job.queue_id, job.pool):
        names = {row.id: row.namespace for row in session.scalars(select(Queue))}
        raise Conflict(
            f"job {other_id} waits in {names[other.queue_id]}/{other.pool}, job {job.id} in "
            f"{names[job.queue_id]}/{job.pool}; only jobs of one pool have an order, change the pool first"
        )
    return other


def change_demand(session: Session, job_id: str, demand: Demand, by: By) -> None:
    """Let a waiting job reserve another amount of room; its application stays what its author wrote.

    What its pods use beyond their demand is charged when they run, and the job is marked for it.

    :raises NotFound, Conflict: with a sentence.
    """
    job = lock_waiting(session, job_id, "change its demand")
    before, after = describe_demand(demand_from_json(job.demand)), describe_demand(demand)
    if demand_from_json(job.demand) == demand:
        raise Conflict(f"job {job_id} asks for that already: {after}")
    job.demand = demand_to_json(demand)
    _look_again(job)
    text = by.sentence(f"demand changed from {before} to {after}")
    jobs.note(session, job, text, by.actor, by.now)
    audit(session, by, "change-demand", "job", job_id, before=before, after=after)


def _look_again(job: Job) -> None:
    """Forget what it was blocked by: that was found for what it has been."""
    job.verdict = job.blocking_resource = job.blocked_since = None
