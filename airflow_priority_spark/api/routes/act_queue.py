# SPDX-License-Identifier: Apache-2.0
"""What an administrator may do to a queue and its priority pools."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from sqlalchemy.orm import Session

from airflow_priority_spark.api.acting import Actor, ActorDep
from airflow_priority_spark.api.datamodels import acts
from airflow_priority_spark.api.routes.queues import QueueId
from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.arbiter.queue_actions import lock_queue
from airflow_priority_spark.errors import InvalidInput, NotFound

router = APIRouter(tags=["acts on queues"])

PoolName = Annotated[
    str,
    Path(
        min_length=1, max_length=63, pattern=r"^[^\x00]*$", description="A priority pool.", examples=["high"]
    ),
]

_CONDITION = ("paused", "draining")


@router.post("/queues/{queue_id}/pause")
def pause_queue(queue_id: QueueId, body: acts.Act, actor: ActorDep) -> acts.Changed:
    """Admit nothing any more; jobs go on coming in."""
    return _turn(actor, queue_id, "pause", body, actions.pause_queue)


@router.post("/queues/{queue_id}/drain")
def drain_queue(queue_id: QueueId, body: acts.Act, actor: ActorDep) -> acts.Changed:
    """Admit what waits and hold what is new."""
    return _turn(actor, queue_id, "drain", body, actions.drain_queue)


@router.post("/queues/{queue_id}/resume")
def resume_queue(queue_id: QueueId, body: acts.Act, actor: ActorDep) -> acts.Changed:
    """Open a queue that was paused or drained; jobs that it held meanwhile come into line."""
    return _turn(actor, queue_id, "resume", body, actions.resume_queue)


def _turn(
    actor: Actor,
    queue_id: int,
    name: str,
    body: acts.Act,
    act: Callable[[Session, int, actions.By], None],
) -> acts.Changed:
    with actor.on_site(f"queue.{name}", {"queue_id": queue_id}, body.reason) as (session, by):
        queue = lock_queue(session, queue_id)
        before = {key: getattr(queue, key) for key in _CONDITION}
        act(session, queue_id, by)
        where = f"queue {queue.namespace}"
        return _changed(
            actions.Change(where, key, before[key], getattr(queue, key))
            for key in _CONDITION
            if before[key] != getattr(queue, key)
        )


@router.patch("/queues/{queue_id}")
def change_queue(queue_id: QueueId, body: acts.QueueChange, actor: ActorDep) -> acts.Changed:
    """Change weight, policy, limit, declared capacity and the rules for heads of a queue."""
    values = _named(body)
    with actor.on_site("queue.set", {"queue_id": queue_id, "values": values}, body.reason) as (session, by):
        return _changed(actions.set_queue(session, queue_id, values, by))


@router.patch("/queues/{queue_id}/pools/{name}")
def change_pool(queue_id: QueueId, name: PoolName, body: acts.PoolChange, actor: ActorDep) -> acts.Changed:
    """Change weight, limit, rules for heads and who may use a priority pool."""
    values = _named(body)
    target = {"queue_id": queue_id, "pool": name, "values": values}
    with actor.on_site("pool.set", target, body.reason) as (session, by):
        return _changed(actions.set_pool(session, queue_id, name, values, by))


@router.put(
    "/queues/{queue_id}/pools/{name}", responses={201: {"model": acts.Changed, "description": "It is new."}}
)
def put_pool(
    queue_id: QueueId, name: PoolName, body: acts.PoolWanted, actor: ActorDep, response: Response
) -> acts.Changed:
    """Make a priority pool what the body says, whole; it is added when the queue has none of the name."""
    values = body.model_dump(exclude={"reason"})
    target = {"queue_id": queue_id, "pool": name, "values": values}
    with actor.on_site("pool.put", target, body.reason) as (session, by):
        lock_queue(session, queue_id)
        try:
            return _changed(actions.set_pool(session, queue_id, name, values, by))
        except NotFound:
            response.status_code = 201
            return _changed([actions.add_pool(session, queue_id, name, values, by)])


@router.delete("/queues/{queue_id}/pools/{name}")
def remove_pool(queue_id: QueueId, name: PoolName, body: acts.Act, actor: ActorDep) -> acts.Changed:
    """Take a priority pool away from a queue; it must hold no jobs."""
    target = {"queue_id": queue_id, "pool": name}
    with actor.on_site("pool.remove", target, body.reason) as (session, by):
        return _changed([actions.remove_pool(session, queue_id, name, by)])


def _named(body: acts.QueueChange | acts.PoolChange) -> dict[str, Any]:
    values = acts.given(body)
    if not values:
        known = ", ".join(key for key in type(body).model_fields if key != "reason")
        raise InvalidInput("body", {}, f"at least one of {known}")
    return values


def _changed(changes: Iterable[actions.Change]) -> acts.Changed:
    return acts.Changed(changes=[acts.ChangedValue.of(change) for change in changes])
