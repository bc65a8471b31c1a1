# SPDX-License-Identifier: Apache-2.0
"""An admitted job that Airflow does not start says which of Airflow's limits it waits for, with numbers."""

from __future__ import annotations

import pytest
from airflow.jobs.job import Job as AirflowJob
from airflow.models.dag import DagModel
from airflow.models.pool import Pool as AirflowPool
from airflow.utils.state import TaskInstanceState
from sqlalchemy import update

from tests import builders


@pytest.fixture
def admitted(world):
    """A world with one admitted job, resumed and not yet queued by Airflow."""
    world.defer("first")
    world.cycle()
    assert world.task("first").state == TaskInstanceState.SCHEDULED
    return world


def change(world, table, **values) -> None:
    with world.database.session() as session, session.begin():
        session.execute(update(table).values(**values))


def occupy(world, count: int, **columns) -> None:
    """Let other tasks of the same run be active."""
    with world.database.session() as session, session.begin():
        for number in range(count):
            builders.make_task(session, task_id=f"other-{number}", **columns)


def reason(world) -> str:
    world.cycle(12)
    said = world.job("first").reason
    assert sum(said in line for line in world.reasons(world.job("first"))) == 1, "it is said once"
    return said


def test_of_its_airflow_pool(admitted):
    pool = admitted.task("first").pool
    with admitted.database.session() as session, session.begin():
        session.execute(update(AirflowPool).where(AirflowPool.pool == pool).values(slots=2))
    occupy(admitted, 2, pool=pool)
    assert reason(admitted) == (
        "admitted, but Airflow has not queued it: it waits for a slot of Airflow pool "
        "spark.kubernetes_default.team-a.normal: 2 of 2 are taken"
    )


def test_of_its_airflow_pool_that_is_gone(admitted):
    admitted.set_task("first", TaskInstanceState.SCHEDULED, pool="removed", next_method="resume_admitted")
    assert "it waits for Airflow pool removed, which does not exist" in reason(admitted)


def test_of_its_dag(admitted):
    change(admitted, DagModel, max_active_tasks=3)
    occupy(admitted, 3)
    assert "it waits for max_active_tasks of its DAG: 3 of 3 tasks of the run are active" in reason(admitted)


def test_of_its_dag_that_was_paused(admitted):
    change(admitted, DagModel, is_paused=True)
    assert "it waits for its DAG etl to be unpaused" in reason(admitted)


def test_of_parallelism_of_all_schedulers(admitted, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "2")
    with admitted.database.session() as session, session.begin():
        for _ in range(2):
            session.add(AirflowJob(job_type="SchedulerJob", state="running"))
    occupy(admitted, 4)
    assert "it waits for parallelism: 4 of 4 tasks are active" in reason(admitted)


def test_of_nothing_that_is_known(admitted):
    assert "it waits for Airflow's scheduler, though its pool, its DAG and parallelism have room" in reason(
        admitted
    )


@pytest.mark.parametrize(
    ("executor", "words"),
    [
        ("KubernetesExecutor", "it waits for its worker pod to start (KubernetesExecutor)"),
        ("CeleryExecutor", "it waits for a free slot of a worker (CeleryExecutor)"),
        ("LocalExecutor", "it waits for a slot of the executor (LocalExecutor, parallelism 32)"),
    ],
)
def test_of_the_executor(admitted, executor, words):
    admitted.set_task("first", TaskInstanceState.QUEUED, executor=executor, next_method="resume_admitted")
    assert f"admitted, but no worker runs it: {words}" in reason(admitted)


def test_a_task_that_runs_waits_for_nothing(admitted):
    admitted.set_task("first", TaskInstanceState.RUNNING, next_method="resume_admitted")
    admitted.cycle(12)
    assert admitted.job("first").reason == "admitted after 1 s (admission 1)"
