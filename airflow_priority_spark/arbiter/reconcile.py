# SPDX-License-Identifier: Apache-2.0
"""Jobs compared with what Airflow and the clusters really hold.

Nobody tells the arbiter that a person cleared a task, that a worker created an application or that a
driver ended; it looks. Whatever was missed, by a crash or a race, is found by the next look, so every
function here may be run at any time and any number of times.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.attempts import settle
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.observe import Applications, admission_of
from airflow_priority_spark.cluster.applications import ApplicationView, delete_application
from airflow_priority_spark.cluster.kinds import PODS, SPARK_APPLICATIONS
from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, JobState, is_terminal
from airflow_priority_spark.scheduling.model import ClusterView
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.identity import LABEL_JOB
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.airflow_state import mismatches, not_started, pause_changes
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.queues import QueueTable

log = logging.getLogger(__name__)

BATCH: Final = 500
#: Between the moment a worker may still create an application and the moment the watch shows it.
CREATION_MARGIN: Final = datetime.timedelta(seconds=30)
#: Airflow normally starts a resumed task within so long; only later is it worth a word.
SOON: Final = datetime.timedelta(seconds=10)
WAITS_IN_AIRFLOW: Final = {
    "scheduled": "admitted, but Airflow has not queued it: it waits for a slot of Airflow pool {pool}, "
    "for max_active_tasks of its DAG or for parallelism",
    "queued": "admitted, but no worker runs it: it waits for a slot of the executor "
    "or for its worker to start",
}


class Reconciler:
    """Keeps jobs in step; remembers what it recorded so that a quiet cluster costs no statement."""

    def __init__(self, context: Context, leadership: Leadership) -> None:
        self._context, self._leadership = context, leadership
        self._recorded: dict[str, tuple[str, str, str]] = {}
        self._reported: set[str] = set()

    def task_instances(self, now: datetime.datetime) -> int:
        """Settle jobs whose task instance left them, hold those of paused DAGs; return how many."""
        with self._leadership.sessions() as session:
            if not mismatches(session, 1) and not pause_changes(session):
                return 0
        settled = 0
        with self._leadership.transaction() as session:
            for mismatch in mismatches(session, BATCH):
                settle(self._context, session, mismatch, now)
                settled += 1
            for job, paused in pause_changes(session):
                self._pause(session, job, paused, now)
                settled += 1
        return settled

    def _pause(self, session: Session, job: Job, paused: bool, now: datetime.datetime) -> None:
        if paused:
            jobs.move(session, job, JobState.HELD, "the DAG is paused", self._context.actor, now)
            job.ineligible, job.ineligible_detail = "paused", "the DAG is paused"
        else:
            jobs.move(
                session, job, JobState.QUEUED, "the DAG is not paused any more", self._context.actor, now
            )

    def not_started(self, now: datetime.datetime) -> int:
        """Say of admitted jobs what of Airflow they wait for; return how many sentences changed."""

        def late(session: Session) -> list[tuple[Job, str]]:
            return [
                (job, text)
                for job, state, pool in not_started(session)
                if job.admitted_at
                and now - job.admitted_at >= SOON
                and (text := WAITS_IN_AIRFLOW[state].format(pool=pool)) != job.reason
            ]

        with self._leadership.sessions() as session:
            if not late(session):
                return 0
        with self._leadership.transaction() as session:
            found = late(session)
            for job, text in found:
                job.reason = text
                jobs.note(session, job, text, self._context.actor, now)
        return len(found)

    def applications(self, applications: Applications, now: datetime.datetime) -> None:
        """Record applications that appeared, moved on or are gone, and move their jobs along."""
        seen: dict[str, tuple[str, str, str]] = {}
        for job_id in applications.by_job:
            newest = applications.newest(job_id)
            if newest is not None:
                seen[job_id] = (newest.name, newest.uid, newest.state)
        changed = {job_id for job_id, entry in seen.items() if self._recorded.get(job_id) != entry}
        if changed:
            with self._leadership.transaction() as session:
                for job_id, job in jobs.jobs_by_id(session, changed).items():
                    newest = applications.newest(job_id)
                    if newest is not None:
                        self._record(session, job, newest, now)
        self._recorded = seen

    def forget(self, job_ids: Iterable[str]) -> None:
        """Look at the applications of these jobs anew: they are about to take them up again."""
        for job_id in job_ids:
            self._recorded.pop(job_id, None)

    def _record(
        self, session: Session, job: Job, application: ApplicationView, now: datetime.datetime
    ) -> None:
        if admission_of(application) != job.admission:
            return
        state = JobState(job.state)
        if state in WAITING and not job.adopt:
            return
        job.application_name, job.application_uid = application.name, application.uid
        job.application_state = application.state or "NEW"
        if state is JobState.ADMITTED:
            text = f"{application.word} {application.name} was created"
            jobs.move(session, job, JobState.SUBMITTED, text, self._context.actor, now)
            state = JobState.SUBMITTED
        if state is JobState.SUBMITTED and application.state == "RUNNING":
            spark = application.kind == SPARK_APPLICATIONS
            text = f"the driver of {application.name} runs" if spark else f"pod {application.name} runs"
            jobs.move(session, job, JobState.RUNNING, text, self._context.actor, now)

    def cancel_overdue(self, now: datetime.datetime) -> int:
        """Cancel jobs that have waited for as long as their author lets them; return how many."""
        with self._leadership.sessions() as session:
            if not jobs.overdue(session, now, 1):
                return 0
        cancelled = 0
        with self._leadership.transaction() as session:
            for found in jobs.overdue(session, now, BATCH):
                job = session.get(Job, found.id, with_for_update=True, populate_existing=True)
                if job is not None and JobState(job.state) is JobState.QUEUED:
                    self._cancel_overdue(session, job, now)
                    cancelled += 1
        return cancelled

    def _cancel_overdue(self, session: Session, job: Job, now: datetime.datetime) -> None:
        since = job.deferred_at if job.reschedules else job.position_at
        limit = job.queue_deadline - since if job.queue_deadline else now - since
        verdict = (job.verdict or {}).get("sentence")
        blocked = f"blocked by {verdict}" if verdict else job.ineligible_detail
        text = (
            f"waited {(now - since).total_seconds():.0f} s in the queue, "
            f"queue_timeout is {limit.total_seconds():.0f} s" + (f"; {blocked}" if blocked else "")
        )
        jobs.move(session, job, JobState.CANCELLED, text, self._context.actor, now)
        event = AdmissionEvent(outcome="cancelled", job_id=job.id, reason=text)
        jobs.promise(session, job, event.to_payload(), now)
        log.info("Job %s of %s: %s", job.id, jobs.task_key(job).readable(), text)

    def take_back(self, now: datetime.datetime) -> int:
        """Return jobs whose admission ran out before Airflow started them to their position."""
        with self._leadership.sessions() as session:
            if not [row for row in jobs.read_grants(session) if _ran_out(row, now)]:
                return 0
        taken = 0
        with self._leadership.transaction() as session:
            for row in jobs.read_grants(session):
                if not _ran_out(row, now) or not resume.take_back(session, row.job.ti_id, now):
                    continue
                jobs.release_grant(session, row.job.id)
                row.job.parked = True
                text = "back at its position: Airflow did not start the task while the admission was valid"
                jobs.move(session, row.job, JobState.QUEUED, text, self._context.actor, now)
                taken += 1
        return taken

    def release(
        self,
        views: Mapping[str, ClusterView],
        queues: QueueTable,
        applications: Applications,
        now: datetime.datetime,
    ) -> int:
        """End the grants of ended jobs whose pods are gone; return how many."""
        busy = {pod.job_id for view in views.values() for pod in view.pods if pod.job_id and pod.counts_node}

        def over(row: jobs.GrantRow) -> bool:
            if not is_terminal(JobState(row.job.state)) or row.job.id in busy:
                return False
            key = queues.keys.get(row.grant.queue_id)
            view = views.get(key.cluster_id) if key else None
            if view is None or not view.fresh:
                return False
            if any(not item.terminal for item in applications.by_job.get(row.job.id, ())):
                return False
            created = row.job.application_uid is not None or row.job.state == JobState.SUCCEEDED.value
            return created or now > row.grant.valid_until + CREATION_MARGIN

        with self._leadership.sessions() as session:
            ended = [row.job.id for row in jobs.read_grants(session) if over(row)]
        if not ended:
            return 0
        with self._leadership.transaction() as session:
            for row in jobs.read_grants(session):
                if row.job.id in ended and is_terminal(JobState(row.job.state)):
                    jobs.release_grant(session, row.job.id)
                    jobs.note(session, row.job, "its pods are gone; its grant ends", self._context.actor, now)
        return len(ended)

    def strays(self, applications: Applications) -> None:
        """Delete applications whose job has ended or waits again; report those that belong to no job."""
        living = [
            (cluster_id, item)
            for cluster_id, item in applications.all
            if not item.terminal and not item.deleting
        ]
        with self._leadership.sessions() as session:
            owners = jobs.jobs_by_id(session, {item.labels.get(LABEL_JOB, "") for _, item in living})
        for cluster_id, item in living:
            reason = self._stray(owners.get(item.labels.get(LABEL_JOB, "")), item)
            if reason:
                self._delete(cluster_id, item, reason)

    def _stray(self, owner: Job | None, application: ApplicationView) -> str:
        """Return why the application must go, empty when it may live."""
        if application.controlled:
            # Its owner would make another one; it ends with its owner.
            return ""
        if owner is None:
            if application.uid not in self._reported:
                self._reported.add(application.uid)
                log.warning(
                    "%s %s/%s of this installation belongs to no job",
                    application.word.capitalize(),
                    application.namespace,
                    application.name,
                )
            return "it belongs to no job" if self._context.settings.delete_orphans else ""
        state = JobState(owner.state)
        if state in ACTIVE and admission_of(application) == owner.admission:
            return ""
        if state in ACTIVE or state in WAITING:
            adopting = owner.adopt and self._context.settings.previous_attempt == "adopt"
            return "" if adopting else "its job waits again"
        kept = owner.keep_application or (application.kind == PODS and state is JobState.SUCCEEDED)
        return "" if kept else f"its job has ended: {owner.state}"

    def _delete(self, cluster_id: str, application: ApplicationView, reason: str) -> None:
        connection = self._context.clusters.connections.get(cluster_id)
        if connection is None:
            return
        what = (application.word, application.namespace, application.name)
        try:
            outcome = delete_application(
                connection, application.namespace, application.name, application.uid, kind=application.kind
            )
        except PrioritySparkError as error:
            log.warning("Could not delete %s %s/%s: %s", *what, error)
            return
        log.info("Deleted %s %s/%s (%s): %s", *what, outcome, reason)


def _ran_out(row: jobs.GrantRow, now: datetime.datetime) -> bool:
    return (
        row.job.state == JobState.ADMITTED.value
        and row.job.application_uid is None
        and now > row.grant.valid_until
    )
