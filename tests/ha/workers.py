# SPDX-License-Identifier: Apache-2.0
"""Stand-in workers: what scheduler, workers and triggerer do to Airflow's tables and to the cluster.

Each task that the arbiter resumes gets its application in the cluster, with the labels a worker writes; when
the application has ended, the task has. Everything is done in passes that may fail at any line, because
database and cluster fail in these tests: the next pass goes on from what tables and cluster say.
"""

from __future__ import annotations

import threading
from collections import Counter

import urllib3
from kubernetes.client import ApiException
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from airflow_priority_spark.spark.identity import LABEL_JOB, TaskKey, application_name, job_labels
from airflow_priority_spark.spark.states import is_terminal
from tests import builders
from tests.cluster.applications import APPLICATIONS, GROUP, Kubernetes, spark_application

OUTAGES = (DBAPIError, ApiException, urllib3.exceptions.HTTPError, OSError)
#: Of each application: a driver and an executor of one CPU each.
DEMAND = builders.make_demand(executors=1)


class Workers:
    """Keeps a number of tasks waiting, and works on those that are resumed.

    :param database: of ``tests.airflow_database``.
    :param backlog: so many tasks wait at any time, until ``finish``.
    """

    def __init__(self, database, kubeconfig, namespace: str, *, backlog: int, runtime: str = "500ms") -> None:
        self.database, self.namespace = database, namespace
        self.kubernetes = Kubernetes(kubeconfig)
        self.backlog, self.runtime = backlog, runtime
        self.made = 0
        #: (job, admission) → how many tasks were resumed with it.
        self.resumed: Counter[tuple[str, int]] = Counter()
        self.refused: list[str] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Workers:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ending.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._ending.wait(0.1):
            for part in (self._enqueue, self._take_up, self._end):
                try:
                    part()
                except OUTAGES:
                    continue

    def _enqueue(self) -> None:
        from airflow.models.taskinstance import TaskInstance

        with self.database.session() as session, session.begin():
            waiting = session.scalar(
                select(func.count()).where(
                    TaskInstance.state == "deferred", TaskInstance.next_method == "resume_admitted"
                )
            )
            first = self.made
            for number in range(first, first + max(0, self.backlog - waiting)):
                from airflow_priority_spark.arbiter.loop import utcnow

                builders.make_deferred_task(
                    session,
                    task_id=f"task-{number}",
                    enqueued_at=utcnow(),
                    request=builders.make_request(
                        namespace=self.namespace,
                        priority="high" if number % 2 else "normal",
                        demand=DEMAND,
                    ),
                )
                self.made = number + 1

    def _take_up(self) -> None:
        from airflow.models.taskinstance import TaskInstance

        with self.database.session() as session:
            found = session.scalars(select(TaskInstance).where(TaskInstance.state == "scheduled")).all()
        for task in found:
            event = task.next_kwargs["event"]
            self._submit(task, event)
            with self.database.session() as session, session.begin():
                taken = session.execute(
                    update(TaskInstance)
                    .where(TaskInstance.id == task.id, TaskInstance.state == "scheduled")
                    .values(state="deferred", trigger_id=None, next_method="resume_finished")
                )
            self.resumed[event["job_id"], event["admission"]] += taken.rowcount

    def _submit(self, task, event) -> None:
        assert event["outcome"] == "admitted", event
        key = TaskKey(task.dag_id, task.run_id, task.task_id, task.map_index)
        name = application_name(key, event["job_id"], event["admission"])
        app = spark_application(name, executors=1, runtime=self.runtime)
        app["metadata"]["labels"] = job_labels(event["instance_id"], key, event["job_id"], event["admission"])
        try:
            self.kubernetes.submit(self.namespace, app)
        except ApiException as error:
            if error.status == 403:
                self.refused.append(str(error.body))
            if error.status != 409:
                raise

    def _end(self) -> None:
        """Let the tasks of ended applications succeed, and delete those."""
        from airflow.models.taskinstance import TaskInstance

        from airflow_priority_spark.store.models import Job

        listed = self.kubernetes.custom.list_namespaced_custom_object(*GROUP, self.namespace, APPLICATIONS)
        for app in listed["items"]:
            state = app.get("status", {}).get("applicationState", {}).get("state", "")
            if not is_terminal(state) or "deletionTimestamp" in app["metadata"]:
                continue
            assert state == "COMPLETED", app["status"]
            with self.database.session() as session, session.begin():
                ti_id = select(Job.ti_id).where(Job.id == app["metadata"]["labels"][LABEL_JOB])
                session.execute(
                    update(TaskInstance)
                    .where(TaskInstance.id == ti_id.scalar_subquery())
                    .values(state="success", trigger_id=None)
                    .execution_options(synchronize_session=False)
                )
            self.kubernetes.custom.delete_namespaced_custom_object(
                *GROUP, self.namespace, APPLICATIONS, app["metadata"]["name"]
            )
