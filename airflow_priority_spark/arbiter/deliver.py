# SPDX-License-Identifier: Apache-2.0
"""Tell a task what was decided about it, as soon as Airflow can take it.

Deciding and telling are two steps. A job gets its grant the moment it fits; but a task that has deferred a
second ago must not run again yet, or its scheduler mistakes the end of the first run for the end of the
second and fails it (see ``store.airflow_state.has_settled``). So the decision writes the event down, and
the task is resumed with it in the same transaction if it has settled, or by a later cycle.
"""

from __future__ import annotations

import datetime
import logging
from typing import Any

from airflow.models.taskinstance import TaskInstance
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.airflow_state import has_settled
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Delivery, Job
from airflow_priority_spark.store.queues import QueueTable, airflow_pool_name

log = logging.getLogger(__name__)


def deliver_due(context: Context, leadership: Leadership, queues: QueueTable, now: datetime.datetime) -> int:
    """Resume the tasks whose turn to be told has come; opens a transaction only if there are any."""
    with leadership.sessions() as session:
        due = any(_settled(context, session, job, now) for _, job in jobs.promised(session))
    if not due:
        return 0
    with leadership.transaction() as session:
        return deliver(context, session, queues, now)


def deliver(context: Context, session: Session, queues: QueueTable, now: datetime.datetime) -> int:
    """Resume every settled task that an event is promised to; return how many were told."""
    told = 0
    for delivery, job in jobs.promised(session):
        if not _settled(context, session, job, now):
            continue
        task_instance = resume.lock_parked(session, job.ti_id)
        if task_instance is not None:
            _tell(context, session, queues, delivery, job, task_instance, now)
            told += 1
        elif not resume.is_parked(session, job.ti_id):
            # A person or Airflow took the task elsewhere; reconciling ends its job.
            session.delete(delivery)
            job.parked = False
            session.flush()
    return told


def _settled(context: Context, session: Session, job: Job, now: datetime.datetime) -> bool:
    return has_settled(session, job.ti_id, job.deferred_at, context.settings.settle_seconds, now)


def _tell(
    context: Context,
    session: Session,
    queues: QueueTable,
    delivery: Delivery,
    job: Job,
    task_instance: TaskInstance,
    now: datetime.datetime,
) -> None:
    payload = dict(delivery.event)
    pool, weight = None, None
    if payload["outcome"] == "admitted":
        payload |= _promise_of_room(context, session, job, now)
        key = queues.keys.get(job.queue_id)
        if key is not None:
            pool = airflow_pool_name(queues.cluster_names[key.cluster_id], key.namespace, job.pool)
            weight = queues.weight(key, job.pool)
    resume.resume(session, task_instance, payload, pool=pool, priority_weight=weight)
    session.delete(delivery)
    job.parked = False
    session.flush()
    log.info("Resumed %s (job %s): %s", jobs.task_key(job).readable(), job.id, payload["outcome"])


def _promise_of_room(context: Context, session: Session, job: Job, now: datetime.datetime) -> dict[str, Any]:
    """Start the time for which the admission holds: now, when a worker can first make use of it."""
    valid_until = now + datetime.timedelta(seconds=context.settings.admission_valid_seconds)
    jobs.extend_grant(session, job.id, valid_until)
    return {
        "valid_until": valid_until.timestamp(),
        "history": jobs.history(session, [job.id]).get(job.id, []),
    }
