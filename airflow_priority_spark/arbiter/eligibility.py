# SPDX-License-Identifier: Apache-2.0
"""Which jobs must not be looked at because something of an earlier attempt of their task still lives.

Two applications of one task would do the work twice, so the later one waits (``previous-attempt``). It
takes tables and watches together to know.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from airflow_priority_spark.arbiter.applications import Applications
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.cluster.applications import ApplicationView
from airflow_priority_spark.scheduling.model import ClusterView, Ineligible
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.store.front import WaitingRow
from airflow_priority_spark.store.grants import HeldGrant

#: Why a job is not eligible and a clause for people; ``(None, "")``: it is.
Answer = tuple[Ineligible | None, str]
ELIGIBLE: Answer = (None, "")


class Eligibility:
    """Answers for one cycle.

    :param grants: of all jobs that hold capacity.
    :param busy: jobs that have pods on a node.
    """

    def __init__(
        self,
        context: Context,
        views: Mapping[str, ClusterView],
        applications: Applications,
        grants: Iterable[HeldGrant],
        busy: Collection[str],
    ) -> None:
        self._context, self._views, self._applications, self._busy = context, views, applications, busy
        self._holders: dict[TaskKey, set[str]] = defaultdict(set)
        for grant in grants:
            self._holders[grant.task_key].add(grant.job_id)
        #: Jobs that take up an application they already have.
        self.adopted: dict[str, ApplicationView] = {}
        #: Jobs that had hoped to, and have none.
        self.abandoned: set[str] = set()

    def of(self, job: WaitingRow, cluster_id: str) -> Answer:
        """Tell of one job."""
        view = self._views.get(cluster_id)
        if view is None or not view.fresh:
            # Nothing is admitted on a stale picture, and a stale picture proves nothing.
            return (Ineligible(job.ineligible), job.ineligible_detail) if job.ineligible else ELIGIBLE
        if job.adopt:
            return self._adopting(job)
        task = TaskKey(job.dag_id, job.run_id, job.task_id, job.map_index)
        others = self._holders.get(task, set()) - {job.id}
        if others:
            detail = f"job {min(others)} of an earlier attempt still holds capacity"
            return Ineligible.PREVIOUS_ATTEMPT, detail
        if self._applications.by_task:
            digest = task.digest(self._context.instance_id)
            for application in self._applications.by_task.get(digest, ()):
                if not application.terminal or application.deleting:
                    detail = f"{application.word} {application.name} of an earlier attempt is still there"
                    return Ineligible.PREVIOUS_ATTEMPT, detail
        if job.id in self._busy:
            return Ineligible.PREVIOUS_ATTEMPT, "pods of an earlier admission are still there"
        return ELIGIBLE

    def _adopting(self, job: WaitingRow) -> Answer:
        application = self._applications.newest(job.id)
        if application is None or application.controlled:
            # Nobody can take up a pod that something else owns; the job waits until it has ended.
            self.abandoned.add(job.id)
            return Ineligible.PREVIOUS_ATTEMPT, "looking for the application of the lost attempt"
        if application.deleting or self._context.settings.previous_attempt != "adopt":
            detail = f"{application.word} {application.name} of the lost attempt is going"
            return Ineligible.PREVIOUS_ATTEMPT, detail
        self.adopted[job.id] = application
        return ELIGIBLE
