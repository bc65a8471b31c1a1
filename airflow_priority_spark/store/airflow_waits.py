# SPDX-License-Identifier: Apache-2.0
"""What of Airflow an admitted job waits for when no worker runs it.

A grant that Airflow does not use is capacity lying idle, and only a person can mend it; so the sentence
says which of Airflow's limits it is, with its numbers. They are checked in the order in which Airflow's
scheduler meets them (``airflow/jobs/scheduler_job_runner.py: _executable_task_instances_to_queued``).
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from airflow.configuration import conf
from airflow.jobs.job import Job as AirflowJob
from airflow.jobs.job import JobState as AirflowJobState
from airflow.models.dag import DagModel
from airflow.models.pool import Pool as AirflowPool
from airflow.models.taskinstance import TaskInstance
from airflow.ti_deps.dependencies_states import EXECUTION_STATES
from airflow.utils.state import TaskInstanceState
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.deferrals import RESUME_METHOD
from airflow_priority_spark.store.models import Job

#: At most so many jobs are explained at a time.
LIMIT: Final = 200


def waits_in_airflow(session: Session, admitted_before: datetime.datetime) -> dict[str, str]:
    """Return job id → what it waits for, of jobs that no worker runs, where that is news.

    At most five statements.

    :param admitted_before: Airflow needs a moment; only jobs admitted earlier are looked at.
    """
    rows = session.execute(
        select(
            Job.id,
            Job.reason,
            TaskInstance.state,
            TaskInstance.pool,
            TaskInstance.pool_slots,
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.executor,
            DagModel.is_paused,
            DagModel.max_active_tasks,
        )
        .join(TaskInstance, TaskInstance.id == Job.ti_id)
        .join(DagModel, DagModel.dag_id == TaskInstance.dag_id, isouter=True)
        .where(
            Job.state == JobState.ADMITTED.value,
            Job.admitted_at <= admitted_before,
            TaskInstance.state.in_([TaskInstanceState.SCHEDULED, TaskInstanceState.QUEUED]),
            # A task that is to go on elsewhere than after its admission has been on a worker since: its
            # application or pod has ended before anybody saw it.
            TaskInstance.next_method == RESUME_METHOD,
        )
        .order_by(Job.admitted_at, Job.id)
        .limit(LIMIT)
    ).all()
    if not rows:
        return {}
    load = _Load.read(session, {row.pool for row in rows}, {row.run_id for row in rows})
    said = {row.id: (_sentence(row, load), row.reason) for row in rows}
    return {job_id: sentence for job_id, (sentence, before) in said.items() if sentence != before}


@dataclass(frozen=True, slots=True)
class _Load:
    """How full Airflow is; counted are tasks that are queued or run, as its scheduler counts them.

    :param slots: Airflow pool → its slots, -1 for any number.
    :param taken: Airflow pool → slots taken.
    :param active: (DAG, run) → tasks.
    """

    slots: Mapping[str, int]
    taken: Mapping[str, int]
    active: Mapping[tuple[str, str], int]
    all_active: int
    parallelism: int

    @classmethod
    def read(cls, session: Session, pools: Collection[str], run_ids: Collection[str]) -> _Load:
        of_pools = select(AirflowPool.pool, AirflowPool.slots).where(AirflowPool.pool.in_(pools))
        per_pool = (
            select(TaskInstance.pool, func.sum(TaskInstance.pool_slots))
            .where(TaskInstance.state.in_(EXECUTION_STATES))
            .group_by(TaskInstance.pool)
        )
        per_run = (
            select(TaskInstance.dag_id, TaskInstance.run_id, func.count())
            .where(TaskInstance.state.in_(EXECUTION_STATES), TaskInstance.run_id.in_(run_ids))
            .group_by(TaskInstance.dag_id, TaskInstance.run_id)
        )
        schedulers = select(func.count()).where(
            AirflowJob.job_type == "SchedulerJob", AirflowJob.state == AirflowJobState.RUNNING
        )
        taken = {pool: int(count) for pool, count in session.execute(per_pool)}
        return cls(
            slots={row.pool: row.slots for row in session.execute(of_pools)},
            taken=taken,
            active={(dag_id, run_id): count for dag_id, run_id, count in session.execute(per_run)},
            all_active=sum(taken.values()),
            parallelism=conf.getint("core", "parallelism") * max(1, session.scalar(schedulers) or 0),
        )


def _sentence(row: Row[Any], load: _Load) -> str:
    if row.state == TaskInstanceState.QUEUED:
        return f"admitted, but no worker runs it: it waits for {_worker(row.executor)}"
    return f"admitted, but Airflow has not queued it: it waits for {_place(row, load)}"


def _worker(executor: str | None) -> str:
    name = (executor or conf.get("core", "executor").split(",")[0]).split(":")[-1].rsplit(".", 1)[-1]
    if "Kubernetes" in name:
        return f"its worker pod to start ({name})"
    if "Celery" in name:
        return f"a free slot of a worker ({name})"
    return f"a slot of the executor ({name}, parallelism {conf.getint('core', 'parallelism')})"


def _place(row: Row[Any], load: _Load) -> str:
    if row.is_paused:
        return f"its DAG {row.dag_id} to be unpaused"
    slots, taken = load.slots.get(row.pool), load.taken.get(row.pool, 0)
    if slots is None:
        return f"Airflow pool {row.pool}, which does not exist"
    if slots >= 0 and taken + row.pool_slots > slots:
        return f"a slot of Airflow pool {row.pool}: {taken} of {slots} are taken"
    active, most = load.active.get((row.dag_id, row.run_id), 0), row.max_active_tasks
    if most is not None and active >= most:
        return f"max_active_tasks of its DAG: {active} of {most} tasks of the run are active"
    if load.parallelism and load.all_active >= load.parallelism:
        return f"parallelism: {load.all_active} of {load.parallelism} tasks are active"
    return "Airflow's scheduler, though its pool, its DAG and parallelism have room"
