# SPDX-License-Identifier: Apache-2.0
"""Applications nobody waits for: their job has ended, or waits again, or there never was one.

Only those of this installation are touched.
"""

from __future__ import annotations

import logging

from airflow_priority_spark.arbiter.applications import Applications, admission_of
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.cluster.applications import ApplicationView, delete_application
from airflow_priority_spark.cluster.kinds import PODS
from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, JobState
from airflow_priority_spark.spark.identity import LABEL_JOB
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Job

log = logging.getLogger(__name__)


class Strays:
    """Deletes strays; remembers which orphans it has reported."""

    def __init__(self, context: Context, leadership: Leadership) -> None:
        self._context, self._leadership = context, leadership
        self._reported: set[str] = set()

    def remove(self, applications: Applications) -> None:
        """Delete applications whose job has ended or waits again; report those that belong to no job."""
        living = [
            (cluster_id, item)
            for cluster_id, item in applications.all
            if not item.terminal and not item.deleting
        ]
        if not living:
            return
        with self._leadership.sessions() as session:
            owners = jobs.jobs_by_id(session, {item.labels.get(LABEL_JOB, "") for _, item in living})
        for cluster_id, item in living:
            reason = self._why(owners.get(item.labels.get(LABEL_JOB, "")), item)
            if reason:
                self.delete(cluster_id, item, reason)

    def _why(self, owner: Job | None, application: ApplicationView) -> str:
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

    def delete(self, cluster_id: str, item: ApplicationView, reason: str) -> bool:
        """Ask for an application's deletion; a failure is told, and tried again by whoever finds it again.

        :return: whether it was asked for.
        :raises LeadershipLost: when another arbiter leads; a picture from before may be long out of date.
        """
        connection = self._context.clusters.connections.get(cluster_id)
        if connection is None:
            return False
        what = (item.word, item.namespace, item.name)
        # The cluster knows no fence: who was stopped since the picture was taken learns of it here.
        with self._leadership.transaction():
            pass
        try:
            outcome = delete_application(connection, item.namespace, item.name, item.uid, kind=item.kind)
        except PrioritySparkError as error:
            log.warning("Could not delete %s %s/%s: %s", *what, error)
            return False
        log.info("Deleted %s %s/%s (%s): %s", *what, outcome, reason)
        return True
