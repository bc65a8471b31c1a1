# SPDX-License-Identifier: Apache-2.0
"""Which jobs are meant: by a list that is read, or by an act on many at once.

One description for both, so that what a person has just looked at is what they act on.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.store.cursors import Place, further_than
from airflow_priority_spark.store.models import Cluster, Job, Queue

#: The columns that a search looks into.
SEARCHED: Final = ("id", "dag_id", "run_id", "task_id", "user", "team", "service", "application_name")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; ``None`` means any.

    :param cluster: name of a cluster.
    :param blocking_resource: what a blocked job waits for, e.g. ``memory``.
    :param ids: only these.
    :param held_reasons: of held jobs only those held for one of these; others are not asked.
    :param dag_ids: only of these DAGs: what somebody may read.
    :param end_reason: contained in what is said about an ended job, in any case.
    :param queued_after: enqueued at this instant or later; ``queued_before``: earlier than this instant.
    :param search: contained, in any case, in one of the texts of ``SEARCHED``.
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
    dag_ids: Collection[str] | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    end_reason: str | None = None
    queued_after: datetime.datetime | None = None
    queued_before: datetime.datetime | None = None
    search: str | None = None

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
            (Job.run_id, self.run_id),
            (Job.task_id, self.task_id),
            (Job.map_index, self.map_index),
        )
        found: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
        if self.states is not None:
            found.append(Job.state.in_([str(state) for state in self.states]))
        if self.ids is not None:
            found.append(Job.id.in_(list(self.ids)))
        if self.held_reasons is not None:
            reasons = [str(reason) for reason in self.held_reasons]
            found.append(or_(Job.state != str(JobState.HELD), Job.held_reason.in_(reasons)))
        if self.dag_ids is not None:
            found.append(Job.dag_id.in_(sorted(self.dag_ids)))
        return found + self._about_time() + self._texts()

    def _about_time(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.queued_after is not None:
            found.append(Job.queued_at >= self.queued_after)
        if self.queued_before is not None:
            found.append(Job.queued_at < self.queued_before)
        return found

    def _texts(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.end_reason is not None:
            found += [Job.ended_at.is_not(None), Job.reason.icontains(self.end_reason, autoescape=True)]
        if self.search:
            texts = (getattr(Job, name) for name in SEARCHED)
            found.append(or_(*(column.icontains(self.search, autoescape=True) for column in texts)))
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
