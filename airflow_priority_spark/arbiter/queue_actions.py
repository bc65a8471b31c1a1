# SPDX-License-Identifier: Apache-2.0
"""What a person may do to a queue and its priority pools.

Called and recorded like those of ``job_actions``. Weights, limits and rules take effect with the arbiter's
next cycle, which reads them anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import configuration
from airflow_priority_spark.arbiter.acting import By, audit, line_up
from airflow_priority_spark.errors import Conflict, InvalidInput, NotFound
from airflow_priority_spark.store.models import Cluster, Job, Pool, Queue
from airflow_priority_spark.store.queues import mirror_airflow_pools

QUEUE_FIELDS: Final = tuple(configuration.Queue.model_fields)
POOL_FIELDS: Final = tuple(configuration.Pool.model_fields)


@dataclass(frozen=True, slots=True)
class Change:
    """One value that an act changed.

    :param where: what it belongs to: ``queue spark-prod/team-a``.
    :param key: its name.
    :param before, after: plain data; ``None`` is inherited, or not there.
    """

    where: str
    key: str
    before: Any
    after: Any


def find_queue(session: Session, namespace: str, cluster: str | None = None) -> int:
    """Return the id of the queue of a namespace.

    :param cluster: name of its cluster; needed where several have such a queue.
    :raises NotFound: naming the queues there are.
    :raises InvalidInput: when it is not clear which cluster is meant.
    """
    rows = session.execute(
        select(Queue.id, Queue.namespace, Cluster.name)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .order_by(Cluster.name, Queue.namespace)
    ).all()
    found = [row for row in rows if row.namespace == namespace and cluster in (None, row.name)]
    if not found:
        known = ", ".join(f"{row.name}/{row.namespace}" for row in rows) or "none"
        named = f"{cluster}/{namespace}" if cluster else namespace
        raise NotFound(f"there is no queue {named!r}; queues: {known}")
    if len(found) > 1:
        raise InvalidInput("cluster", cluster, ", ".join(row.name for row in found))
    return int(found[0].id)


def lock_queue(session: Session, queue_id: int) -> Queue:
    """Return a queue as it is now, locked until the transaction ends.

    :raises NotFound: when it is gone.
    """
    line_up(session)
    queue = session.get(Queue, queue_id, with_for_update=True, populate_existing=True)
    if queue is None:
        raise NotFound(f"there is no queue with the number {queue_id}")
    return queue


def queue_name(session: Session, queue: Queue) -> str:
    """Say which queue: ``spark-prod/team-a``."""
    return f"{session.get_one(Cluster, queue.cluster_id).name}/{queue.namespace}"


def pause_queue(session: Session, queue_id: int, by: By) -> None:
    """Admit nothing any more; intake goes on.

    :raises Conflict: when it is paused already.
    """
    queue = lock_queue(session, queue_id)
    if queue.paused:
        raise Conflict(f"queue {queue_name(session, queue)} is paused already")
    queue.paused = True
    _touched(session, queue, by, "pause")


def drain_queue(session: Session, queue_id: int, by: By) -> None:
    """Admit what waits and hold what is new.

    :raises Conflict: when it drains already.
    """
    queue = lock_queue(session, queue_id)
    if queue.draining and not queue.paused:
        raise Conflict(f"queue {queue_name(session, queue)} drains already")
    queue.draining, queue.paused = True, False
    _touched(session, queue, by, "drain")


def resume_queue(session: Session, queue_id: int, by: By) -> None:
    """Open a queue that was paused or drained; the arbiter then lets those in whom it held meanwhile.

    :raises Conflict: when it is open.
    """
    queue = lock_queue(session, queue_id)
    if not queue.paused and not queue.draining:
        raise Conflict(f"queue {queue_name(session, queue)} is open already")
    queue.paused = queue.draining = False
    _touched(session, queue, by, "resume")


def _touched(session: Session, queue: Queue, by: By, action: str, **details: Any) -> None:
    queue.updated_at, queue.updated_by = by.now, by.actor[:250]
    audit(session, by, action, "queue", queue_name(session, queue), **details)


def set_queue(session: Session, queue_id: int, values: Mapping[str, Any], by: By) -> tuple[Change, ...]:
    """Change settings of a queue.

    :param values: of ``configuration.Queue``; ``None`` inherits, what is not named stays.
    :raises InvalidInput: naming the key, its value and what is allowed.
    """
    queue = lock_queue(session, queue_id)
    name = f"queue {queue_name(session, queue)}"
    current = {key: getattr(queue, key) for key in QUEUE_FIELDS}
    wanted = configuration.checked(configuration.Queue, {**current, **values}, name)
    changes = write_changes(queue, name, current, wanted.model_dump())
    if changes:
        _touched(session, queue, by, "set", changed=as_details(changes))
    return changes


def write_changes(
    row: Any, where: str, current: Mapping[str, Any], wanted: Mapping[str, Any]
) -> tuple[Change, ...]:
    """Set the attributes of a row that differ, and return them."""
    changes = tuple(
        Change(where, key, before, wanted[key]) for key, before in current.items() if before != wanted[key]
    )
    for change in changes:
        setattr(row, change.key, change.after)
    return changes


def as_details(changes: tuple[Change, ...]) -> dict[str, Any]:
    """Return changes as an audit row keeps them: key → [before, after]."""
    return {change.key: [change.before, change.after] for change in changes}


def pool_values(pool: Pool) -> dict[str, Any]:
    """Return what is configured of a pool, as ``configuration.Pool`` reads it."""
    values = {key: getattr(pool, key) for key in POOL_FIELDS if key != "allowed"}
    return {**values, "allowed": pool.allowed or {}}


def add_pool(session: Session, queue_id: int, name: str, values: Mapping[str, Any], by: By) -> Change:
    """Give a queue one more priority pool.

    :param values: of ``configuration.Pool``; its weight must be there.
    :raises InvalidInput: naming the key, its value and what is allowed.
    :raises Conflict: when the queue has such a pool.
    """
    queue = lock_queue(session, queue_id)
    where = f"pool {queue_name(session, queue)}/{name}"
    configuration.checked(configuration.Rule, {"pool": name}, where)
    if _pool(session, queue_id, name) is not None:
        raise Conflict(f"{where} is there already")
    wanted = configuration.checked(configuration.Pool, values, where)
    pool = Pool(queue_id=queue_id, name=name)
    _write_pool(pool, wanted)
    session.add(pool)
    session.flush()
    _forget_credits(session, queue_id)
    mirror_airflow_pools(session, queue, [name])
    audit(session, by, "add", "pool", where.removeprefix("pool "), values=wanted.given())
    return Change(where, "", None, wanted.given())


def set_pool(
    session: Session, queue_id: int, name: str, values: Mapping[str, Any], by: By
) -> tuple[Change, ...]:
    """Change settings of a priority pool.

    :param values: of ``configuration.Pool``; ``None`` inherits, what is not named stays.
    :raises InvalidInput: naming the key, its value and what is allowed.
    :raises NotFound: naming the queue's pools.
    """
    queue = lock_queue(session, queue_id)
    where = f"pool {queue_name(session, queue)}/{name}"
    pool = _existing(session, queue, name)
    current = configuration.checked(configuration.Pool, pool_values(pool), where)
    plain = {key: {} if key == "allowed" and value is None else value for key, value in values.items()}
    wanted = configuration.checked(configuration.Pool, {**pool_values(pool), **plain}, where)
    before, after = current.given(), wanted.given()
    changes = tuple(
        Change(where, key, before.get(key), after.get(key))
        for key in POOL_FIELDS
        if before.get(key) != after.get(key)
    )
    if changes:
        _write_pool(pool, wanted)
        if any(change.key == "weight" for change in changes):
            _forget_credits(session, queue_id)
        audit(session, by, "set", "pool", where.removeprefix("pool "), changed=as_details(changes))
    return changes


def remove_pool(session: Session, queue_id: int, name: str, by: By) -> Change:
    """Take a priority pool away from a queue.

    :raises NotFound: naming the queue's pools.
    :raises Conflict: while jobs are in it, or when it is the last one.
    """
    queue = lock_queue(session, queue_id)
    where = f"pool {queue_name(session, queue)}/{name}"
    pool = _existing(session, queue, name)
    here = (Job.queue_id == queue_id, Job.pool == name, Job.ended_at.is_(None))
    left = session.scalar(select(func.count()).select_from(Job).where(*here)) or 0
    if left:
        raise Conflict(f"{where} holds {left} jobs that have not ended; move them to another pool first")
    if session.scalar(select(func.count()).select_from(Pool).where(Pool.queue_id == queue_id)) == 1:
        raise Conflict(f"{where} is the last of its queue; add another one first")
    before = configuration.checked(configuration.Pool, pool_values(pool), where).given()
    session.execute(delete(Pool).where(Pool.id == pool.id))
    _forget_credits(session, queue_id)
    audit(session, by, "remove", "pool", where.removeprefix("pool "), values=before)
    return Change(where, "", before, None)


def _pool(session: Session, queue_id: int, name: str) -> Pool | None:
    return session.scalar(select(Pool).where(Pool.queue_id == queue_id, Pool.name == name))


def _existing(session: Session, queue: Queue, name: str) -> Pool:
    pool = _pool(session, queue.id, name)
    if pool is None:
        names = ", ".join(
            session.scalars(select(Pool.name).where(Pool.queue_id == queue.id).order_by(Pool.id))
        )
        raise NotFound(f"queue {queue_name(session, queue)} has no pool {name!r}; its pools: {names}")
    return pool


def _write_pool(pool: Pool, wanted: configuration.Pool) -> None:
    for key in POOL_FIELDS:
        setattr(pool, key, getattr(wanted, key))
    pool.allowed = wanted.allowed.given() or None


def _forget_credits(session: Session, queue_id: int) -> None:
    """Begin a new round: credits that were earned under other weights would distort the new ones."""
    session.execute(update(Pool).where(Pool.queue_id == queue_id).values(credit=0))
