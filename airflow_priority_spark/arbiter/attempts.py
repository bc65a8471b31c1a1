# SPDX-License-Identifier: Apache-2.0
"""What becomes of a job when its task instance is not what it was.

Airflow gives a task instance a new id when a person clears it, when it is retried, and when a
scheduler that ran it died. The first two end the job, and what comes next is another job at another
position. The third is nobody's decision: the job goes on under the new id, at its position, and
whatever application it has is still its own.
"""

from __future__ import annotations

import datetime
import logging

from airflow.utils.state import TaskInstanceState
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.scheduling.jobs import WAITING, JobState
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.airflow_state import Mismatch, Replaced, successor
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.session import when_committed

log = logging.getLogger(__name__)

#: Application states after which an application does nothing more.
ENDED_APPLICATION = frozenset({"COMPLETED", "FAILED"})


def settle_replaced(context: Context, session: Session, job: Job, now: datetime.datetime) -> None:
    """End or continue a job whose task-instance id is gone."""
    after = successor(session, job)
    if after.replaced is Replaced.ORPHANED and after.ti_id is not None:
        job.ti_id, job.try_number = after.ti_id, after.try_number
        text = "Airflow lost the attempt and started another; the job keeps its position"
        jobs.note(session, job, text, context.actor, now)
        when_committed(session, log.info, "Job %s of %s: %s", job.id, jobs.task_key(job).readable(), text)
        return
    state, reason, cause = {
        Replaced.CLEARED: (JobState.CANCELLED, "the task was cleared", Cause.TASK_CLEARED),
        Replaced.RETRIED: (JobState.FAILED, "the attempt failed and Airflow retries it", Cause.TASK_RETRIED),
        Replaced.DELETED: (JobState.CANCELLED, "the task instance was deleted", Cause.TASK_DELETED),
        Replaced.ORPHANED: (JobState.CANCELLED, "the task instance was lost", Cause.ATTEMPT_LOST),
    }[after.replaced]
    jobs.move(session, job, state, reason, context.actor, now, cause=cause)


def to_settle(mismatch: Mismatch) -> bool:
    """Tell whether ``settle`` would do anything."""
    return not mismatch.ti_exists or _outcome(mismatch.job, mismatch.ti_state) is not None


def settle(context: Context, session: Session, mismatch: Mismatch, now: datetime.datetime) -> None:
    """Bring one job in step with its task instance."""
    job = mismatch.job
    if not mismatch.ti_exists:
        settle_replaced(context, session, job, now)
        return
    outcome = _outcome(job, mismatch.ti_state)
    if outcome is not None:
        state, reason, cause = outcome
        jobs.move(session, job, state, reason, context.actor, now, cause=cause)


#: A task that still goes on: Airflow schedules an orphan's fresh attempt, or asks again later.
_ON_ITS_WAY = frozenset({None, TaskInstanceState.UP_FOR_RESCHEDULE.value})


def _outcome(job: Job, ti_state: str | None) -> tuple[JobState, str, Cause | None] | None:
    """Return the job's end, or ``None`` when the task is still on its way."""
    if JobState(job.state) in WAITING:
        text = f"the task was set to {ti_state or 'no state'} while it waited"
        return JobState.CANCELLED, text, Cause.TASK_SET
    if ti_state in _ON_ITS_WAY:
        return None
    if ti_state == TaskInstanceState.FAILED:
        return _failed(job)
    if ti_state == TaskInstanceState.SUCCESS:
        return JobState.SUCCEEDED, "the task succeeded", None
    if ti_state == TaskInstanceState.UP_FOR_RETRY:
        return JobState.FAILED, "the attempt failed and Airflow retries it", Cause.TASK_RETRIED
    return JobState.CANCELLED, f"the task was set to {ti_state}", Cause.TASK_SET


def _failed(job: Job) -> tuple[JobState, str, Cause]:
    """Tell a task that failed from one that a person set to failed while its application went on."""
    application = job.application_state
    if job.application_uid and application not in ENDED_APPLICATION:
        text = f"the task was set to failed while its application was {application}"
        return JobState.CANCELLED, text, Cause.TASK_SET
    return JobState.FAILED, "the task failed", Cause.TASK_FAILED
