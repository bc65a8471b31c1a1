# SPDX-License-Identifier: Apache-2.0
"""A real Airflow API server with the demo's DAGs, runs and queues, in the middle of a busy night.

The jobs stand in the store as an arbiter leaves them, and none runs beside them: nothing moves while a page
is looked at, and a test says what a person changed by what differs afterwards.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import Demand, PodSet
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.request import demand_to_json
from airflow_priority_spark.store import jobs as store
from airflow_priority_spark.store.deferrals import RESUME_METHOD
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import CapacitySnapshot, Job, Queue
from airflow_priority_spark.store.snapshots import save_snapshot, save_summary
from demo.site import AirflowSite
from tests.store.rows import CLUSTER, make_job, make_queue

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("viewer", "user", "op", "admin")
PASSWORD = "a password of the tests"
RUN = "night"
DAGS = ("nightly_reports", "morning_dashboard", "word_count", "too_big")

GIB = 2**30
#: Of each team: quota key → limit and what pods use, in base units.
QUOTAS = {
    "team-a": {"requests.cpu": (4000, 3000), "requests.memory": (8 * GIB, 2.625 * GIB), "pods": (10, 3)},
    "team-b": {"requests.cpu": (8000, 4000), "requests.memory": (5.75 * GIB, 3.5 * GIB), "pods": (10, 4)},
}
#: What a waiting head lacks: resource, needed, free, whose limit, in words.
CPU = ("cpu", 3000, 1000, "quota team-a", "cpu: needs 3 CPU, 1 CPU free of quota team-a")
MEMORY = (
    "memory",
    1.75 * GIB,
    GIB // 2,
    "quota team-b",
    "memory: needs 1.75 GiB, 512 MiB free of quota team-b",
)
#: Who waits: DAG, task, namespace, pool, executors, minutes since it came, what it lacks.
WAITING = [
    ("nightly_reports", "a_sales_by_kind", "team-a", "normal", 2, 47, CPU),
    ("nightly_reports", "a_words_of_the_sea", "team-a", "normal", 1, 46, None),
    ("nightly_reports", "a_pi_small", "team-a", "normal", 1, 45, None),
    ("nightly_reports", "b_backfill", "team-b", "normal", 1, 44, MEMORY),
    ("nightly_reports", "b_archive", "team-b", "normal", 1, 43, None),
    ("morning_dashboard", "a_risk", "team-a", "high", 2, 41, CPU),
    ("morning_dashboard", "a_sales_by_harbour", "team-a", "high", 1, 40, None),
    ("morning_dashboard", "b_stock", "team-b", "high", 1, 12, MEMORY),
    ("word_count", "count_words", "team-a", "high", 1, 9, None),
]
#: Who was admitted: DAG, task, namespace, pool, executors, minutes since it came.
ADMITTED = [
    ("nightly_reports", "a_archive", "team-a", "normal", 2, 48),
    ("nightly_reports", "b_sales_by_day", "team-b", "normal", 1, 48),
    ("nightly_reports", "b_words", "team-b", "normal", 1, 47),
]

#: What an arbiter writes of a job that was admitted and that Airflow has not started.
WAITS_IN_AIRFLOW = (
    "admitted, but no worker runs it: it waits for a slot of the executor (LocalExecutor, parallelism 4)"
)
#: How many tasks of one mapped task wait, and where they are seen.
MAPPED = 6
MAPPED_TASK = ("word_count", "count_parts")


class Night:
    """The site and who looks at it.

    :param airflow: the running site.
    :param now: when the tests began; the picture's instants are counted from here.
    """

    def __init__(self, airflow: AirflowSite, now: datetime.datetime) -> None:
        self.airflow, self.now = airflow, now
        self.url = airflow.api.base_url
        self.ids: dict[str, str] = {}

    def ago(self, minutes: float) -> datetime.datetime:
        return self.now - datetime.timedelta(minutes=minutes)

    def token(self, role: str) -> str:
        """Sign in as a program does."""
        answer = httpx.post(
            f"{self.url}/auth/token", json={"username": role, "password": PASSWORD}, timeout=30
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["access_token"]

    def ask(self, role: str, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send a request to the site as somebody."""
        headers = {"Authorization": f"Bearer {self.token(role)}"}
        return httpx.request(method, self.url + path, json=body, headers=headers, timeout=30)

    def write(self, change: Callable[[Session], Any]) -> Any:
        with self.airflow.database() as session, session.begin():
            return change(session)

    def job(self, task_id: str) -> Job:
        """Read a job from the database."""
        with self.airflow.database() as session:
            return session.get_one(Job, self.ids[task_id])

    def lead(self, *, seconds: float = 3600, stale: str = "") -> None:
        """Let an arbiter lead, for so long, that took its picture of the cluster just now.

        :param stale: why the picture is not to be trusted.
        """
        now = datetime.datetime.now(datetime.UTC)
        leadership = Leadership(self.airflow.database, "scheduler-0/41", lambda: now, seconds)
        assert leadership.acquire()
        self.write(lambda session: save_summary(session, {"unresolved": {}}, now))
        told = {"fresh": not stale, "stale_reason": stale}
        self.write(lambda session: save_snapshot(session, CLUSTER, {**_picture(), **told}, now))


def airflow_site(directory: Path, database_url: str | None = None) -> AirflowSite:
    """Return a site with a user of every role, named like it."""
    passwords = directory / "passwords.json"
    passwords.write_text(json.dumps(dict.fromkeys(ROLES, PASSWORD)))
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n")
    return AirflowSite(
        directory / "airflow",
        dags=ROOT / "dags",
        kubeconfig=kubeconfig,
        database_url=database_url,
        config={
            "core.simple_auth_manager_all_admins": "False",
            "core.simple_auth_manager_users": ",".join(f"{role}:{role}" for role in ROLES),
            "core.simple_auth_manager_passwords_file": str(passwords),
        },
    )


def fill(night: Night) -> None:
    """Start the runs through Airflow's own API, and put their jobs where an arbiter has them."""
    for dag_id in DAGS:
        body = {"dag_run_id": RUN, "logical_date": None}
        answer = night.ask("admin", "POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
        assert answer.status_code == 200, answer.text
    # A picture is one of a cluster that is known.
    night.write(lambda session: make_queue(session, "team-a"))
    night.lead()
    night.write(lambda session: _jobs(session, night))
    night.write(lambda session: _past(session, night))
    night.lead()


def _jobs(session: Session, night: Night) -> None:
    session.execute(update(DagRun).values(state="running", start_date=night.ago(50)))
    for dag_id, task_id, namespace, pool, executors, minutes, lacks in WAITING:
        job = _job(session, night, dag_id, task_id, namespace, pool, executors, minutes)
        if lacks:
            resource, needed, free, holder, sentence = lacks
            job.verdict = {"resource": resource, "needed": int(needed), "free": int(free)}
            job.verdict |= {"holder": holder, "detail": "", "sentence": sentence}
            job.blocking_resource, job.blocked_since = resource, night.ago(minutes - 1)
    for dag_id, task_id, namespace, pool, executors, minutes in ADMITTED:
        job = _job(session, night, dag_id, task_id, namespace, pool, executors, minutes)
        _admit(session, night, job, minutes)
    _admit_only(session, night)
    for number in range(MAPPED):
        dag_id, task_id = MAPPED_TASK
        make_job(
            session, make_queue(session, "team-b"), enqueued_at=night.ago(6), dag_id=dag_id, run_id=RUN,
            task_id=task_id, map_index=number, user="admin",
        )  # fmt: skip
    refused = _job(session, night, "too_big", "forty_executors", "team-b", "high", 40, 30)
    why = "pods: needs 41, quota team-b has 10 in all; no state of the namespace could satisfy it"
    store.move(session, refused, JobState.FAILED, why, "arbiter", night.ago(30))


def _job(
    session: Session,
    night: Night,
    dag_id: str,
    task_id: str,
    namespace: str,
    pool: str,
    executors: int,
    minutes: int,
) -> Job:
    task = session.scalars(
        select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.task_id == task_id)
    ).one()
    task.state, task.try_number, task.start_date = "deferred", 1, night.ago(minutes)
    one = Resources.parse({"cpu": "1", "memory": "896Mi"})
    demand = Demand((PodSet("driver", 1, one), PodSet("executor", executors, one)))
    columns = {
        "dag_id": dag_id,
        "run_id": RUN,
        "task_id": task_id,
        "ti_id": task.id,
        "pool": pool,
        "user": "admin",
    }
    columns["demand"] = demand_to_json(demand)
    job = make_job(session, make_queue(session, namespace), enqueued_at=night.ago(minutes), **columns)
    night.ids[task_id] = job.id
    return job


def _admit(session: Session, night: Night, job: Job, minutes: float) -> None:
    """Admit a job, submit its application and let its driver run."""
    job.application_name = f"{job.dag_id}-{job.task_id}-1".replace("_", "-")
    job.application_state, job.admission = "RUNNING", 1
    for state, later, why in (
        (JobState.ADMITTED, 2, "fits: 3 pods, 3 CPU, 2.62 GiB"),
        (JobState.SUBMITTED, 2.5, f"application {job.application_name} exists"),
        (JobState.RUNNING, 3, f"the driver of {job.application_name} runs"),
    ):
        store.move(session, job, state, why, "arbiter", night.ago(minutes - later))
    until = night.now + datetime.timedelta(hours=1)
    store.give_grant(session, job, unchecked=False, now=night.ago(minutes - 2), valid_until=until)


def _admit_only(session: Session, night: Night) -> None:
    """Admit a job that Airflow does not start: its executor has no slot."""
    job = _job(session, night, "morning_dashboard", "b_sales_by_product", "team-b", "high", 1, 20)
    store.move(session, job, JobState.ADMITTED, WAITS_IN_AIRFLOW, "arbiter", night.ago(3))
    until = night.now + datetime.timedelta(hours=1)
    store.give_grant(session, job, unchecked=False, now=night.ago(3), valid_until=until)
    task = session.get_one(TaskInstance, job.ti_id)
    task.state, task.next_method = "queued", RESUME_METHOD


def _past(session: Session, night: Night) -> None:
    """Pictures of the last two hours, and the runs of the evening that have ended."""
    queues = {row.namespace: row for row in session.scalars(select(Queue))}
    for minutes in range(120, 0, -1):
        waits = {"team-a": {"cpu": 5}, "team-b": {"memory": 3}} if minutes < 45 else {}
        busy = (120 - minutes) / 120
        data = {**_picture(busy), "waiting_for": waits}
        at = night.ago(minutes)
        session.add(CapacitySnapshot(cluster_id=CLUSTER, taken_at=at, first_at=at, data=data))
    for number in range(12):
        namespace, minutes = ("team-a", "team-b")[number % 2], 118 - 6 * number
        job = make_job(
            session, queues[namespace], dag_id="nightly_reports", run_id="evening", task_id=f"hour_{number}",
            enqueued_at=night.ago(minutes), user="admin", pool=("normal", "high")[number % 3 == 0],
        )  # fmt: skip
        _admit(session, night, job, minutes)
        end = JobState.FAILED if number == 5 else JobState.SUCCEEDED
        why = "the driver failed with exit code 1" if number == 5 else "the application completed"
        store.move(session, job, end, why, "arbiter", night.ago(minutes - 5))
        store.release_grants(session, [job.id])


def _picture(busy: float = 1.0) -> dict[str, Any]:
    quotas = [
        {
            "namespace": namespace,
            "name": namespace,
            "hard": {key: int(hard) for key, (hard, _) in keys.items()},
            "used": {key: int(used * busy) for key, (_, used) in keys.items()},
        }
        for namespace, keys in QUOTAS.items()
    ]
    own = {
        namespace: {name.removeprefix("requests."): int(used * busy) for name, (_, used) in keys.items()}
        for namespace, keys in QUOTAS.items()
    }
    nodes = {
        "count": 3,
        "ready": 3,
        "allocatable": {"cpu": 24000, "memory": 48 * GIB},
        "requested": {"cpu": 7000, "memory": int(6.125 * GIB)},
    }
    told = {"fresh": True, "stale_reason": "", "mode": "quota", "fixed_nodes": True}
    return {**told, "quotas": quotas, "own": own, "nodes": nodes}
