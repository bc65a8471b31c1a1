# SPDX-License-Identifier: Apache-2.0
"""Rows as Airflow writes them, for tests that need no running Airflow.

Each function adds what it needs and flushes; the test commits. DAGs and DAG runs that are named a
second time are reused, so a test names only what it is about.
"""

from __future__ import annotations

import datetime
import json

from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.team import Team
from airflow.models.trigger import Trigger
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunType
from sqlalchemy import insert, select
from sqlalchemy.orm import Session
from uuid6 import uuid7

from airflow_priority_spark.scheduling.model import Demand, PodSet
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.request import AdmissionRequest, ConnectionRef

NOW = datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.UTC)
ADMISSION_TRIGGER = "airflow_priority_spark.triggers.admission.AdmissionTrigger"
BUNDLE = "test-bundle"


def make_demand(
    *, cpu: str = "1", memory: str = "1Gi", executors: int = 2, executor_cpu: str = "1", **executor: object
) -> Demand:
    """Return a driver and its executors; ``executor`` holds further fields of the executors' pod set."""
    one = Resources.parse({"cpu": cpu, "memory": memory})
    each = Resources.parse({"cpu": executor_cpu, "memory": memory})
    return Demand((PodSet("driver", 1, one), PodSet("executor", executors, each, **executor)))


def make_request(
    *, namespace: str = "team-a", priority: str = "normal", demand: Demand | None = None, **fields: object
) -> AdmissionRequest:
    """Return what a task hands over when it defers."""
    return AdmissionRequest(
        namespace=namespace,
        priority=priority,
        demand=demand or make_demand(),
        connection=fields.pop("connection", ConnectionRef()),
        **fields,
    )


def make_dag(session: Session, dag_id: str = "etl", *, paused: bool = False) -> DagVersion:
    """Return the DAG's version, with its bundle and model."""
    version = session.scalar(select(DagVersion).where(DagVersion.dag_id == dag_id))
    if version is not None:
        return version
    if session.get(DagBundleModel, BUNDLE) is None:
        session.add(DagBundleModel(name=BUNDLE))
        session.flush()
    dag = DagModel(dag_id=dag_id, bundle_name=BUNDLE, is_paused=paused, is_stale=False)
    dag.fileloc, dag.relative_fileloc = f"/dags/{dag_id}.py", f"{dag_id}.py"
    dag.max_active_tasks, dag.max_active_runs = 16, 16
    session.add(dag)
    session.flush()
    version = DagVersion(dag_id=dag_id, version_number=1, bundle_name=BUNDLE)
    session.add(version)
    session.flush()
    return version


def make_run(
    session: Session, dag_id: str = "etl", run_id: str = "run-1", *, user: str | None = "alice"
) -> DagRun:
    """Return a running DAG run."""
    version = make_dag(session, dag_id)
    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if run is None:
        run = DagRun(
            dag_id=dag_id,
            run_id=run_id,
            run_type=DagRunType.MANUAL,
            state=DagRunState.RUNNING,
            run_after=NOW,
            start_date=NOW,
            triggering_user_name=user,
        )
        run.created_dag_version_id = version.id
        session.add(run)
        session.flush()
    return run


def make_task(
    session: Session,
    *,
    dag_id: str = "etl",
    task_id: str = "spark",
    run_id: str = "run-1",
    map_index: int = -1,
    state: TaskInstanceState | None = TaskInstanceState.RUNNING,
    user: str | None = "alice",
    **columns: object,
) -> TaskInstance:
    """Return a task instance of a running DAG run.

    :param columns: further columns of ``task_instance``, e.g. ``try_number`` or ``pool``.
    """
    run = make_run(session, dag_id, run_id, user=user)
    row = {
        "id": uuid7(),
        "dag_id": dag_id,
        "task_id": task_id,
        "run_id": run_id,
        "map_index": map_index,
        "state": state,
        "start_date": NOW,
        "try_number": 1,
        "max_tries": 0,
        "hostname": "worker",
        "unixname": "airflow",
        "pool": "default_pool",
        "pool_slots": 1,
        "queue": "default",
        "priority_weight": 1,
        "operator": "PrioritySparkKubernetesOperator",
        "executor_config": {},
        "dag_version_id": run.created_dag_version_id,
        **columns,
    }
    # Not through TaskInstance(...): its constructor wants the parsed operator.
    session.execute(insert(TaskInstance).values(**row))
    return session.get_one(TaskInstance, row["id"])


def make_trigger(
    session: Session, kwargs: str, *, classpath: str = ADMISSION_TRIGGER, created: datetime.datetime = NOW
) -> Trigger:
    """Return a trigger row whose kwargs are the plain JSON text that the Execution API stores."""
    trigger = Trigger(classpath=classpath, kwargs={}, created_date=created)
    trigger.encrypted_kwargs = kwargs
    session.add(trigger)
    session.flush()
    return trigger


def make_deferred_task(
    session: Session,
    *,
    request: AdmissionRequest | None = None,
    enqueued_at: datetime.datetime = NOW,
    team: str | None = None,
    kwargs: str | None = None,
    **task: object,
) -> TaskInstance:
    """Return a task that has deferred to the queue, as the Execution API leaves it.

    :param enqueued_at: creation time of the trigger, the job's place in its pool.
    :param kwargs: the stored text instead of a request, to store what is wrong.
    :param task: as for ``make_task``.
    """
    text = kwargs if kwargs is not None else json.dumps({"request": (request or make_request()).to_json()})
    trigger = make_trigger(session, text, created=enqueued_at)
    if team is not None and session.get(Team, team) is None:
        session.add(Team(name=team))
        session.flush()
    trigger.team_name = team
    return make_task(
        session,
        state=TaskInstanceState.DEFERRED,
        trigger_id=trigger.id,
        next_method="resume_admitted",
        next_kwargs={},
        **task,
    )
