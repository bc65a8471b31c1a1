# SPDX-License-Identifier: Apache-2.0
"""People act on a real database; no arbiter runs unless a test starts one."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select, update

from airflow_priority_spark.arbiter.actions import By
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.store.models import Audit, Event, Grant, Job
from tests.airflow_database import Database
from tests.builders import NOW, make_task
from tests.store.rows import make_job, make_queue

LATER = NOW + datetime.timedelta(minutes=10)


@dataclass
class Office:
    """A database with queues and waiting jobs, and ``alice`` who acts."""

    database: Database
    by: By
    numbers: list[int] = field(default_factory=list)

    def queue(self, namespace: str = "team-a", **options) -> int:
        with self.database.session() as session, session.begin():
            return make_queue(session, namespace, **options).id

    def job(
        self,
        task_id: str,
        *,
        queue_id: int | None = None,
        state: JobState = JobState.QUEUED,
        held: HeldReason | None = None,
        **columns,
    ) -> str:
        """Let a task wait, parked, a second after the one before; return its job's id."""
        self.numbers.append(1)
        at = columns.pop("enqueued_at", NOW + datetime.timedelta(seconds=len(self.numbers)))
        with self.database.session() as session, session.begin():
            queue = make_queue(session) if queue_id is None else None
            ti = make_task(
                session,
                dag_id=columns.get("dag_id", "etl"),
                task_id=task_id,
                state=TaskInstanceState.DEFERRED,
                next_method="resume_admitted",
                next_kwargs={},
            )
            if held is not None:
                columns |= {"held_reason": held.value, "ineligible": "held"}
                state = JobState.HELD
            job = make_job(
                session,
                queue or _Id(queue_id),
                state=state,
                enqueued_at=at,
                task_id=task_id,
                ti_id=ti.id,
                **{"parked": True, **columns},
            )
            return job.id

    def act(self, what, *args, reason: str | None = None, **options):
        """Let alice do something in a transaction of its own."""
        by = self.by if reason is None else replace(self.by, reason=reason)
        with self.database.session() as session, session.begin():
            return what(session, *args, by, **options)

    def get(self, job_id: str) -> Job:
        with self.database.session() as session:
            return session.get_one(Job, job_id)

    def events(self, job_id: str) -> list[tuple[str, str, str]]:
        with self.database.session() as session:
            rows = session.scalars(select(Event).where(Event.job_id == job_id).order_by(Event.id))
            return [(row.to_state, row.reason, row.actor) for row in rows]

    def audits(self) -> list[Audit]:
        with self.database.session() as session:
            return list(session.scalars(select(Audit).order_by(Audit.id)))

    def task(self, task_id: str) -> TaskInstance:
        with self.database.session() as session:
            return session.scalars(select(TaskInstance).where(TaskInstance.task_id == task_id)).one()

    def told(self, task_id: str) -> AdmissionEvent | None:
        """Return what the task was resumed with, ``None`` while it waits."""
        task = self.task(task_id)
        if task.state != TaskInstanceState.SCHEDULED:
            return None
        return AdmissionEvent.from_payload(task.next_kwargs["event"])

    def grants(self) -> dict[str, Grant]:
        with self.database.session() as session:
            return {row.job_id: row for row in session.scalars(select(Grant))}

    def line(self, pool: str = "normal") -> list[str]:
        """Return the tasks that wait in a pool, in their order."""
        with self.database.session() as session:
            return list(
                session.scalars(
                    select(Job.task_id)
                    .where(Job.pool == pool, Job.state == "queued")
                    .order_by(Job.position_at, Job.position_id, Job.id)
                )
            )

    def change(self, job_id: str, **columns) -> None:
        with self.database.session() as session, session.begin():
            session.execute(update(Job).where(Job.id == job_id).values(**columns))


@dataclass(frozen=True)
class _Id:
    id: int


@pytest.fixture
def office(database):
    return Office(database, By("alice", LATER, "quarter end first", Settings(settle_seconds=0)))
