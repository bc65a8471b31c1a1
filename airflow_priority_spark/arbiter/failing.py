# SPDX-License-Identifier: Apache-2.0
"""End jobs that wait: their tasks are failed as soon as Airflow can take it."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.observe import Picture
from airflow_priority_spark.arbiter.verdicts import verdict_json
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import Decisions, describe_blocked
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.session import when_committed

log = logging.getLogger(__name__)


def fail_impossible(
    context: Context,
    session: Session,
    picture: Picture,
    decisions: Decisions,
    locked: Mapping[str, Job],
    now: datetime.datetime,
) -> None:
    """Fail jobs whose demand no state of their queue could satisfy."""
    events = {}
    for job_id, impossible in sorted(decisions.impossible.items()):
        job = locked[job_id]
        reason = f"could never start: {describe_blocked(impossible.why)}"
        jobs.move(session, job, JobState.FAILED, reason, context.actor, now, cause=Cause.IMPOSSIBLE)
        job.blocking_resource, job.verdict = impossible.why.resource, verdict_json(impossible.why)
        events[job] = AdmissionEvent(
            outcome="impossible",
            job_id=job.id,
            queue=picture.queues.keys[job.queue_id].namespace,
            pool=job.pool,
            reason=reason,
        ).to_payload()
        when_committed(session, log.warning, "Job %s of %s %s", job.id, jobs.task_key(job).readable(), reason)
    if events:
        session.flush()
        jobs.promise_all(session, events, now)


def cancel(
    context: Context,
    session: Session,
    reasons: Mapping[Job, str],
    cause: Cause,
    now: datetime.datetime,
) -> None:
    """Cancel waiting jobs; their tasks fail, without Airflow's retries unless the site wants them.

    :param reasons: job → a sentence for people.
    """
    events = {}
    for job, reason in reasons.items():
        jobs.move(session, job, JobState.CANCELLED, reason, context.actor, now, cause=cause)
        events[job] = AdmissionEvent(
            outcome="cancelled", job_id=job.id, reason=reason, retry=context.settings.retry_on_cancel
        ).to_payload()
        when_committed(
            session, log.info, "Job %s of %s was cancelled: %s", job.id, jobs.task_key(job).readable(), reason
        )
    if events:
        session.flush()
        jobs.promise_all(session, events, now)
