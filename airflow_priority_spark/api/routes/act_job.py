# SPDX-License-Identifier: Apache-2.0
"""What a person may do to one waiting job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.orm import Session

from airflow_priority_spark.api.acting import Actor, ActorDep
from airflow_priority_spark.api.datamodels.acts import Act, Beside, DemandWanted, JobChange, Requeue
from airflow_priority_spark.api.datamodels.jobs import Job
from airflow_priority_spark.api.demands import changed_demand
from airflow_priority_spark.api.routes.job import JobId, not_found
from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.arbiter.acting import lock_waiting
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.bulk import tasks_of

router = APIRouter(tags=["acts on jobs"])


def _act(
    actor: Actor, job_id: UUID, name: str, body: Act, act: Callable[[Session, str, actions.By], Any]
) -> Job:
    with actor.on_job(name, job_id, body.reason) as (session, by):
        act(session, str(job_id), by)
    return actor.answer(job_id)


@router.post("/jobs/{job_id}/hold")
def hold_job(job_id: JobId, body: Act, actor: ActorDep) -> Job:
    """Keep a waiting job aside until a person releases it."""
    return _act(actor, job_id, "hold", body, actions.hold_job)


@router.post("/jobs/{job_id}/release")
def release_job(job_id: JobId, body: Act, actor: ActorDep) -> Job:
    """Let a held job wait in its queue again, at the position it had."""
    return _act(actor, job_id, "release", body, actions.release_job)


@router.post("/jobs/{job_id}/requeue")
def requeue_job(job_id: JobId, body: Requeue, actor: ActorDep) -> Job:
    """Give a job that was held by its timeout another try, with all its retries."""

    def requeue(session: Session, job: str, by: actions.By) -> None:
        actions.requeue_job(session, job, by, last=body.last)

    return _act(actor, job_id, "requeue", body, requeue)


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: JobId, body: Act, actor: ActorDep) -> Job:
    """End a waiting job; its task fails, without retries unless the site wants them."""
    found = _act(actor, job_id, "cancel", body, actions.cancel_job)
    actor.tell_later([str(job_id)], body.reason)
    return found


@router.post("/jobs/{job_id}/legacy")
def send_job_to_legacy(job_id: JobId, body: Act, actor: ActorDep) -> Job:
    """Let a waiting job go straight to the cluster, whatever room there is; works without an arbiter."""
    found = _act(actor, job_id, "legacy", body, actions.send_to_legacy)
    actor.tell_later([str(job_id)], body.reason)
    return found


@router.patch("/jobs/{job_id}")
def change_job(job_id: JobId, body: JobChange, actor: ActorDep) -> Job:
    """Change the pool, the place or the demand of a waiting job."""
    name, act = _change(actor, body)
    return _act(actor, job_id, name, body, act)


def _change(actor: Actor, body: JobChange) -> tuple[str, Callable[[Session, str, actions.By], None]]:
    """Return the name of a change and what does it."""
    if (pool := body.pool) is not None:
        return "pool", lambda session, job_id, by: actions.change_pool(session, job_id, pool, by)
    if (demand := body.demand) is not None:
        return "demand", lambda session, job_id, by: _change_demand(session, job_id, demand, by)
    where, other = _place(actor, body)
    return "position", lambda session, job_id, by: actions.move_job(session, job_id, where, by, other)


def _change_demand(session: Session, job_id: str, wanted: DemandWanted, by: actions.By) -> None:
    job = lock_waiting(session, job_id, "change its demand")
    actions.change_demand(session, job_id, changed_demand(demand_from_json(job.demand), wanted), by)


def _place(actor: Actor, body: JobChange) -> tuple[actions.Where, str | None]:
    """Return where to move, and beside which job.

    :raises NotFound: there is no such job, or it may not be read.
    """
    position = body.position
    if not isinstance(position, Beside):
        return ("last" if position == "last" else "first"), None
    other = position.before or position.after
    assert other is not None
    task = tasks_of(actor.session, [str(other)]).get(str(other))
    if task is None or not actor.access.may_read(task.dag_id):
        raise not_found(other)
    return ("before" if position.before else "after"), str(other)
