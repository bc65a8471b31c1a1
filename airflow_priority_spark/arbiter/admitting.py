# SPDX-License-Identifier: Apache-2.0
"""Give admitted jobs their grants, and note what their tasks are to be told."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.observe import Picture
from airflow_priority_spark.arbiter.verdicts import verdict_json
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import Admission, Decisions
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.session import when_committed
from airflow_priority_spark.store.writing import write

log = logging.getLogger(__name__)


def admit(
    context: Context,
    session: Session,
    picture: Picture,
    decisions: Decisions,
    locked: Mapping[str, Job],
    now: datetime.datetime,
) -> None:
    """Move admitted jobs on, in the order in which they were admitted."""
    if not decisions.admissions:
        return
    unchecked: dict[Job, bool] = {}
    events = {}
    for admission in decisions.admissions:
        job = locked[admission.job_id]
        adopted = picture.adopted.get(job.id)
        _move(context, session, job, decisions, adopted=adopted is not None, now=now)
        unchecked[job] = job.flow == "observe" or adopted is not None
        events[job] = _event(context, job, admission, now, adopt=adopted.name if adopted else "").to_payload()
        when_committed(
            session, log.info, "Admitted job %s of %s: %s", job.id, jobs.task_key(job).readable(), job.reason
        )
    write(session)
    valid_until = now + datetime.timedelta(seconds=context.settings.admission_valid_seconds)
    jobs.give_grants(session, unchecked, now=now, valid_until=valid_until)
    jobs.promise_all(session, events, now)


def _move(
    context: Context,
    session: Session,
    job: Job,
    decisions: Decisions,
    *,
    adopted: bool,
    now: datetime.datetime,
) -> None:
    job.admission += 0 if adopted else 1
    job.adopt = False
    found = decisions.observed.get(job.id)
    job.observed = verdict_json(found) if found and job.flow == "observe" else None
    jobs.move(session, job, JobState.ADMITTED, _reason(job, adopted, now), context.actor, now)


def _event(
    context: Context, job: Job, admission: Admission, now: datetime.datetime, *, adopt: str
) -> AdmissionEvent:
    return AdmissionEvent(
        outcome="admitted",
        job_id=job.id,
        instance_id=context.instance_id,
        queue=admission.queue.namespace,
        pool=admission.pool,
        admission=job.admission,
        waited_seconds=(now - job.queued_at).total_seconds(),
        adopt=adopt,
    )


def _reason(job: Job, adopted: bool, now: datetime.datetime) -> str:
    waited = (now - job.queued_at).total_seconds()
    if adopted:
        return "takes up the application of its lost attempt"
    if job.flow == "observe":
        would = f"; it would have waited for {job.observed['sentence']}" if job.observed else ""
        return f"admitted at once: deployment flow observe{would}"
    waited_for = f"; it waited for {job.verdict['sentence']}" if job.verdict else ""
    return f"admitted after {waited:.0f} s (admission {job.admission}){waited_for}"
