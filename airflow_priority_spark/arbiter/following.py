# SPDX-License-Identifier: Apache-2.0
"""Follow the applications of jobs: they appear, they run, and their pods may use more than was declared."""

from __future__ import annotations

import datetime
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.applications import Applications, admission_of
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.cluster.applications import ApplicationView
from airflow_priority_spark.cluster.kinds import SPARK_APPLICATIONS
from airflow_priority_spark.scheduling.jobs import WAITING, JobState
from airflow_priority_spark.scheduling.model import ClusterView, Demand
from airflow_priority_spark.scheduling.resources import Resources, format_amount
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.grants import read_grants
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.session import when_committed

log = logging.getLogger(__name__)


class Follower:
    """Moves jobs along with their applications.

    Remembers what it recorded, so that a quiet cluster costs no statement.
    """

    def __init__(self, context: Context, leadership: Leadership) -> None:
        self._context, self._leadership = context, leadership
        self._recorded: dict[str, tuple[str, str, str]] = {}

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

    def demands(self, views: Mapping[str, ClusterView], now: datetime.datetime) -> int:
        """Flag jobs whose pods use more than they declared; return how many.

        They are charged for it without our doing: a pod that exists counts as it is.
        """
        used = _used(views)
        if not used:
            return 0
        with self._leadership.sessions() as session:
            found = {
                row.job_id for row in read_grants(session) if row.job_id in used and not row.exceeds_demand
            }
            exceeding = {
                job.id: text
                for job in jobs.jobs_by_id(session, found).values()
                if (text := _excess(demand_from_json(job.demand), used[job.id]))
            }
        if exceeding:
            with self._leadership.transaction() as session:
                for job in jobs.jobs_by_id(session, exceeding).values():
                    job.exceeds_demand = True
                    jobs.note(session, job, exceeding[job.id], self._context.actor, now)
                    when_committed(
                        session,
                        log.warning,
                        "Job %s of %s: %s",
                        job.id,
                        jobs.task_key(job).readable(),
                        exceeding[job.id],
                    )
        return len(exceeding)


def _used(views: Mapping[str, ClusterView]) -> dict[str, Resources]:
    """Add up what the pods of each job ask for, their number included."""
    used: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for view in views.values():
        for pod in view.pods:
            if pod.job_id and pod.counts_quota and not pod.terminating and not pod.placeholder:
                sums = used[pod.job_id]
                sums["pods"] += 1
                for name, amount in pod.requests.items():
                    sums[name] += amount
    return {job_id: Resources(sums) for job_id, sums in used.items()}


def _excess(demand: Demand, used: Resources) -> str:
    """Say by what a job's pods exceed its demand; empty when they do not."""
    declared = demand.total()
    over = [name for name in sorted(used) if used[name] > declared.get(name, 0)]
    if not over:
        return ""
    parts = [
        f"{name} {format_amount(name, used[name])} (declared {format_amount(name, declared.get(name, 0))})"
        for name in over
    ]
    return f"its pods use more than it declared: {', '.join(parts)}; it is charged what they use"
