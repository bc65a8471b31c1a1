# SPDX-License-Identifier: Apache-2.0
"""A real arbiter on a real PostgreSQL with Airflow's tables; only the cluster is stood in for.

The arbiter's world is the one of its unit tests (``tests/unit/arbiter/world.py``), with the clock of
this machine. Rows of tasks are written in bulk by SQL: a hundred thousand of them in seconds.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from airflow_priority_spark.scheduling.model import ClusterView, Demand
from airflow_priority_spark.spark.request import AdmissionRequest, ConnectionRef
from tests import postgresql

DAG, RUN = "bench", "bench-1"


@dataclass(frozen=True)
class Site:
    """A migrated database that this process's Airflow points to."""

    url: str
    server: postgresql.Server
    durable: bool

    @property
    def engine(self):
        from airflow import settings

        return settings.get_engine()

    def session(self):
        """Open a session as Airflow opens them."""
        from airflow import settings

        return settings.NonScopedSession()

    @property
    def dsn(self) -> str:
        """What psycopg2 connects to."""
        return self.url.replace("+psycopg2", "")


@contextmanager
def site(*, durable: bool = True) -> Iterator[Site]:
    """Start PostgreSQL, migrate a database and point Airflow to it."""
    folder = postgresql.programs()
    if folder is None:
        sys.exit(f"the PostgreSQL server programs are missing: apt-get install {postgresql.PACKAGE}")
    logging.getLogger("airflow_priority_spark").setLevel(logging.WARNING)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        postgresql.started(folder, durable=durable) as server,
    ):
        server.run("CREATE DATABASE bench")
        url = server.url("bench")
        os.environ.update(AIRFLOW_HOME=home, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, check=True, capture_output=True, timeout=600)
        from airflow import settings

        settings.configure_vars()
        settings.reconfigure_orm()
        try:
            yield Site(url, server, durable)
        finally:
            settings.dispose_orm()


def empty(database: Site) -> None:
    """Remove every task, trigger, job, queue and cluster."""
    from sqlalchemy import text

    kept = "('priority_spark_instance', 'priority_spark_arbiter_state', 'priority_spark_alembic_version')"
    with database.session() as session, session.begin():
        ours = session.scalars(
            text(
                "SELECT tablename FROM pg_tables "
                f"WHERE tablename LIKE 'priority_spark_%' AND tablename NOT IN {kept}"
            )
        )
        session.execute(text(f"TRUNCATE task_instance, trigger, {', '.join(ours)} CASCADE"))


def world(database: Site, view: ClusterView, **settings: Any):
    """Return an arbiter that leads, and its world: the unit tests', with this machine's clock.

    Python's garbage collector is spared as in the arbiter's own process.

    :param view: what the arbiter sees of the cluster, until ``show``.
    """
    from airflow_priority_spark.arbiter.loop import utcnow
    from airflow_priority_spark.arbiter.process import spare_the_collector
    from tests.unit.arbiter import world as arbiter_world

    class _Cluster(arbiter_world.Cluster):
        def view(self, *_, **__):
            return self.shown

    class _World(arbiter_world.World):
        @property
        def now(self):
            return utcnow()

        @now.setter
        def now(self, value):
            """Time passes by itself."""

    made = _World(database, **{"settle_seconds": 0.0, "head_timeout_seconds": 0.0, **settings})
    stand_in = _Cluster()
    stand_in.shown = view
    made.cluster = stand_in
    for cluster_id in made.loop.clusters.observers:
        made.loop.clusters.observers[cluster_id] = stand_in
    assert made.loop._lead()
    spare_the_collector()
    return made


def cluster_view(**fields: Any) -> ClusterView:
    """Return the stand-in's picture; without nodes only quotas are checked."""
    from tests.unit.arbiter.world import CLUSTER

    return ClusterView(CLUSTER, mode="quota+nodes" if fields.get("nodes") else "quota", **fields)


def ensure_queues(database: Site, pools: Mapping[str, Mapping[str, int]]) -> None:
    """Make queues with their priority pools, as intake makes them.

    :param pools: namespace → pool → weight.
    """
    from airflow_priority_spark.scheduling.model import QueueKey
    from airflow_priority_spark.store.queues import ensure_queue, remember_cluster
    from tests.unit.arbiter.world import CLUSTER

    now = datetime.datetime.now(datetime.UTC)
    with database.session() as session, session.begin():
        remember_cluster(session, ConnectionRef().alias(), CLUSTER, "bench", now)
        for namespace, weights in pools.items():
            ensure_queue(session, QueueKey(CLUSTER, namespace), weights, now)


def request(namespace: str, pool: str, demand: Demand) -> str:
    """Return the trigger kwargs of a job."""
    asked = AdmissionRequest(namespace, pool, demand, ConnectionRef())
    return json.dumps({"request": asked.to_json()})


def make_tasks(database: Site, counts: Mapping[str, int], *, state: str = "running") -> None:
    """Write task instances in bulk.

    :param counts: task id → how many mapped instances of it.
    """
    from sqlalchemy import text

    from tests.builders import make_run, make_task

    with database.session() as session, session.begin():
        make_run(session, DAG, RUN)
        columns = _columns("task_instance", id="gen_random_uuid()", map_index="number")
        for task_id, count_of_task in counts.items():
            first = make_task(session, dag_id=DAG, run_id=RUN, task_id=task_id, map_index=0, state=state)
            session.execute(
                text(
                    "UPDATE task_instance SET next_method = 'resume_admitted', "
                    "next_kwargs = CAST('{}' AS json) WHERE id = :id"
                ),
                {"id": first.id},
            )
            session.execute(
                text(
                    f"INSERT INTO task_instance ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
                    "FROM task_instance, generate_series(1, :last) AS number WHERE id = :id"
                ),
                {"last": count_of_task - 1, "id": first.id},
            )


def defer_all(database: Site, kwargs: Mapping[str, str]) -> None:
    """Let every task instance defer to the queue at once, each with a trigger of its own.

    :param kwargs: task id → text of its trigger's kwargs.
    """
    from sqlalchemy import text

    with database.session() as session, session.begin():
        for task_id, asked in kwargs.items():
            session.execute(
                text(
                    """
                    WITH numbered AS (
                        SELECT id AS ti, row_number() OVER (ORDER BY map_index) AS number
                        FROM task_instance WHERE task_id = :task_id AND state = 'running'
                    ), made AS (
                        INSERT INTO trigger (classpath, kwargs, created_date)
                        SELECT :classpath, :kwargs, now() FROM numbered RETURNING id
                    ), paired AS (
                        SELECT id, row_number() OVER (ORDER BY id) AS number FROM made
                    )
                    UPDATE task_instance SET state = 'deferred', trigger_id = paired.id
                    FROM numbered JOIN paired USING (number) WHERE task_instance.id = numbered.ti
                    """
                ),
                {
                    "task_id": task_id,
                    "classpath": "airflow_priority_spark.triggers.admission.AdmissionTrigger",
                    "kwargs": asked,
                },
            )


def show(made: Any, view: ClusterView) -> None:
    """Let the arbiter of a world see another picture from now on."""
    made.cluster.shown = view


def count(database: Site, table: str, condition: str = "true") -> int:
    """Return how many rows of a table fulfil a condition."""
    from sqlalchemy import text

    with database.session() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table} WHERE {condition}")) or 0


def copy_waiting(database: Site, counts: Mapping[str, int]) -> None:
    """Let each waiting job stand at the head of copies of itself, each with a parked task of its own.

    :param counts: task id → how many there shall be.
    """
    from sqlalchemy import text

    with database.session() as session, session.begin():
        tasks = _columns("task_instance", id="gen_random_uuid()", map_index="number")
        jobs = _columns(
            "priority_spark_job",
            id="CAST(gen_random_uuid() AS varchar)",
            ti_id="task_instance.id",
            map_index="task_instance.map_index",
            position_id="position_id + 10000 * task_instance.map_index",
            # Only heads have a verdict.
            verdict="CAST(NULL AS json)",
            blocking_resource="CAST(NULL AS varchar)",
            blocked_since="CAST(NULL AS timestamptz)",
        )
        for task_id, wanted in counts.items():
            session.execute(
                text(
                    f"INSERT INTO task_instance ({', '.join(tasks)}) SELECT {', '.join(tasks.values())} "
                    "FROM task_instance, generate_series(1, :last) AS number WHERE task_id = :task_id"
                ),
                {"last": wanted - 1, "task_id": task_id},
            )
        session.execute(
            text(
                f"INSERT INTO priority_spark_job ({', '.join(jobs)}) SELECT {', '.join(jobs.values())} "
                "FROM priority_spark_job JOIN task_instance "
                "ON task_instance.task_id = priority_spark_job.task_id WHERE task_instance.map_index > 0"
            )
        )
        session.execute(text("ANALYZE"))


def _columns(table: str, **instead: str) -> dict[str, str]:
    """Return column → what a copy of a row has there."""
    from airflow.models.taskinstance import TaskInstance

    from airflow_priority_spark.store.models import Job

    model = {"task_instance": TaskInstance, "priority_spark_job": Job}[table]
    return {
        f'"{column.name}"': instead.get(column.name, f'{table}."{column.name}"')
        for column in model.__table__.columns
    }


def peak_megabytes() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
