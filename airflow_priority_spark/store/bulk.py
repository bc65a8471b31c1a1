# SPDX-License-Identifier: Apache-2.0
"""What an act on many jobs has to know before it begins: whose jobs are meant."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.store.models import Cluster, Job, Queue
from airflow_priority_spark.store.selection import JobFilter


def tasks_of(session: Session, job_ids: Collection[str]) -> dict[str, TaskKey]:
    """Return the task of each job; unknown ids are missing (one statement)."""
    rows = session.execute(
        select(Job.id, Job.dag_id, Job.run_id, Job.task_id, Job.map_index).where(Job.id.in_(list(job_ids)))
    )
    return {row.id: TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index) for row in rows}


def dags_of_selected(session: Session, wanted: JobFilter) -> frozenset[str]:
    """Return the DAGs of all selected jobs (one statement)."""
    rows = session.scalars(
        select(Job.dag_id)
        .join(Queue, Queue.id == Job.queue_id)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .where(*wanted.conditions())
        .distinct()
    )
    return frozenset(rows)
