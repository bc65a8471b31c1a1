# SPDX-License-Identifier: Apache-2.0
"""A real arbiter, in this process, against a real API server; tasks defer in a real Airflow database."""

from __future__ import annotations

import datetime
import time
from dataclasses import replace

import pytest
from kubernetes import client
from sqlalchemy import select

from airflow_priority_spark.arbiter.acting import By
from airflow_priority_spark.arbiter.job_actions import cancel_job
from airflow_priority_spark.arbiter.loop import ArbiterLoop
from airflow_priority_spark.scheduling.model import Demand, PodScope
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.identity import LABEL_JOB, LABEL_PLACEHOLDER_FOR
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.store.models import Job, Queue
from tests import builders
from tests.cluster.applications import Kubernetes

ROOM, CLASS = "airflow", "priority-spark-placeholder"


class Site:
    """The cluster, the database, and one arbiter at a time."""

    def __init__(self, database, kubeconfig) -> None:
        self.database, self.kubeconfig = database, kubeconfig
        self.kubernetes = Kubernetes(kubeconfig)
        self.loop: ArbiterLoop | None = None

    def prepare(self, *, value: int = -5) -> None:
        """Make the arbiter's namespace and the priority class of placeholders."""
        self.kubernetes.create_namespace(ROOM)
        self.make_class(CLASS, value)

    def arbiter(self, mode: str, **settings) -> ArbiterLoop:
        if self.loop is not None:
            self.loop.close()
        options = {"reconcile_interval_seconds": 0.5, "settle_seconds": 0.0, "placeholder_namespace": ROOM}
        self.loop = ArbiterLoop(
            replace(Settings(), capacity_mode=mode, **{**options, **settings}),
            self.database.session,
            holder=f"arbiter-{time.monotonic_ns()}",
        )
        return self.loop

    def cycle(self) -> None:
        if self.loop.leadership.leads or self.loop._lead():
            self.loop.cycle()

    def until(self, look, what: str, seconds: float = 60.0):
        """Run cycles until something is so."""
        end = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < end, f"not within {seconds:g} s: {what}; {self.said()}"
            self.cycle()
            time.sleep(0.05)
        return found

    def make_class(self, name: str, value: int) -> None:
        made = {"metadata": {"name": name}, "value": value}
        client.SchedulingV1Api(self.kubernetes.api).create_priority_class(made)

    def defer_with_class(self, task_id: str, name: str, **request) -> None:
        """Let a task defer whose pods name a priority class."""
        demand = builders.make_demand()
        scoped = tuple(replace(pods, scope=PodScope(priority_class=name)) for pods in demand.pod_sets)
        self._defer(task_id, replace(demand, pod_sets=scoped), **request)

    def wait(self, look, what: str, seconds: float) -> None:
        """Wait while somebody else works."""
        end = time.monotonic() + seconds
        while not look():
            assert time.monotonic() < end, f"not within {seconds:g} s: {what}; {self.said()}"
            time.sleep(0.2)

    def defer(self, task_id: str, **demand) -> None:
        self._defer(task_id, builders.make_demand(**demand))

    def _defer(self, task_id: str, demand: Demand, **request) -> None:
        request = builders.make_request(
            **request,
            demand=demand,
            connection=ConnectionRef(conn_id=None, config_file=str(self.kubeconfig)),
        )
        with self.database.session() as session, session.begin():
            builders.make_deferred_task(
                session, task_id=task_id, request=request, enqueued_at=datetime.datetime.now(datetime.UTC)
            )

    def cancel(self, task_id: str) -> None:
        """Let a person cancel a waiting job."""
        job = self.job(task_id)
        with self.database.session() as session, session.begin():
            cancel_job(session, job.id, By("alice", datetime.datetime.now(datetime.UTC)))

    def add_node(self, name: str, *, cpu: str) -> None:
        amounts = {"cpu": cpu, "memory": "32Gi", "pods": "110"}
        body = {"metadata": {"name": name}, "status": {"capacity": amounts, "allocatable": amounts}}
        self.kubernetes.core.create_node(body)
        ready = [{"type": "Ready", "status": "True"}]
        status = {"status": {"capacity": amounts, "allocatable": amounts, "conditions": ready}}
        self.kubernetes.core.patch_node_status(name, status)

    def job(self, task_id: str) -> Job | None:
        with self.database.session() as session:
            return session.scalars(select(Job).where(Job.task_id == task_id)).one_or_none()

    def state(self, task_id: str) -> str:
        job = self.job(task_id)
        return job.state if job else ""

    def sentence(self, task_id: str) -> str:
        job = self.job(task_id)
        return job.verdict["sentence"] if job and job.verdict else ""

    def said(self) -> dict[str, str]:
        with self.database.session() as session:
            return {job.task_id: f"{job.state} {job.verdict}" for job in session.scalars(select(Job))}

    def placeholders(self, task_id: str | None = None):
        """Return the placeholders of a job, of any namespace; of all jobs if none is named."""
        job = self.job(task_id) if task_id else None
        label = f"{LABEL_PLACEHOLDER_FOR}={job.id}" if job else LABEL_PLACEHOLDER_FOR
        return self.kubernetes.core.list_pod_for_all_namespaces(label_selector=label).items

    def start_pods(self, task_id: str) -> None:
        """Let the pods of an admitted job come, as Spark would make them."""
        job = self.job(task_id)
        for pods in job.demand["pod_sets"]:
            for index in range(pods["count"]):
                amounts = {"cpu": f"{pods['requests']['cpu']}m", "memory": str(pods["requests"]["memory"])}
                body = {
                    "metadata": {
                        "name": f"{task_id}-{pods['name']}-{index}",
                        "labels": {LABEL_JOB: job.id, "spark-role": pods["name"]},
                    },
                    "spec": {
                        "containers": [
                            {"name": "spark", "image": "spark", "resources": {"requests": amounts}}
                        ]
                    },
                }
                self.kubernetes.core.create_namespaced_pod(job_namespace(self, job), body)


def job_namespace(site: Site, job: Job) -> str:
    with site.database.session() as session:
        return session.get_one(Queue, job.queue_id).namespace


@pytest.fixture
def site(database, start_cluster):
    """Return a function that makes the site, on a cluster with these options."""
    made = []

    def make(**options) -> Site:
        made.append(Site(database, start_cluster(**options).kubeconfig))
        return made[-1]

    yield make
    for each in made:
        if each.loop is not None:
            each.loop.close()
