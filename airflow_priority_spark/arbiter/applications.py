# SPDX-License-Identifier: Apache-2.0
"""The applications of this installation that the clusters show, by job and by task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from airflow_priority_spark.cluster.applications import ApplicationView
from airflow_priority_spark.spark.identity import LABEL_ADMISSION, LABEL_JOB, LABEL_TASK_KEY
from airflow_priority_spark.spark.states import RUNNING


class Applications:
    """All of them, as one cycle sees them.

    :param clusters: cluster id → its applications.
    """

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
