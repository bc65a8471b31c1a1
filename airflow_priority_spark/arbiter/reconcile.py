# SPDX-License-Identifier: Apache-2.0
"""Jobs compared with their task instances, and grants with what they are for.

Nobody tells the arbiter that a person cleared a task or that a worker died; it looks. Whatever was missed,
by a crash or a race, is found by the next look, so every function here may be run at any time and any
number of times. Jobs with capacity are looked at each time; those that wait, of which there may be a
hundred thousand, in slices.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.applications import Applications
from airflow_priority_spark.arbiter.attempts import settle, to_settle
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.failing import cancel
from airflow_priority_spark.scheduling.jobs import JobState, is_terminal
from airflow_priority_spark.scheduling.model import ClusterView
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.airflow_state import (
    Mismatch,
    active_mismatches,
    end_of_slice,
    waiting_mismatches,
)
from airflow_priority_spark.store.airflow_waits import waits_in_airflow
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.grants import HeldGrant, grants_that_ran_out
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.queue_table import QueueTable
from airflow_priority_spark.store.writing import write

log = logging.getLogger(__name__)

BATCH: Final = 500
#: A full pass over the waiting jobs, or over the queues, takes no longer, but for very many and rare looks.
FULL_PASS_SECONDS: Final = 25.0
#: A slice has at least so many jobs, so that ordinary sites are looked at as a whole each time.
LEAST_SLICE: Final = 2000
#: Between the moment a worker may still create an application and the moment the watch shows it.
CREATION_MARGIN: Final = datetime.timedelta(seconds=30)
#: Airflow normally starts a resumed task within so long; only later is it worth a word.
SOON: Final = datetime.timedelta(seconds=10)


class Reconciler:
    """Keeps jobs in step with their tasks; remembers where the rotation over waiting jobs stopped."""

    def __init__(self, context: Context, leadership: Leadership) -> None:
        self._context, self._leadership = context, leadership
        self._after = ""
        self._slice = LEAST_SLICE
        #: The application of some job has ended, and its task will soon.
        self.awaits_ends = False
        #: Some job holds capacity whose task was on its way when we last looked.
        self._active = False

    def task_instances(self, now: datetime.datetime) -> int:
        """Settle jobs whose task instance left them; return how many."""
        with self._leadership.sessions() as session:
            last = end_of_slice(session, self._after, self._slice)
            found = self._mismatches(session, last)
        if found:
            with self._leadership.transaction() as session:
                found = self._mismatches(session, last)
                for mismatch in found:
                    settle(self._context, session, mismatch, now)
        if len(found) < BATCH:
            self._next_slice(last)
        return len(found)

    def _mismatches(self, session: Session, last: str | None) -> list[Mismatch]:
        active = active_mismatches(session, BATCH)
        return [*active, *waiting_mismatches(session, BATCH, self._after, last)]

    def _next_slice(self, last: str | None) -> None:
        self._after = last or ""
        if last is None:
            with self._leadership.sessions() as session:
                waiting = jobs.count_waiting(session)
            looks = max(1.0, FULL_PASS_SECONDS / max(0.1, self._context.settings.reconcile_interval_seconds))
            self._slice = max(LEAST_SLICE, int(waiting / looks) + 1)

    def not_started(self, now: datetime.datetime) -> int:
        """Say of admitted jobs what of Airflow they wait for; return how many sentences changed."""
        with self._leadership.sessions() as session:
            if not waits_in_airflow(session, now - SOON):
                return 0
        with self._leadership.transaction() as session:
            news = waits_in_airflow(session, now - SOON)
            for job in jobs.jobs_by_id(session, news).values():
                job.reason = news[job.id]
                jobs.note(session, job, news[job.id], self._context.actor, now)
        return len(news)

    def cancel_overdue(self, now: datetime.datetime) -> int:
        """Cancel jobs that have waited for as long as their author lets them; return how many."""
        with self._leadership.sessions() as session:
            if not jobs.overdue(session, now, 1):
                return 0
        with self._leadership.transaction() as session:
            found = jobs.lock_queued(session, [job.id for job in jobs.overdue(session, now, BATCH)])
            reasons = {job: _too_long(job, now) for job in found}
            cancel(self._context, session, reasons, Cause.QUEUE_TIMEOUT, now)
        return len(found)

    def take_back(self, now: datetime.datetime) -> int:
        """Return jobs whose admission ran out before Airflow started them to their position."""
        with self._leadership.sessions() as session:
            if not grants_that_ran_out(session, now):
                return 0
        with self._leadership.transaction() as session:
            found = jobs.jobs_by_id(session, [row.job_id for row in grants_that_ran_out(session, now)])
            taken = [job for job in found.values() if resume.take_back(session, job.ti_id, now)]
            for job in taken:
                job.parked = True
                text = "back at its position: Airflow did not start the task while the admission was valid"
                jobs.move(
                    session,
                    job,
                    JobState.QUEUED,
                    text,
                    self._context.actor,
                    now,
                    cause=Cause.ADMISSION_EXPIRED,
                )
            jobs.release_grants(session, [job.id for job in taken])
        return len(taken)

    def ended_tasks(self, now: datetime.datetime) -> int:
        """Settle jobs that hold capacity as soon as their task has ended; return how many.

        Nobody tells the arbiter of the end of a task, so every cycle looks. Costs nothing while nothing is
        held.
        """
        if not self._active:
            return 0
        with self._leadership.sessions() as session:
            if not any(map(to_settle, active_mismatches(session, BATCH))):
                return 0
        with self._leadership.transaction() as session:
            found = active_mismatches(session, BATCH)
            for mismatch in found:
                settle(self._context, session, mismatch, now)
            write(session)
        return len(found)

    def release(
        self,
        held: Sequence[HeldGrant],
        views: Mapping[str, ClusterView],
        queues: QueueTable,
        applications: Applications,
        now: datetime.datetime,
    ) -> Sequence[HeldGrant]:
        """End the grants of ended jobs whose pods are gone; return the others.

        :param held: every grant.
        """
        active = [row for row in held if not is_terminal(JobState(row.state))]
        self._active = bool(active)
        self.awaits_ends = any(_has_nothing_left(row, applications) for row in active)
        if len(active) == len(held):
            return held
        busy = {
            pod.job_id
            for view in views.values()
            for pod in view.pods
            if pod.job_id and pod.counts_node and not pod.placeholder
        }

        def over(row: HeldGrant) -> bool:
            key = queues.keys.get(row.queue_id)
            view = views.get(key.cluster_id) if key else None
            if row.job_id in busy or view is None or not view.fresh:
                return False
            if any(not item.terminal for item in applications.by_job.get(row.job_id, ())):
                return False
            created = row.application_uid is not None or row.state == JobState.SUCCEEDED.value
            return created or now > row.valid_until + CREATION_MARGIN

        ended = {row.job_id for row in held if is_terminal(JobState(row.state)) and over(row)}
        if not ended:
            return held
        with self._leadership.transaction() as session:
            found = [job for job in jobs.jobs_by_id(session, ended).values() if is_terminal(job.state)]
            for job in found:
                jobs.note(session, job, "its pods are gone; its grant ends", self._context.actor, now)
            released = {job.id for job in found}
            jobs.release_grants(session, released)
        return [row for row in held if row.job_id not in released]


def _has_nothing_left(row: HeldGrant, applications: Applications) -> bool:
    """Tell whether an active job's application has ended or is gone."""
    return row.application_uid is not None and all(
        item.terminal for item in applications.by_job.get(row.job_id, ())
    )


def _too_long(job: Job, now: datetime.datetime) -> str:
    since = job.deferred_at if job.reschedules else job.queued_at
    limit = job.queue_deadline - since if job.queue_deadline else now - since
    verdict = (job.verdict or {}).get("sentence")
    blocked = f"blocked by {verdict}" if verdict else job.ineligible_detail
    return (
        f"waited {(now - since).total_seconds():.0f} s in the queue, "
        f"queue_timeout is {limit.total_seconds():.0f} s" + (f"; {blocked}" if blocked else "")
    )
