# SPDX-License-Identifier: Apache-2.0
"""Tell a task what was decided about it, as soon as Airflow can take it.

Deciding and telling are two steps. A job gets its grant the moment it fits; but a task that has deferred a
second ago must not run again yet, or its scheduler mistakes the end of the first run for the end of the
second and fails it (see ``store.settling``). So the decision writes the event down, and the task is resumed
with it in the same transaction if it has settled, or by a later cycle.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from airflow.models.taskinstance import TaskInstance
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.queue_table import QueueTable
from airflow_priority_spark.store.queues import airflow_pool_name
from airflow_priority_spark.store.session import when_committed
from airflow_priority_spark.store.settling import due_deliveries
from airflow_priority_spark.store.writing import write

log = logging.getLogger(__name__)

#: So many tasks are told in one transaction at most; the others by the next cycle.
BATCH: Final = 500


def deliver_due(context: Context, leadership: Leadership, queues: QueueTable, now: datetime.datetime) -> int:
    """Resume the tasks whose turn to be told has come; opens a transaction only if there are any."""
    with leadership.sessions() as session:
        if not due_deliveries(session, context.settings.settle_seconds, now, 1):
            return 0
    with leadership.transaction() as session:
        return deliver(context, session, queues, now)


def deliver(context: Context, session: Session, queues: QueueTable, now: datetime.datetime) -> int:
    """Resume settled tasks that an event is promised to; return how many were told."""
    due = due_deliveries(session, context.settings.settle_seconds, now, BATCH)
    if not due:
        return 0
    tasks = resume.lock_all_parked(session, [item.ti_id for item in due])
    _forget_those_elsewhere(session, {item.job_id: item.ti_id for item in due if item.ti_id not in tasks})
    told = [item.job_id for item in due if item.ti_id in tasks]
    events = jobs.promised(session, told)
    found = jobs.jobs_by_id(session, told)
    admitted = [job_id for job_id in told if events[job_id]["outcome"] == "admitted"]
    promise = _promise_of_room(context, session, admitted, now)
    for job_id in told:
        payload = dict(events[job_id]) | promise.get(job_id, {})
        _tell(session, queues, found[job_id], tasks[found[job_id].ti_id], payload)
    write(session)
    jobs.told(session, told)
    return len(told)


def _tell(
    session: Session, queues: QueueTable, job: Job, task_instance: TaskInstance, payload: dict[str, Any]
) -> None:
    pool, weight = None, None
    key = queues.keys.get(job.queue_id)
    if payload["outcome"] == "admitted" and key is not None:
        pool = airflow_pool_name(queues.clusters[key.cluster_id].name, key.namespace, job.pool)
        weight = queues.weight(key, job.pool)
    resume.resume(session, task_instance, payload, pool=pool, priority_weight=weight)
    when_committed(
        session,
        log.info,
        "Resumed %s (job %s): %s",
        jobs.task_key(job).readable(),
        job.id,
        payload["outcome"],
    )


def _promise_of_room(
    context: Context, session: Session, job_ids: Sequence[str], now: datetime.datetime
) -> dict[str, dict[str, Any]]:
    """Start the time for which admissions hold: now, when a worker can first make use of them."""
    if not job_ids:
        return {}
    valid_until = now + datetime.timedelta(seconds=context.settings.admission_valid_seconds)
    jobs.extend_grants(session, job_ids, valid_until)
    history = jobs.history(session, job_ids)
    return {
        job_id: {"valid_until": valid_until.timestamp(), "history": history.get(job_id, [])}
        for job_id in job_ids
    }


def _forget_those_elsewhere(session: Session, locked_out: Mapping[str, UUID]) -> None:
    """Drop what is owed to tasks that a person or Airflow took elsewhere; reconciling ends their jobs."""
    parked = resume.all_parked(session, list(locked_out.values()))
    jobs.told(session, [job_id for job_id, ti_id in locked_out.items() if ti_id not in parked])
