# SPDX-License-Identifier: Apache-2.0
"""Acting over the API, and what it leaves behind."""

from __future__ import annotations

import datetime

from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.store.models import Audit, Event, Grant, Job, Queue
from tests.builders import NOW, make_task
from tests.store.rows import make_job, make_queue

API = "/priority-spark/api/v1"
REASON = "quarter end first"


def send(site, method: str, path: str, body=None, *, user: str | None = "admin", **options):
    """Ask the API for an act; unless it says otherwise, with a reason."""
    with site.client(user) as client:
        body = {"reason": REASON} if body is None else body
        return client.request(method, API + path, json=body, **options)


def post(site, path: str, body=None, **options):
    return send(site, "POST", path, body, **options)


def patch(site, path: str, body=None, **options):
    return send(site, "PATCH", path, {"reason": REASON, **(body or {})}, **options)


def waiting_task(site, task_id: str, *, deferred_at=NOW, held: HeldReason | None = None, **columns) -> str:
    """Let a real task wait, parked; return its job's id."""
    with site.database.session() as session, session.begin():
        ti = make_task(
            session,
            dag_id=columns.get("dag_id", "etl"),
            task_id=task_id,
            state=TaskInstanceState.DEFERRED,
            next_method="resume_admitted",
            next_kwargs={},
        )
        if held is not None:
            columns |= {"held_reason": held.value, "ineligible": "held", "state": JobState.HELD}
        columns = {"parked": True, "deferred_at": deferred_at, **columns}
        queue = make_queue(session, columns.pop("namespace", "team-a"))
        return make_job(session, queue, task_id=task_id, ti_id=ti.id, **columns).id


def told(site, task_id: str) -> AdmissionEvent | None:
    """Return what a task was resumed with, ``None`` while it waits."""
    with site.database.session() as session:
        task = session.scalars(select(TaskInstance).where(TaskInstance.task_id == task_id)).one()
    if task.state != TaskInstanceState.SCHEDULED:
        return None
    return AdmissionEvent.from_payload(task.next_kwargs["event"])


def row(site, job_id: str) -> Job:
    with site.database.session() as session:
        return session.get_one(Job, job_id)


def queue_row(site, queue_id: int) -> Queue:
    with site.database.session() as session:
        return session.get_one(Queue, queue_id)


def last_event(site, job_id: str) -> tuple[str, str]:
    """Return reason and actor of what happened last."""
    with site.database.session() as session:
        event = session.scalars(select(Event).where(Event.job_id == job_id).order_by(Event.id)).all()[-1]
    return event.reason, event.actor


def all_rows(site, kind) -> list:
    with site.database.session() as session:
        return list(session.scalars(select(kind)))


def audits(site) -> list[Audit]:
    return sorted(all_rows(site, Audit), key=lambda audit: audit.id)


def logs(site) -> list[Log]:
    """Return our rows of Airflow's audit log."""
    return [each for each in all_rows(site, Log) if each.event.startswith("priority_spark.")]


def picture(site) -> str:
    """Return everything an act could change, as text: to see that nothing was."""
    with site.database.session() as session:
        rows = [
            [
                str({c.name: getattr(each, c.key) for c in kind.__table__.columns})
                for each in session.scalars(select(kind).order_by(*kind.__table__.primary_key))
            ]
            for kind in (Job, Event, Grant, Queue, Audit)
        ]
    return "\n".join(str(each) for each in rows)


def seconds(number: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=number)
