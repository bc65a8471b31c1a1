# SPDX-License-Identifier: Apache-2.0
"""Give a task back to Airflow on behalf of a person, also where no arbiter runs.

The event is written down first, as an arbiter writes its own. If Airflow can take the task already, it is
resumed in the same transaction; else whoever looks next tells it: an arbiter's cycle, or the command that
waits for it.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.acting import BATCH, By, line_up
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.leadership import SessionFactory
from airflow_priority_spark.store.models import Delivery, Job
from airflow_priority_spark.store.settling import has_settled


def tell(session: Session, job: Job, event: AdmissionEvent, by: By) -> bool:
    """Resume the job's task with an event, now or as soon as Airflow can take it.

    :return: whether it was resumed now.
    """
    jobs.promise(session, job, event.to_payload(), by.now)
    return tell_promised(session, job, by.settings.settle_seconds, by.now)


def tell_promised(session: Session, job: Job, settle_seconds: float, now: datetime.datetime) -> bool:
    """Resume a task with what was promised to it; true when nothing is left to be told."""
    delivery = session.get(Delivery, job.id, with_for_update=True, populate_existing=True)
    if delivery is None:
        return True
    if not has_settled(session, job.ti_id, job.deferred_at, settle_seconds, now):
        return False
    task_instance = resume.lock_parked(session, job.ti_id, wait=True)
    if task_instance is not None:
        resume.resume(session, task_instance, dict(delivery.event))
    session.delete(delivery)
    job.parked = False
    session.flush()
    return True


def tell_all(
    sessions: SessionFactory,
    job_ids: Collection[str],
    by: By,
    *,
    clock: Callable[[], datetime.datetime],
    seconds: float,
    pause: Callable[[float], bool | None] = time.sleep,
) -> frozenset[str]:
    """Wait until these tasks were told, by us or by an arbiter.

    :param seconds: wait no longer than this.
    :param pause: waits so many seconds between two attempts; true: give up.
    :return: the jobs whose tasks Airflow could not take in that time.
    """
    left = list(job_ids)
    end = clock() + datetime.timedelta(seconds=seconds)
    while True:
        for start in range(0, len(left), BATCH):
            _tell_batch(sessions, left[start : start + BATCH], by, clock())
        with sessions() as session:
            promised = set(jobs.promised_jobs(session))
        left = [job_id for job_id in left if job_id in promised]
        if not left or clock() >= end:
            return frozenset(left)
        if pause(0.5):
            return frozenset(left)


def _tell_batch(sessions: SessionFactory, job_ids: Collection[str], by: By, now: datetime.datetime) -> None:
    with sessions() as session, session.begin():
        line_up(session)
        for job in jobs.jobs_by_id(session, job_ids).values():
            tell_promised(session, job, by.settings.settle_seconds, now)
