# SPDX-License-Identifier: Apache-2.0
"""Which jobs are meant: by a list that is read, or by an act on many at once.

One description for both, so that what a person has just looked at is what they act on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.store.cursors import Place, further_than
from airflow_priority_spark.store.models import Cluster, Job, Queue


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; ``None`` means any.

    :param cluster: name of a cluster.
    :param blocking_resource: what a blocked job waits for, e.g. ``memory``.
    :param ids: only these.
    :param held_reasons: of held jobs only those held for one of these; others are not asked.
    """

    states: Collection[JobState] | None = None
    namespace: str | None = None
    pool: str | None = None
    dag_id: str | None = None
    user: str | None = None
    team: str | None = None
    blocking_resource: str | None = None
    cluster: str | None = None
    ids: Collection[str] | None = None
    held_reasons: Collection[HeldReason] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what the rows of ``Job`` joined with ``Queue`` and ``Cluster`` must fulfil."""
        equal = (
            (Queue.namespace, self.namespace),
            (Cluster.name, self.cluster),
            (Job.pool, self.pool),
            (Job.dag_id, self.dag_id),
            (Job.user, self.user),
            (Job.team, self.team),
            (Job.blocking_resource, self.blocking_resource),
        )
        found: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
        if self.states is not None:
            found.append(Job.state.in_([str(state) for state in self.states]))
        if self.ids is not None:
            found.append(Job.id.in_(list(self.ids)))
        if self.held_reasons is not None:
            reasons = [str(reason) for reason in self.held_reasons]
            found.append(or_(Job.state != str(JobState.HELD), Job.held_reason.in_(reasons)))
        return found


ANY_JOB: Final = JobFilter()


def selected_jobs(
    session: Session, wanted: JobFilter, limit: int, *, after: Place | None = None
) -> Sequence[Place]:
    """Return the places of selected jobs, which hold their ids, in order of position (one statement).

    :param limit: at most so many.
    :param after: only those behind this place: what a person selected is gone through once, whatever
        becomes of each job.
    """
    conditions = wanted.conditions()
    if after is not None:
        conditions.append(further_than(after, newest_first=False))
    rows = session.execute(
        select(Job.position_at, Job.position_id, Job.id)
        .join(Queue, Queue.id == Job.queue_id)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .where(*conditions)
        .order_by(Job.position_at, Job.position_id, Job.id)
        .limit(limit)
    )
    return [Place(*row) for row in rows]


def all_selected(session: Session, wanted: JobFilter) -> Sequence[Job]:
    """Return every selected job in order of position (one statement), to say what an act would do."""
    return session.scalars(
        select(Job)
        .join(Queue, Queue.id == Job.queue_id)
        .join(Cluster, Cluster.cluster_id == Queue.cluster_id)
        .where(*wanted.conditions())
        .order_by(Job.position_at, Job.position_id, Job.id)
    ).all()
