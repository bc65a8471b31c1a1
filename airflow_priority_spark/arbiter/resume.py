# SPDX-License-Identifier: Apache-2.0
"""The only place that touches Airflow's internal way of waiting and resuming.

A DEFERRED task instance whose ``trigger_id`` is NULL stays DEFERRED: nothing in Airflow sweeps it up,
and it occupies no triggerer slot. That is how a job waits (*park*). ``handle_event_submit`` puts it
back to SCHEDULED inside the caller's transaction: that is how it starts (*resume*). Both are used by
Airflow itself (``airflow/models/trigger.py``) but are not its public API, so nobody else here may know
of them, and ``airflow_check`` looks at their shape before an arbiter starts.

A trigger row is never deleted here: ``task_instance.trigger_id`` is ``ON DELETE CASCADE`` and the task
instance would go with it. The triggerer removes rows that nobody refers to.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import TRIGGER_FAIL_REPR, handle_event_submit
from airflow.triggers.base import TriggerEvent
from airflow.utils.sqlalchemy import with_row_locks
from airflow.utils.state import TaskInstanceState
from sqlalchemy import CursorResult, Select, select, update
from sqlalchemy.orm import Session, lazyload

from airflow_priority_spark.errors import IncompatibleAirflow
from airflow_priority_spark.store.deferrals import RESUME_METHOD


def park(session: Session, ti_id: UUID, trigger_id: int) -> bool:
    """Take a deferred task instance off its trigger; false when it is no longer the one we saw.

    :param trigger_id: the trigger it was seen with.
    """
    return ti_id in park_all(session, {ti_id: trigger_id})


def park_all(session: Session, seen: Mapping[UUID, int]) -> frozenset[UUID]:
    """Take deferred task instances off their triggers (two statements); return those that were parked.

    :param seen: task instance → the trigger it was seen with. One that has another by now is left alone,
        and so is one that somebody else has locked: it is found again later.
    """
    if not seen:
        return frozenset()
    rows = session.execute(
        with_row_locks(
            select(TaskInstance.id, TaskInstance.trigger_id)
            .where(TaskInstance.id.in_(list(seen)), TaskInstance.state == TaskInstanceState.DEFERRED)
            .order_by(TaskInstance.id),
            session,
            of=TaskInstance,
            skip_locked=True,
            key_share=False,
        )
    )
    same = [row.id for row in rows if row.trigger_id == seen[row.id]]
    session.execute(
        update(TaskInstance)
        .where(TaskInstance.id.in_(same))
        .values(trigger_id=None, trigger_timeout=None)
        .execution_options(synchronize_session=False)
    )
    return frozenset(same)


def lock_parked(session: Session, ti_id: UUID, *, wait: bool = False) -> TaskInstance | None:
    """Lock a parked task instance; ``None`` when it is not parked any more.

    :param wait: wait for whoever holds its lock; else a locked one is ``None`` too, to be tried again later.
    """
    return session.scalar(
        with_row_locks(
            select(TaskInstance)
            .where(
                TaskInstance.id == ti_id,
                TaskInstance.state == TaskInstanceState.DEFERRED,
                TaskInstance.trigger_id.is_(None),
            )
            .options(lazyload(TaskInstance.dag_run)),
            session,
            of=TaskInstance,
            skip_locked=not wait,
            key_share=False,
        )
    )


def lock_all_parked(session: Session, ti_ids: Collection[UUID]) -> dict[UUID, TaskInstance]:
    """Lock those task instances that are parked, in one statement; what another has locked is left out."""
    if not ti_ids:
        return {}
    statement = (
        _parked(select(TaskInstance), ti_ids)
        .options(lazyload(TaskInstance.dag_run))
        .execution_options(populate_existing=True)
    )
    return {
        task_instance.id: task_instance for task_instance in session.scalars(_locking(statement, session))
    }


def still_parked(session: Session, ti_ids: Collection[UUID]) -> frozenset[UUID]:
    """Lock as ``lock_all_parked`` does, but load nothing; return whom it found."""
    if not ti_ids:
        return frozenset()
    return frozenset(session.scalars(_locking(_parked(select(TaskInstance.id), ti_ids), session)))


def _parked(statement: Select[Any], ti_ids: Collection[UUID]) -> Select[Any]:
    return statement.where(
        TaskInstance.id.in_(list(ti_ids)),
        TaskInstance.state == TaskInstanceState.DEFERRED,
        TaskInstance.trigger_id.is_(None),
    ).order_by(TaskInstance.id)


def _locking(statement: Select[Any], session: Session) -> Any:
    return with_row_locks(statement, session, of=TaskInstance, skip_locked=True, key_share=False)


def all_parked(session: Session, ti_ids: Collection[UUID]) -> frozenset[UUID]:
    """Return those task instances that still wait for us, whoever holds their locks (one statement)."""
    if not ti_ids:
        return frozenset()
    return frozenset(
        session.scalars(
            select(TaskInstance.id).where(
                TaskInstance.id.in_(list(ti_ids)),
                TaskInstance.state == TaskInstanceState.DEFERRED,
                TaskInstance.trigger_id.is_(None),
            )
        )
    )


class _FlushedByCaller:
    """A session for Airflow's resume of one task that leaves the writing to whoever resumes many."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def flush(self) -> None:
        """Write nothing yet."""


def resume(
    session: Session,
    task_instance: TaskInstance,
    payload: dict[str, Any],
    *,
    pool: str | None = None,
    priority_weight: int | None = None,
) -> None:
    """Give a locked, parked task instance back to Airflow with an event; the caller flushes or commits.

    :param pool: Airflow pool to move it to when it sits in ``default_pool`` (an author's own pool is kept).
    :raises IncompatibleAirflow: when Airflow did not take the event; the caller's transaction must not
        commit.
    """
    if pool is not None and task_instance.pool == "default_pool":
        task_instance.pool = pool
    if priority_weight is not None:
        task_instance.priority_weight = priority_weight
    unflushed: Any = _FlushedByCaller(session)
    handle_event_submit(TriggerEvent(payload), task_instance=task_instance, session=unflushed)
    if (
        task_instance.state != TaskInstanceState.SCHEDULED
        or task_instance.next_method == TRIGGER_FAIL_REPR
        or task_instance.trigger_id is not None
    ):
        raise IncompatibleAirflow(
            f"Airflow did not resume task instance {task_instance.id}: state {task_instance.state}, "
            f"next method {task_instance.next_method}"
        )


def reject(session: Session, ti_id: UUID, trigger_id: int, payload: dict[str, Any]) -> bool:
    """Resume a task that has deferred but must not wait; false when it is no longer the one we saw."""
    if not park(session, ti_id, trigger_id):
        return False
    task_instance = lock_parked(session, ti_id)
    if task_instance is None:
        return False
    resume(session, task_instance, payload)
    session.flush()
    return True


def take_back(session: Session, ti_id: UUID, now: datetime.datetime) -> bool:
    """Move a resumed task instance that Airflow has not started from SCHEDULED back to parked.

    Its ``next_method`` is still ours, and the event in its kwargs is overwritten by the next resume.

    :param now: unused by Airflow's state itself; stamps the row's change.
    """
    result = session.execute(
        update(TaskInstance)
        .where(
            TaskInstance.id == ti_id,
            TaskInstance.state == TaskInstanceState.SCHEDULED,
            TaskInstance.next_method == RESUME_METHOD,
        )
        .values(state=TaskInstanceState.DEFERRED, trigger_id=None, trigger_timeout=None, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    return isinstance(result, CursorResult) and result.rowcount == 1
