# SPDX-License-Identifier: Apache-2.0
"""What Airflow's own tables say about our tasks. Reading only; ``arbiter.resume`` writes.

Airflow deletes and replaces task-instance rows as it pleases (a clear, a retry and the reset of
orphans each give the row a new id), so a job is compared with what is there now, never with what
was remembered.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from airflow.configuration import conf
from airflow.jobs.job import Job as AirflowJob
from airflow.jobs.job import JobState
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.state import TaskInstanceState
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.store.models import Job

#: Intake knows our deferrals by this class path, never by a cursor over trigger ids (SQLite reuses them).
ADMISSION_TRIGGER: Final = "airflow_priority_spark.triggers.admission.AdmissionTrigger"

#: The method that every operator of ours goes on with when its job is admitted.
RESUME_METHOD: Final = "resume_admitted"


@dataclass(frozen=True, slots=True)
class Deferral:
    """A task instance that has deferred to the queue and is not parked yet."""

    key: TaskKey
    ti_id: UUID
    try_number: int
    trigger_id: int
    created: datetime.datetime
    kwargs: str
    clear_number: int
    user: str | None
    team: str | None
    paused: bool


def deferrals(session: Session, limit: int) -> Sequence[Deferral]:
    """Return tasks that wait for intake, oldest first."""
    rows = session.execute(
        select(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance.id,
            TaskInstance.try_number,
            Trigger.id,
            Trigger.created_date,
            Trigger.encrypted_kwargs,
            DagRun.clear_number,
            DagRun.triggering_user_name,
            Trigger.team_name,
            DagModel.is_paused,
        )
        .join(Trigger, Trigger.id == TaskInstance.trigger_id)
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .join(DagModel, DagModel.dag_id == TaskInstance.dag_id, isouter=True)
        .where(
            Trigger.classpath == ADMISSION_TRIGGER,
            TaskInstance.state == TaskInstanceState.DEFERRED,
        )
        .order_by(Trigger.created_date, Trigger.id)
        .limit(limit)
    )
    return [
        Deferral(
            key=TaskKey(row[0], row[1], row[2], row[3]),
            ti_id=row[4],
            try_number=row[5],
            trigger_id=row[6],
            created=row[7],
            kwargs=row[8],
            clear_number=row[9],
            user=row[10],
            team=row[11],
            paused=bool(row[12]),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A job whose task instance is not where the job's state says it should be.

    :param ti_state: the state of the task instance with the job's id; ``None`` when that id is gone
        or the state is empty.
    :param ti_exists: a task instance with the job's id exists.
    """

    job: Job
    ti_exists: bool
    ti_state: str | None


def mismatches(session: Session, limit: int) -> Sequence[Mismatch]:
    """Return jobs that have to be reconciled with their task instance, in one statement.

    A waiting job's task is DEFERRED. An admitted job's task is on its way (SCHEDULED, QUEUED,
    RUNNING, DEFERRED to the application's trigger, RESTARTING while Airflow stops it).
    """
    on_its_way = [
        TaskInstanceState.SCHEDULED,
        TaskInstanceState.QUEUED,
        TaskInstanceState.RUNNING,
        TaskInstanceState.DEFERRED,
        TaskInstanceState.RESTARTING,
    ]
    odd_waiting = and_(
        Job.state.in_([str(state) for state in WAITING]),
        or_(TaskInstance.id.is_(None), TaskInstance.state.is_distinct_from(TaskInstanceState.DEFERRED)),
    )
    odd_active = and_(
        Job.state.in_([str(state) for state in ACTIVE]),
        or_(TaskInstance.id.is_(None), TaskInstance.state.is_(None), TaskInstance.state.not_in(on_its_way)),
    )
    rows = session.execute(
        select(Job, TaskInstance.id, TaskInstance.state)
        .join(TaskInstance, TaskInstance.id == Job.ti_id, isouter=True)
        .where(or_(odd_waiting, odd_active))
        .order_by(Job.id)
        .limit(limit)
    )
    return [Mismatch(job, ti_id is not None, state) for job, ti_id, state in rows]


class Replaced(StrEnum):
    """What became of an attempt whose task-instance id is gone."""

    CLEARED = "cleared"
    RETRIED = "retried"
    ORPHANED = "orphaned"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Successor:
    """The task instance that now stands where the job's attempt stood (``None`` ids when deleted)."""

    replaced: Replaced
    ti_id: UUID | None = None
    try_number: int = 0


#: Airflow logs one of these when an attempt ends by itself; the reset of an orphan logs nothing.
#: Source: airflow/api_fastapi/execution_api/routes/task_instances.py, airflow/models/taskinstance.py
#: (fetch_handle_failure_context), airflow/jobs/scheduler_job_runner.py (adopt_or_reset_orphaned_tasks).
_ENDED_EVENTS: Final = ("failed", "up_for_retry", "success", "skipped", "fail task", "skip task")


def successor(session: Session, job: Job) -> Successor:
    """Tell why the job's task-instance id is gone: cleared, retried, orphan reset, or deleted."""
    row = session.execute(
        select(TaskInstance.id, TaskInstance.try_number, DagRun.clear_number)
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .where(
            TaskInstance.dag_id == job.dag_id,
            TaskInstance.run_id == job.run_id,
            TaskInstance.task_id == job.task_id,
            TaskInstance.map_index == job.map_index,
        )
    ).one_or_none()
    if row is None:
        return Successor(Replaced.DELETED)
    if row.clear_number != job.clear_number:
        return Successor(Replaced.CLEARED, row.id, row.try_number)
    ended = session.scalar(
        select(Log.id)
        .where(
            Log.dag_id == job.dag_id,
            Log.run_id == job.run_id,
            Log.task_id == job.task_id,
            Log.map_index == job.map_index,
            Log.try_number == job.try_number,
            Log.event.in_(_ENDED_EVENTS),
        )
        .limit(1)
    )
    return Successor(Replaced.RETRIED if ended else Replaced.ORPHANED, row.id, row.try_number)


def pause_changes(session: Session) -> Sequence[tuple[Job, bool]]:
    """Return waiting jobs whose DAG was paused or unpaused since they were last looked at."""
    rows = session.execute(
        select(Job, DagModel.is_paused)
        .join(DagModel, DagModel.dag_id == Job.dag_id)
        .where(
            or_(
                and_(Job.state == "queued", DagModel.is_paused.is_(True)),
                and_(Job.state == "held", Job.ineligible == "paused", DagModel.is_paused.is_(False)),
            )
        )
    )
    return [(job, bool(paused)) for job, paused in rows]


def has_settled(
    session: Session, ti_id: UUID, deferred_at: datetime.datetime, seconds: float, now: datetime.datetime
) -> bool:
    """Tell whether Airflow can take a resume of a task that has deferred.

    A worker that defers ends, and its executor reports that end. If the task runs again before the
    scheduler has taken the report in, the scheduler takes the report for the new run and fails the task
    ("state mismatch", https://github.com/apache/airflow/issues/72716). The scheduler sends its heartbeat
    after it has taken the reports in, in the same loop; so a heartbeat that is later than the deferral by
    the time a worker needs to end shows that it has. A scheduler that is gone reports nothing any more.

    :param seconds: the time a worker needs to end.
    """
    if now < deferred_at + datetime.timedelta(seconds=seconds):
        return False
    row = session.execute(
        select(AirflowJob.state, AirflowJob.latest_heartbeat)
        .join(TaskInstance, TaskInstance.queued_by_job_id == AirflowJob.id)
        .where(TaskInstance.id == ti_id)
    ).one_or_none()
    if row is None or row.state != JobState.RUNNING or row.latest_heartbeat is None:
        return True
    silent = now - row.latest_heartbeat > datetime.timedelta(
        seconds=conf.getint("scheduler", "scheduler_health_check_threshold")
    )
    return bool(silent or row.latest_heartbeat >= deferred_at + datetime.timedelta(seconds=seconds))


def not_started(session: Session) -> Sequence[tuple[Job, str, str]]:
    """Return admitted jobs that no worker runs yet, with their task's state and Airflow pool.

    A task that is to go on elsewhere than after its admission has been on a worker since: its application
    or pod has ended before anybody saw it.
    """
    rows = session.execute(
        select(Job, TaskInstance.state, TaskInstance.pool)
        .join(TaskInstance, TaskInstance.id == Job.ti_id)
        .where(
            Job.state == "admitted",
            TaskInstance.state.in_([TaskInstanceState.SCHEDULED, TaskInstanceState.QUEUED]),
            TaskInstance.next_method == RESUME_METHOD,
        )
    )
    return [(job, str(state), pool) for job, state, pool in rows]
