# SPDX-License-Identifier: Apache-2.0
"""From a deferred task to a waiting job.

A task enqueues itself by deferring; here its deferral is found, read as plain JSON, written down as
a job, and the task is parked. Both happen in one fenced transaction: a process that dies in between
leaves a deferral that the next cycle finds again.

The same door is used by tasks that come back: one that could not use its admission (stale quota, too
late), and one whose attempt Airflow replaced because a scheduler died. Both return to the position
they had.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.attempts import settle_replaced
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.errors import InvalidInput, InvalidRequest
from airflow_priority_spark.scheduling.jobs import WAITING, JobState, is_terminal
from airflow_priority_spark.scheduling.model import QueueKey
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.request import MAX_REQUEST_BYTES, AdmissionRequest, demand_to_json
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.airflow_state import Deferral, deferrals, has_settled
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.queues import QueueRow, ensure_queue, remember_cluster

log = logging.getLogger(__name__)

BATCH = 100


@dataclass(frozen=True, slots=True)
class Ready:
    """A deferral that was read: either a request with its cluster, or the reason why it is refused."""

    deferral: Deferral
    request: AdmissionRequest | None
    cluster_id: str | None
    refusal: str = ""


def take_in(context: Context, session: Session) -> Sequence[Ready]:
    """Find deferrals and read them, without writing; those of unresolved clusters are left for later.

    :param session: for reading only.
    """
    found = deferrals(session, BATCH)
    return [ready for ready in (_read(context, deferral) for deferral in found) if ready is not None]


def _read(context: Context, deferral: Deferral) -> Ready | None:
    try:
        request = parse(deferral.kwargs)
        cluster_id = context.clusters.find(request.connection)
    except InvalidInput as error:
        return Ready(deferral, None, None, str(error))
    return Ready(deferral, request, cluster_id) if cluster_id else None


def parse(kwargs: str) -> AdmissionRequest:
    """Read the ``request`` out of a trigger's kwargs column; only plain JSON is looked at.

    :raises InvalidRequest: naming the field.
    """
    if len(kwargs.encode()) > MAX_REQUEST_BYTES:
        raise InvalidRequest(
            "trigger kwargs", f"{len(kwargs.encode())} bytes", f"at most {MAX_REQUEST_BYTES} bytes"
        )
    try:
        data = json.loads(kwargs)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidRequest("trigger kwargs", kwargs[:80], "a JSON object") from error
    if not isinstance(data, dict):
        raise InvalidRequest("trigger kwargs", kwargs[:80], "a JSON object")
    return AdmissionRequest.from_json(data.get("request"))


def enqueue(context: Context, session: Session, ready: Sequence[Ready], now: datetime.datetime) -> int:
    """Write the jobs of these deferrals and park their tasks; return how many were parked."""
    return sum(_enqueue_one(context, session, item, now) for item in ready)


def _enqueue_one(context: Context, session: Session, ready: Ready, now: datetime.datetime) -> bool:
    deferral, request = ready.deferral, ready.request
    if request is None or ready.cluster_id is None:
        _refuse(context, session, deferral, ready.refusal, now)
        return False
    remember_cluster(
        session, request.connection.alias(), ready.cluster_id, request.connection.conn_id or "in-cluster", now
    )
    queue = ensure_queue(session, QueueKey(ready.cluster_id, request.namespace), context.pools, now)
    if request.priority not in queue.pools:
        allowed = ", ".join(sorted(queue.pools))
        refusal = str(InvalidInput("priority", request.priority, allowed))
        _refuse(context, session, deferral, refusal, now)
        return False
    if not resume.park(session, deferral.ti_id, deferral.trigger_id):
        return False
    job = _known_job(context, session, deferral, now)
    if job is None:
        _create(context, session, deferral, request, queue, now)
    else:
        _come_back(context, session, job, deferral, request, now)
    return True


def _refuse(
    context: Context, session: Session, deferral: Deferral, reason: str, now: datetime.datetime
) -> None:
    """Resume a task that must not wait, with the reason; one that has not settled is found again later."""
    if not has_settled(session, deferral.ti_id, deferral.created, context.settings.settle_seconds, now):
        return
    log.warning("Refused %s: %s", deferral.key.readable(), reason)
    event = AdmissionEvent(outcome="impossible", reason=reason)
    resume.reject(session, deferral.ti_id, deferral.trigger_id, event.to_payload())


def _known_job(context: Context, session: Session, deferral: Deferral, now: datetime.datetime) -> Job | None:
    """Return the open job that this deferral continues; end those that it replaces."""
    job = jobs.job_of_attempt(session, deferral.ti_id)
    if job is not None:
        return job
    for earlier in jobs.open_jobs_of_task(session, deferral.key):
        settle_replaced(context, session, earlier, now)
        if earlier.ti_id == deferral.ti_id:
            return earlier
    return None


def _create(
    context: Context,
    session: Session,
    deferral: Deferral,
    request: AdmissionRequest,
    queue: QueueRow,
    now: datetime.datetime,
) -> None:
    held = deferral.paused or queue.draining
    why = "the DAG is paused" if deferral.paused else "the queue drains: what is new is held"
    position = jobs.place(session, queue.id, request.priority, deferral.created, deferral.trigger_id)
    jobs.create_job(
        session,
        JobState.HELD if held else JobState.QUEUED,
        why if held else f"waits in {request.namespace}/{request.priority} at position {position}",
        context.actor,
        ineligible=("paused" if deferral.paused else "held") if held else None,
        ineligible_detail=why if held else "",
        dag_id=deferral.key.dag_id,
        run_id=deferral.key.run_id,
        task_id=deferral.key.task_id,
        map_index=deferral.key.map_index,
        ti_id=deferral.ti_id,
        try_number=deferral.try_number,
        clear_number=deferral.clear_number,
        queue_id=queue.id,
        pool=request.priority,
        position_at=deferral.created,
        position_id=deferral.trigger_id,
        deferred_at=deferral.created,
        flow=request.flow,
        parked=True,
        demand=demand_to_json(request.demand),
        connection=request.connection.to_json(),
        keep_application=request.keep_application,
        queue_deadline=_deadline(request, deferral.created),
        user=deferral.user,
        team=deferral.team,
        queued_at=now,
    )


def _come_back(
    context: Context,
    session: Session,
    job: Job,
    deferral: Deferral,
    request: AdmissionRequest,
    now: datetime.datetime,
) -> None:
    """Let a task that was admitted before wait again, at its position."""
    job.parked, job.deferred_at = True, deferral.created
    if JobState(job.state) in WAITING:
        return
    if is_terminal(JobState(job.state)):
        _end_task(session, job, f"job {job.id} has ended already: {job.state}, {job.reason}", now)
        return
    if request.reason:
        job.reschedules += 1
        # Its time on the cluster was no time in the queue.
        job.queue_deadline = _deadline(request, deferral.created)
        job.demand = demand_to_json(request.demand)
        if job.reschedules > context.settings.max_reschedules:
            _give_up(context, session, job, request.reason, now)
            return
        _forget_application(session, job)
    else:
        # Its grant stays until a fresh picture shows whether it has an application.
        job.adopt = True
    reason = request.reason or "Airflow replaced a lost attempt"
    jobs.move(session, job, JobState.QUEUED, f"back at its position: {reason}", context.actor, now)
    log.info("Job %s of %s is back in the queue: %s", job.id, deferral.key.readable(), reason)


def _deadline(request: AdmissionRequest, since: datetime.datetime) -> datetime.datetime | None:
    seconds = request.queue_timeout_seconds
    return since + datetime.timedelta(seconds=seconds) if seconds else None


def _forget_application(session: Session, job: Job) -> None:
    """Do not take the application of the earlier admission up again; its grant ends with it."""
    jobs.release_grant(session, job.id)
    job.application_name = job.application_uid = job.application_state = None


def _give_up(context: Context, session: Session, job: Job, reason: str, now: datetime.datetime) -> None:
    text = (
        f"came back {job.reschedules} times, max_reschedules is {context.settings.max_reschedules}; "
        f"last reason: {reason}"
    )
    jobs.move(session, job, JobState.FAILED, text, context.actor, now)
    _end_task(session, job, text, now)


def _end_task(session: Session, job: Job, reason: str, now: datetime.datetime) -> None:
    event = AdmissionEvent(outcome="cancelled", job_id=job.id, reason=reason)
    jobs.promise(session, job, event.to_payload(), now)
