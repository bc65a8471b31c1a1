# SPDX-License-Identifier: Apache-2.0
"""From tables and watches to the one immutable picture that a decision is made from.

Also answers the one question that needs both: may this job be looked at, or does something of an
earlier attempt of its task still live in the cluster? Two applications of one task would do the work
twice, so the later one waits (``previous-attempt``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.cluster.applications import ApplicationView
from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Demand,
    Grant,
    Ineligible,
    QueuedJob,
    Rules,
    Snapshot,
)
from airflow_priority_spark.spark.identity import LABEL_ADMISSION, LABEL_JOB, LABEL_TASK_KEY
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.spark.states import RUNNING
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.queues import QueueTable


class Applications:
    """The applications of this installation in all clusters, by job and by task."""

    def __init__(self, clusters: Mapping[str, Sequence[ApplicationView]]) -> None:
        self.all: list[tuple[str, ApplicationView]] = [
            (cluster_id, application) for cluster_id, views in clusters.items() for application in views
        ]
        self.by_job: dict[str, list[ApplicationView]] = defaultdict(list)
        self.by_task: dict[str, list[ApplicationView]] = defaultdict(list)
        for _, application in self.all:
            self.by_job[application.labels.get(LABEL_JOB, "")].append(application)
            self.by_task[application.labels.get(LABEL_TASK_KEY, "")].append(application)

    def newest(self, job_id: str) -> ApplicationView | None:
        """Return the application of the job's latest admission; of several pods one that runs."""
        return max(
            self.by_job.get(job_id, ()),
            key=lambda item: (admission_of(item), item.state == RUNNING, item.uid),
            default=None,
        )


def admission_of(application: ApplicationView) -> int:
    """Return the admission number on an application, 0 when it has none."""
    label = application.labels.get(LABEL_ADMISSION, "")
    return int(label) if label.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Picture:
    """A snapshot, and the way back from its identifiers to the tables.

    :param eligibility: why a waiting job is not looked at (word, detail), ``(None, "")`` when it is.
    :param adopted: waiting jobs that take up an application they already have.
    :param abandoned: waiting jobs that had hoped to, and have none.
    """

    snapshot: Snapshot
    queues: QueueTable
    waiting: Mapping[str, Job]
    eligibility: Mapping[str, tuple[str | None, str]]
    adopted: Mapping[str, ApplicationView]
    abandoned: frozenset[str]


class Observer:
    """Builds pictures; remembers parsed demands, which never change for a given text."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._demands: dict[str, tuple[object, Demand]] = {}

    def picture(
        self,
        session: Session,
        queues: QueueTable,
        views: Mapping[str, ClusterView],
        applications: Applications,
    ) -> Picture:
        """Read the tables (as many statements for ten waiting jobs as for ten thousand)."""
        settings = self._context.settings
        rows = jobs.front(session, settings.batch_size)
        grants = jobs.read_grants(session)
        known = {row.job.id for row in grants} | {job.id for job in rows}
        self._demands = {job_id: entry for job_id, entry in self._demands.items() if job_id in known}

        holders: dict[object, set[str]] = defaultdict(set)
        for row in grants:
            holders[jobs.task_key(row.job)].add(row.job.id)
        judge = _Eligibility(self._context, views, applications, holders)
        waiting = {job.id: job for job in rows if job.queue_id in queues.keys}
        queued = tuple(self._queued(job, queues, judge) for job in waiting.values())
        snapshot = Snapshot(
            clusters=tuple(view for _, view in sorted(views.items())),
            queues=queues.views,
            jobs=queued,
            grants=tuple(
                Grant(row.job.id, queues.keys[row.grant.queue_id], self._demand(row.job.id, row.grant.demand))
                for row in grants
                if row.grant.queue_id in queues.keys
            ),
            rules=Rules(
                batch_size=settings.batch_size,
                head_protection_seconds=settings.head_protection_seconds,
                fail_impossible=settings.fail_impossible,
            ),
        )
        eligibility = {
            job.job_id: (job.ineligible.value if job.ineligible else None, job.ineligible_detail)
            for job in queued
        }
        return Picture(snapshot, queues, waiting, eligibility, judge.adopted, frozenset(judge.abandoned))

    def _demand(self, job_id: str, data: object) -> Demand:
        entry = self._demands.get(job_id)
        if entry is None or entry[0] != data:
            entry = self._demands[job_id] = (data, demand_from_json(data))
        return entry[1]

    def _queued(self, job: Job, queues: QueueTable, judge: _Eligibility) -> QueuedJob:
        key = queues.keys[job.queue_id]
        ineligible, detail = judge.of(job, key.cluster_id)
        return QueuedJob(
            job_id=job.id,
            queue=key,
            pool=job.pool,
            position=(job.position_at.timestamp(), job.position_id),
            demand=self._demand(job.id, job.demand),
            ineligible=ineligible,
            ineligible_detail=detail,
            unchecked=job.flow == "observe" or job.id in judge.adopted,
            readmission=job.admission > 0,
        )


class _Eligibility:
    """Decides who is not to be looked at because an earlier attempt still lives."""

    def __init__(
        self,
        context: Context,
        views: Mapping[str, ClusterView],
        applications: Applications,
        holders: Mapping[object, set[str]],
    ) -> None:
        self._context, self._views, self._applications = context, views, applications
        self._holders = holders
        self._busy = {
            pod.job_id for view in views.values() for pod in view.pods if pod.job_id and pod.counts_node
        }
        self.adopted: dict[str, ApplicationView] = {}
        self.abandoned: set[str] = set()

    def of(self, job: Job, cluster_id: str) -> tuple[Ineligible | None, str]:
        """Return why the job is not eligible, or ``None``."""
        view = self._views.get(cluster_id)
        if view is None or not view.fresh:
            # Nothing is admitted on a stale picture, and a stale picture proves nothing.
            return (Ineligible(job.ineligible), job.ineligible_detail) if job.ineligible else (None, "")
        if job.adopt:
            return self._adopting(job)
        others = self._holders.get(jobs.task_key(job), set()) - {job.id}
        if others:
            return (
                Ineligible.PREVIOUS_ATTEMPT,
                f"job {min(others)} of an earlier attempt still holds capacity",
            )
        task = jobs.task_key(job).digest(self._context.instance_id)
        for application in self._applications.by_task.get(task, ()):
            if not application.terminal or application.deleting:
                return (
                    Ineligible.PREVIOUS_ATTEMPT,
                    f"{application.word} {application.name} of an earlier attempt is still there",
                )
        if job.id in self._busy:
            return Ineligible.PREVIOUS_ATTEMPT, "pods of an earlier admission are still there"
        return None, ""

    def _adopting(self, job: Job) -> tuple[Ineligible | None, str]:
        application = self._applications.newest(job.id)
        if application is None or application.controlled:
            # Nobody can take up a pod that something else owns; the job waits until it has ended.
            self.abandoned.add(job.id)
            return Ineligible.PREVIOUS_ATTEMPT, "looking for the application of the lost attempt"
        if application.deleting or self._context.settings.previous_attempt != "adopt":
            return Ineligible.PREVIOUS_ATTEMPT, (
                f"{application.word} {application.name} of the lost attempt is going"
            )
        self.adopted[job.id] = application
        return None, ""
