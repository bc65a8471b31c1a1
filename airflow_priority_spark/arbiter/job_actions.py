# SPDX-License-Identifier: Apache-2.0
"""What a person may do to one waiting job.

Each function is called in a transaction of the caller's, does all or nothing in it, writes the job's event
and an audit row with who and why, and refuses what makes no sense with a sentence that says why.
``acting.on_each`` does any of them to many jobs.
"""

from __future__ import annotations

import datetime
from typing import Final

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.acting import By, audit, lock_waiting
from airflow_priority_spark.arbiter.telling import tell
from airflow_priority_spark.errors import Conflict
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.store import jobs, positions
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.instance import instance_id
from airflow_priority_spark.store.models import Job, Queue

#: A task that was sent to legacy creates its application whenever Airflow starts it.
LEGACY_VALID: Final = datetime.timedelta(days=7)


def hold_job(session: Session, job_id: str, by: By) -> None:
    """Keep a waiting job aside until a person releases it.

    :raises NotFound, Conflict: with a sentence.
    """
    job = lock_waiting(session, job_id, "be held")
    if job.held_reason == HeldReason.PERSON:
        raise Conflict(f"job {job_id} is held already: {job.reason}")
    text = by.sentence("held")
    if job.state == JobState.QUEUED.value:
        jobs.hold(session, job, HeldReason.PERSON, text, by.actor, by.now)
    else:
        # It was held for another reason, which may end by itself.
        jobs.note(session, job, text, by.actor, by.now)
        job.held_reason, job.ineligible = HeldReason.PERSON.value, "held"
        job.reason = job.ineligible_detail = text
    audit(session, by, "hold", "job", job_id)


def release_job(session: Session, job_id: str, by: By) -> None:
    """Let a held job wait in its queue again, at the position it had.

    :raises NotFound, Conflict: with a sentence.
    """
    job = _lock_held(session, job_id, "be released")
    jobs.move(session, job, JobState.QUEUED, by.sentence("released"), by.actor, by.now)
    audit(session, by, "release", "job", job_id)


def requeue_job(session: Session, job_id: str, by: By, *, last: bool = False) -> None:
    """Give a job that was held by its timeout another try, with all its retries.

    :param last: at the end of its pool instead of at the position it had.
    :raises NotFound, Conflict: with a sentence.
    """
    job = _lock_held(session, job_id, "be requeued")
    if job.held_reason != HeldReason.TIMEOUT:
        raise Conflict(f"job {job_id} did not time out, it can be released: {job.reason}")
    job.head_retries = 0
    if last:
        positions.move_last(session, job)
    where = "at the end of its pool" if last else "at its position"
    jobs.move(session, job, JobState.QUEUED, by.sentence(f"requeued {where}"), by.actor, by.now)
    audit(session, by, "requeue", "job", job_id, last=last)


def _lock_held(session: Session, job_id: str, wish: str) -> Job:
    job = lock_waiting(session, job_id, wish)
    if job.state != JobState.HELD.value:
        raise Conflict(f"job {job_id} is {job.state}; only a held job can {wish}")
    if job.held_reason == HeldReason.PAUSED:
        raise Conflict(
            f"job {job_id} is held because DAG {job.dag_id} is paused; unpause the DAG in Airflow instead"
        )
    return job


def cancel_job(session: Session, job_id: str, by: By) -> bool:
    """End a waiting job; its task fails, without retries unless the site wants them.

    :return: whether the task was told at once; else it will be as soon as Airflow can take it.
    :raises NotFound, Conflict: with a sentence.
    """
    job = lock_waiting(session, job_id, "be cancelled")
    text = by.sentence("cancelled")
    jobs.move(session, job, JobState.CANCELLED, text, by.actor, by.now, cause=Cause.PERSON)
    audit(session, by, "cancel", "job", job_id)
    retry = by.settings.retry_on_cancel
    return tell(
        session, job, AdmissionEvent(outcome="cancelled", job_id=job.id, reason=text, retry=retry), by
    )


def send_to_legacy(session: Session, job_id: str, by: By) -> bool:
    """Let a waiting job go straight to the cluster, whatever room there is.

    :return: whether the task was told at once; else it will be as soon as Airflow can take it.
    :raises NotFound, Conflict: with a sentence.
    """
    job = lock_waiting(session, job_id, "be sent to the legacy flow")
    event = admit_as_legacy(session, job, by.sentence("sent to the legacy flow"), by.actor, by.now)
    audit(session, by, "send-to-legacy", "job", job_id)
    return tell(session, job, event, by)


def admit_as_legacy(
    session: Session, job: Job, reason: str, actor: str, now: datetime.datetime
) -> AdmissionEvent:
    """Give a waiting job an unchecked grant; return the event that its task is to be resumed with."""
    if job.state == JobState.HELD.value:
        jobs.move(session, job, JobState.QUEUED, f"released: {reason}", actor, now)
    # One that looks for the application of a lost attempt goes on with it, under the number that it has.
    number = max(1, job.admission) if job.adopt else job.admission + 1
    job.flow, job.admission, job.adopt = "legacy", number, False
    jobs.move(session, job, JobState.ADMITTED, reason, actor, now)
    jobs.give_grant(session, job, unchecked=True, now=now, valid_until=now + LEGACY_VALID)
    return AdmissionEvent(
        outcome="legacy",
        job_id=job.id,
        instance_id=instance_id(session),
        queue=session.get_one(Queue, job.queue_id).namespace,
        pool=job.pool,
        admission=job.admission,
        valid_until=(now + LEGACY_VALID).timestamp(),
        waited_seconds=(now - job.queued_at).total_seconds(),
        reason=reason,
    )
