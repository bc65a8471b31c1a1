# SPDX-License-Identifier: Apache-2.0
"""A small world for the arbiter's tests: the real loop on a real database, a clock that obeys, and a
cluster that is whatever the test says.

Only the network is stood in for: ``Cluster`` answers like a ``ClusterObserver`` whose watches are in
step. Everything that reads or writes tables, Airflow's included, is the real thing.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from uuid import uuid4

from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import delete, event, select, update
from uuid6 import uuid7

from airflow_priority_spark.arbiter.loop import ArbiterLoop
from airflow_priority_spark.cluster.applications import ApplicationView
from airflow_priority_spark.scheduling.model import ClusterView, NodeView, PodView, QuotaView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.identity import application_name, job_labels
from airflow_priority_spark.store.jobs import task_key
from airflow_priority_spark.store.models import Event, Grant, Job
from tests import builders

CLUSTER = "0f2b1c7e-cluster"


class Cluster:
    """One cluster as its watches would show it."""

    def __init__(self) -> None:
        self.quotas: dict[str, dict[str, str]] = {"team-a": {"requests.cpu": "6"}}
        #: What each quota's own report says is used.
        self.used: dict[str, dict[str, str]] = {}
        self.nodes = {"node-1": {"cpu": "100", "memory": "400Gi", "pods": "500"}}
        self.pods: list[PodView] = []
        self.apps: list[ApplicationView] = []
        self.fresh = True

    def follow(self, namespaces):
        pass

    def stop(self):
        pass

    def view(self, now, *, mode="auto", fixed_nodes=None):
        return ClusterView(
            cluster_id=CLUSTER,
            nodes=tuple(NodeView(name, Resources.parse(size)) for name, size in self.nodes.items()),
            pods=tuple(self.pods),
            quotas=tuple(
                QuotaView(
                    ns,
                    "quota",
                    Resources.parse(hard),
                    Resources.parse(self.used.get(ns, {})),
                    frozenset(hard),
                )
                for ns, hard in self.quotas.items()
            ),
            namespaces=frozenset({*self.quotas, "default"}),
            fresh=self.fresh,
            stale_reason="" if self.fresh else "watches are out of step",
        )

    def counters(self):
        return {}

    def applications(self, instance_id=None):
        return [app for app in self.apps if app.instance_id == instance_id]


class Clusters:
    """Every connection leads to the one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.observers = {CLUSTER: cluster}
        self.connections: dict[str, object] = {}
        self.failures: dict[str, Exception] = {}
        self.reachable = True

    def find(self, ref):
        return CLUSTER if self.reachable else None

    def refresh(self):
        pass

    def stop(self):
        pass


class World:
    """The loop, the cluster, the clock, and what people do in Airflow."""

    def __init__(self, database, **settings) -> None:
        self.database = database
        self.now = builders.NOW
        self.cluster = Cluster()
        self.loop = self.arbiter(**settings)

    def arbiter(self, holder: str = "arbiter-1", **settings) -> ArbiterLoop:
        """Return an arbiter of its own on the same database and cluster."""
        options = {"reconcile_interval_seconds": 0.0, "settle_seconds": 0.0, **settings}
        loop = ArbiterLoop(
            replace(Settings(), **options), self.database.session, holder=holder, clock=lambda: self.now
        )
        loop.clusters = Clusters(self.cluster)
        loop.work_with(replace(loop.context, clusters=loop.clusters))
        return loop

    def cycle(self, times: int = 1, *, seconds: float = 1.0):
        """Run cycles, a second apart."""
        for _ in range(times):
            self.now += datetime.timedelta(seconds=seconds)
            if not self.loop.leadership.leads:
                assert self.loop._lead()
            applied = self.loop.cycle()
        return applied

    def defer(self, task_id: str, **fields) -> TaskInstance:
        """Let a task defer to the queue, a second after the one before."""
        self.now += datetime.timedelta(seconds=1)
        request = fields.pop("request", None)
        task = {key: fields.pop(key) for key in ("dag_id", "run_id", "map_index", "user") if key in fields}
        with self.database.session() as session, session.begin():
            made = builders.make_deferred_task(
                session,
                task_id=task_id,
                request=request or builders.make_request(**fields),
                enqueued_at=self.now,
                **task,
            )
        return made

    def job(self, task_id: str, *, last: bool = True) -> Job:
        """Return the newest job of a task."""
        found = self.jobs(task_id)
        return found[-1] if last else found[0]

    def jobs(self, task_id: str) -> list[Job]:
        with self.database.session() as session:
            rows = session.scalars(select(Job).where(Job.task_id == task_id).order_by(Job.queued_at, Job.id))
            return list(rows)

    def task(self, task_id: str) -> TaskInstance:
        with self.database.session() as session:
            return session.scalars(select(TaskInstance).where(TaskInstance.task_id == task_id)).one()

    def grants(self) -> dict[str, Grant]:
        with self.database.session() as session:
            return {row.job_id: row for row in session.scalars(select(Grant))}

    def reasons(self, job: Job) -> list[str]:
        with self.database.session() as session:
            rows = session.scalars(select(Event).where(Event.job_id == job.id).order_by(Event.id))
            return [f"{row.to_state}: {row.reason}" for row in rows]

    def admitted(self) -> list[str]:
        """Return the tasks of admitted jobs, in order of admission."""
        with self.database.session() as session:
            rows = session.execute(
                select(Job.task_id)
                .join(Event, Event.job_id == Job.id)
                .where(Event.to_state == "admitted", Event.from_state == "queued")
                .order_by(Event.id)
            )
            return [row[0] for row in rows]

    # What the worker and the operator in the cluster would do.

    def start(self, task_id: str, *, state: str = "RUNNING") -> ApplicationView:
        """Let the worker create the application of an admitted job, with its pods."""
        job = self.job(task_id)
        key = task_key(job)
        app = ApplicationView(
            namespace="team-a",
            name=application_name(key, job.id, job.admission),
            uid=str(uuid4()),
            state=state,
            labels=job_labels(self.loop.context.instance_id, key, job.id, job.admission),
        )
        self.cluster.apps.append(app)
        for pods in job.demand["pod_sets"]:
            for index in range(pods["count"]):
                self.cluster.pods.append(
                    PodView(
                        namespace="team-a",
                        name=f"{app.name}-{pods['name']}-{index}",
                        node="node-1",
                        requests=Resources(pods["requests"]),
                        job_id=job.id,
                        pod_set=pods["name"],
                    )
                )
        self.set_task(task_id, TaskInstanceState.DEFERRED, next_method="resume_finished")
        return app

    def end(self, task_id: str, *, task_state: TaskInstanceState = TaskInstanceState.SUCCESS) -> None:
        """Let the application end, its pods go and the task finish."""
        self.vanish(task_id)
        self.set_task(task_id, task_state)

    def vanish(self, task_id: str) -> None:
        """Let a task's application and pods be gone."""
        ids = {job.id for job in self.jobs(task_id)}
        self.cluster.pods = [pod for pod in self.cluster.pods if pod.job_id not in ids]
        self.cluster.apps = [app for app in self.cluster.apps if app.labels["priority-spark/job"] not in ids]

    def set_task(self, task_id: str, state: TaskInstanceState | None, **columns) -> None:
        with self.database.session() as session, session.begin():
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.task_id == task_id)
                .values(state=state, trigger_id=None, **columns)
            )

    def replace_task(self, task_id: str, state: TaskInstanceState | None = None, **columns) -> None:
        """Give the task instance a new id, as Airflow does for every new attempt."""
        self.set_task(task_id, state, id=uuid7(), next_method=None, next_kwargs=None, **columns)

    def defer_again(self, task_id: str, request) -> None:
        """Let the task that Airflow has started defer once more."""
        import json

        with self.database.session() as session, session.begin():
            trigger = builders.make_trigger(
                session, json.dumps({"request": request.to_json()}), created=self.now
            )
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.task_id == task_id)
                .values(
                    state="deferred", trigger_id=trigger.id, next_method="resume_admitted", next_kwargs={}
                )
            )

    def clear(self, task_id: str) -> None:
        """Clear a task as a person does: new id, no state, and the run counts it."""
        from airflow.models.dagrun import DagRun

        self.replace_task(task_id)
        with self.database.session() as session, session.begin():
            session.execute(update(DagRun).values(clear_number=DagRun.clear_number + 1))

    def log_end(self, task_id: str, what: str) -> None:
        """Write the audit row that Airflow writes when an attempt ends by itself."""
        from airflow.models.log import Log

        task = self.task(task_id)
        with self.database.session() as session, session.begin():
            session.add(
                Log(
                    event=what,
                    dag_id=task.dag_id,
                    task_id=task.task_id,
                    run_id=task.run_id,
                    map_index=task.map_index,
                    try_number=task.try_number,
                )
            )

    def delete_task(self, task_id: str) -> None:
        with self.database.session() as session, session.begin():
            session.execute(delete(TaskInstance).where(TaskInstance.task_id == task_id))

    def statements(self, action) -> list[str]:
        """Run an action and return the SQL statements it sent."""
        seen: list[str] = []

        def note(conn, cursor, statement, parameters, context, executemany):
            seen.append(statement)

        engine = self.database.engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            action()
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return seen
