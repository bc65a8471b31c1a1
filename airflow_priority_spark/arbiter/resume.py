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
from typing import Any
from uuid import UUID

from airflow.models.dag import DagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import TRIGGER_FAIL_REPR, handle_event_submit
from airflow.triggers.base import TriggerEvent
from airflow.utils.sqlalchemy import with_row_locks
from airflow.utils.state import TaskInstanceState
from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session, lazyload

from airflow_priority_spark.errors import IncompatibleAirflow
from airflow_priority_spark.store.airflow_state import RESUME_METHOD


def park(session: Session, ti_id: UUID, trigger_id: int) -> bool:
    """Take a deferred task instance off its trigger; false when it is no longer the one we saw.

    :param trigger_id: the trigger it was seen with.
    """
    result = session.execute(
        update(TaskInstance)
        .where(
            TaskInstance.id == ti_id,
            TaskInstance.state == TaskInstanceState.DEFERRED,
            TaskInstance.trigger_id == trigger_id,
        )
        .values(trigger_id=None, trigger_timeout=None)
        .execution_options(synchronize_session=False)
    )
    return isinstance(result, CursorResult) and result.rowcount == 1


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


def is_parked(session: Session, ti_id: UUID) -> bool:
    """Tell whether a task instance still waits for us, whoever holds its lock."""
    return (
        session.scalar(
            select(TaskInstance.id).where(
                TaskInstance.id == ti_id,
                TaskInstance.state == TaskInstanceState.DEFERRED,
                TaskInstance.trigger_id.is_(None),
            )
        )
        is not None
    )


def dag_is_paused(session: Session, dag_id: str) -> bool:
    """Tell whether Airflow would leave a resumed task lying because its DAG is paused."""
    return bool(session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == dag_id)))


def resume(
    session: Session,
    task_instance: TaskInstance,
    payload: dict[str, Any],
    *,
    pool: str | None = None,
    priority_weight: int | None = None,
) -> None:
    """Give a locked, parked task instance back to Airflow with an event.

    :param pool: Airflow pool to move it to when it sits in ``default_pool`` (an author's own pool is kept).
    :raises IncompatibleAirflow: when Airflow did not take the event; the caller's transaction must not
        commit.
    """
    if pool is not None and task_instance.pool == "default_pool":
        task_instance.pool = pool
    if priority_weight is not None:
        task_instance.priority_weight = priority_weight
    handle_event_submit(TriggerEvent(payload), task_instance=task_instance, session=session)
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
