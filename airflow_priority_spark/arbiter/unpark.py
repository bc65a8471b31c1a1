# SPDX-License-Identifier: Apache-2.0
"""Give every waiting task back to Airflow, so that the package can be switched off or removed.

Works without an arbiter: it is the door that must open when nothing else does. Each task is either
resumed into the ``legacy`` flow (it creates its application without asking anybody) or failed.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.acting import By
from airflow_priority_spark.arbiter.job_actions import admit_as_legacy
from airflow_priority_spark.arbiter.telling import tell_all
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.leadership import SessionFactory
from airflow_priority_spark.store.models import Job


def _utcnow() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def unpark(
    session_factory: SessionFactory,
    *,
    action: Literal["legacy", "fail"],
    actor: str,
    dry_run: bool = False,
    batch_size: int = 100,
    clock: Callable[[], datetime.datetime] = _utcnow,
) -> int:
    """Resume every waiting task; return how many there were.

    :param action: ``legacy``: straight to the cluster; ``fail``: the task fails without retries.
    :param actor: who asked, for the events.
    :param dry_run: only count.
    """
    if dry_run:
        with session_factory() as session:
            return jobs.count_waiting(session) + len(jobs.promised_jobs(session))
    total = 0
    while True:
        with session_factory() as session, session.begin():
            batch = jobs.waiting_batch(session, batch_size)
            for job in batch:
                _give_back(session, job, action, actor, clock())
        total += len(batch)
        if not batch:
            return total + _tell_promised(session_factory, actor, clock)


def _tell_promised(
    session_factory: SessionFactory, actor: str, clock: Callable[[], datetime.datetime]
) -> int:
    """Resume the tasks that were to be told something, admitted or ended, and that nobody would tell now."""
    with session_factory() as session:
        job_ids = jobs.promised_jobs(session)
    by = By(actor, clock(), settings=replace(Settings(), settle_seconds=0.0))
    left = tell_all(session_factory, job_ids, by, clock=clock, seconds=0)
    return len(job_ids) - len(left)


def _give_back(session: Session, job: Job, action: str, actor: str, now: datetime.datetime) -> None:
    task_instance = resume.lock_parked(session, job.ti_id, wait=True)
    if task_instance is None:
        # The task went elsewhere while it waited; nothing is parked under this job any more.
        text = "unparked: the task was not waiting"
        jobs.move(session, job, JobState.CANCELLED, text, actor, now, cause=Cause.UNPARKED)
        return
    if action == "fail":
        reason = "unparked: the queue is being removed"
        jobs.move(session, job, JobState.CANCELLED, reason, actor, now, cause=Cause.UNPARKED)
        event = AdmissionEvent(outcome="cancelled", job_id=job.id, reason=reason)
    else:
        event = admit_as_legacy(session, job, "unparked: sent to the legacy flow", actor, now)
    resume.resume(session, task_instance, event.to_payload())
    job.parked = False
