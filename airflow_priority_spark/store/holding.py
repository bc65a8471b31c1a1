# SPDX-License-Identifier: Apache-2.0
"""Jobs of paused DAGs, and of DAGs that were unpaused.

Airflow would not start a task of a paused DAG, and a grant would lie idle; so its jobs are held.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from airflow.models.dag import DagModel
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.store.models import Job, Queue


def paused_dags(session: Session) -> Sequence[str]:
    """Return the paused DAGs that have queued jobs (one statement; an index finds one job of each)."""
    queued = exists().where(Job.state == JobState.QUEUED.value, Job.dag_id == DagModel.dag_id)
    return session.scalars(select(DagModel.dag_id).where(DagModel.is_paused.is_(True), queued)).all()


def are_paused(session: Session, dag_ids: Collection[str]) -> frozenset[str]:
    """Return those of the DAGs that are paused (one statement)."""
    if not dag_ids:
        return frozenset()
    found = select(DagModel.dag_id).where(DagModel.dag_id.in_(sorted(dag_ids)), DagModel.is_paused.is_(True))
    return frozenset(session.scalars(found))


def paused_queues(session: Session) -> frozenset[int]:
    """Return the queues from which nothing may be admitted (one statement)."""
    return frozenset(session.scalars(select(Queue.id).where(Queue.paused.is_(True))))


def queued_jobs_of(session: Session, dag_ids: Collection[str], limit: int) -> Sequence[Job]:
    """Return queued jobs of these DAGs."""
    where = (Job.state == JobState.QUEUED.value, Job.dag_id.in_(sorted(dag_ids)))
    return session.scalars(select(Job).where(*where).order_by(Job.id).limit(limit)).all()


def unpaused_to_release(session: Session, limit: int) -> Sequence[Job]:
    """Return jobs that are held for a DAG that is not paused any more, first in line first."""
    unpaused = exists().where(DagModel.dag_id == Job.dag_id, DagModel.is_paused.is_(True))
    return session.scalars(
        select(Job)
        .where(Job.state == JobState.HELD.value, Job.held_reason == HeldReason.PAUSED.value, ~unpaused)
        .order_by(Job.position_at, Job.position_id, Job.id)
        .limit(limit)
    ).all()


def drained_to_release(session: Session, limit: int) -> Sequence[Job]:
    """Return jobs that came while their queue drained, where it does not any more, first in line first."""
    return session.scalars(
        select(Job)
        .join(Queue, Queue.id == Job.queue_id)
        .where(
            Job.state == JobState.HELD.value,
            Job.held_reason == HeldReason.DRAINING.value,
            Queue.draining.is_(False),
        )
        .order_by(Job.position_at, Job.position_id, Job.id)
        .limit(limit)
    ).all()
