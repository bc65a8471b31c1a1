# SPDX-License-Identifier: Apache-2.0
"""Heads that capacity has blocked for too long: tried again, cancelled, or held for a person."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.failing import cancel
from airflow_priority_spark.arbiter.verdicts import verdict_json
from airflow_priority_spark.scheduling.jobs import HeldReason
from airflow_priority_spark.scheduling.model import Decisions, HeadTimeout, describe_timeout
from airflow_priority_spark.store import jobs, positions
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.session import when_committed

log = logging.getLogger(__name__)


def time_out(
    context: Context,
    session: Session,
    decisions: Decisions,
    locked: Mapping[str, Job],
    now: datetime.datetime,
) -> None:
    """Do with heads that have timed out what their pool's rules say."""
    for timeout in decisions.timed_out:
        job = locked[timeout.job_id]
        if timeout.action == "retry":
            _retry(context, session, job, timeout, now)
            continue
        if timeout.action == "hold":
            text = describe_timeout(timeout)
            jobs.hold(session, job, HeldReason.TIMEOUT, text, context.actor, now)
            when_committed(
                session, log.warning, "Job %s of %s is held: %s", job.id, jobs.task_key(job).readable(), text
            )
        else:
            cancel(context, session, {job: describe_timeout(timeout)}, Cause.HEAD_TIMEOUT, now)
        # Kept, so that people can choose by it whom to requeue.
        job.blocking_resource, job.verdict = timeout.why.resource, verdict_json(timeout.why)
    session.flush()


def _retry(
    context: Context, session: Session, job: Job, timeout: HeadTimeout, now: datetime.datetime
) -> None:
    job.head_retries += 1
    if timeout.position == "tail":
        positions.move_last(session, job)
    where = "goes to the tail of its pool" if timeout.position == "tail" else "keeps its position"
    text = f"{describe_timeout(timeout)}; retry {job.head_retries}: it {where}, its clock begins again"
    job.reason = text
    jobs.note(session, job, text, context.actor, now, cause=Cause.HEAD_TIMEOUT)
    when_committed(session, log.info, "Job %s of %s: %s", job.id, jobs.task_key(job).readable(), text)


def warn(context: Context, session: Session, decisions: Decisions, now: datetime.datetime) -> None:
    """Say of heads that they will time out if nothing changes."""
    found = jobs.jobs_by_id(session, [warning.job_id for warning in decisions.warnings])
    for warning in decisions.warnings:
        job = found.get(warning.job_id)
        if job is not None:
            text = f"{describe_timeout(warning)}: {warning.percent} % of its head timeout has passed"
            jobs.note(session, job, text, context.actor, now, cause=Cause.LATE)
            when_committed(
                session, log.warning, "Job %s of %s is %s", job.id, jobs.task_key(job).readable(), text
            )
