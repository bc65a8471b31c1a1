# SPDX-License-Identifier: Apache-2.0
"""Tasks that defer to the queue again under a job they have already.

One that could not use its admission (stale quota, too late), and one whose attempt Airflow replaced because
a scheduler died. Both return to the position they had.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.attempts import settle_replaced
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.learning import learned_demand, read_refusal
from airflow_priority_spark.scheduling.jobs import WAITING, JobState, is_terminal
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.demand import describe_demand
from airflow_priority_spark.spark.request import AdmissionRequest, demand_from_json, demand_to_json
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.deferrals import Deferral
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.session import when_committed

log = logging.getLogger(__name__)


def known_jobs(
    context: Context, session: Session, deferrals: Sequence[Deferral], now: datetime.datetime
) -> dict[UUID, Job]:
    """Return the open jobs that these deferrals continue, by task instance; end those that they replace."""
    known = jobs.jobs_of_attempts(session, [deferral.ti_id for deferral in deferrals])
    others = {deferral.key: deferral for deferral in deferrals if deferral.ti_id not in known}
    for earlier in jobs.open_jobs_of_tasks(session, list(others)):
        deferral = others[jobs.task_key(earlier)]
        if deferral.ti_id not in known:
            settle_replaced(context, session, earlier, now)
            if earlier.ti_id == deferral.ti_id:
                known[deferral.ti_id] = earlier
    session.flush()
    return known


def come_back(
    context: Context,
    session: Session,
    job: Job,
    deferral: Deferral,
    request: AdmissionRequest,
    now: datetime.datetime,
) -> None:
    """Let a task that was admitted before wait again, at its position."""
    job.parked, job.deferred_at, job.try_number = True, deferral.created, deferral.try_number
    if JobState(job.state) in WAITING:
        return
    if is_terminal(JobState(job.state)):
        _end_task(context, session, job, f"job {job.id} has ended already: {job.state}, {job.reason}", now)
        return
    if request.reason:
        job.reschedules += 1
        # Its time on the cluster was no time in the queue.
        job.queue_deadline = deadline(request, deferral.created)
        _take_demand(context, session, job, request, now)
        if job.reschedules > context.settings.max_reschedules:
            _give_up(context, session, job, request.reason, now)
            return
        # The application of the earlier admission is not taken up again; its grant ends with it.
        jobs.release_grants(session, [job.id])
        job.application_name = job.application_uid = job.application_state = None
    else:
        # Its grant stays until a fresh picture shows whether it has an application.
        job.adopt = True
    reason = request.reason or "Airflow replaced a lost attempt"
    text, cause = f"back at its position: {reason}", _cause(request.reason)
    jobs.move(session, job, JobState.QUEUED, text, context.actor, now, cause=cause)
    when_committed(
        session, log.info, "Job %s of %s is back in the queue: %s", job.id, deferral.key.readable(), reason
    )


def deadline(request: AdmissionRequest, since: datetime.datetime) -> datetime.datetime | None:
    """Return when a job is cancelled if it still waits."""
    seconds = request.queue_timeout_seconds
    return since + datetime.timedelta(seconds=seconds) if seconds else None


#: How the sentences begin with which a worker gives its admission back.
_RETURNS = {
    "stale quota": Cause.STALE_QUOTA,
    "starved": Cause.STARVED,
    "the demand has grown": Cause.DEMAND_GREW,
    "the admission had run out": Cause.ADMISSION_EXPIRED,
}


def _cause(reason: str) -> Cause:
    """Return why a worker gives its admission back; it can only say so in its request."""
    found = (cause for start, cause in _RETURNS.items() if reason.startswith(start))
    return next(found, Cause.ATTEMPT_LOST)


def _take_demand(
    context: Context, session: Session, job: Job, request: AdmissionRequest, now: datetime.datetime
) -> None:
    """Take the demand of the new deferral, but keep what a person set, and what a refusal taught."""
    declared = demand_to_json(request.demand)
    if job.declared != declared:
        job.demand, job.declared = declared, None
    refusal = read_refusal(request.reason)
    if refusal is None:
        return
    before = demand_from_json(job.demand)
    after = learned_demand(before, refusal)
    if after != before:
        job.demand, job.declared, job.exceeds_demand = demand_to_json(after), declared, True
        text = (
            f"pod {refusal.pod} asked for more than the job declared; "
            f"from now on it is charged {describe_demand(after)} instead of {describe_demand(before)}"
        )
        jobs.note(session, job, text, context.actor, now)
        when_committed(session, log.warning, "Job %s of %s: %s", job.id, jobs.task_key(job).readable(), text)


def _give_up(context: Context, session: Session, job: Job, reason: str, now: datetime.datetime) -> None:
    text = (
        f"came back {job.reschedules} times, max_reschedules is {context.settings.max_reschedules}; "
        f"last reason: {reason}"
    )
    jobs.move(session, job, JobState.FAILED, text, context.actor, now, cause=Cause.TOO_MANY_RESCHEDULES)
    _end_task(context, session, job, text, now)


def _end_task(context: Context, session: Session, job: Job, reason: str, now: datetime.datetime) -> None:
    event = AdmissionEvent(
        outcome="cancelled", job_id=job.id, reason=reason, retry=context.settings.retry_on_cancel
    )
    jobs.promise(session, job, event.to_payload(), now)
