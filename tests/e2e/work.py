# SPDX-License-Identifier: Apache-2.0
"""A DAG run as a test speaks of it: its jobs, its applications, its logs, and waiting for what must come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import select

from airflow_priority_spark.scheduling.jobs import JobState, is_terminal
from airflow_priority_spark.store.models import Event, Grant, Job
from demo.site import AirflowSite
from tests.e2e.applications import Application, Witness

STEP_SECONDS = 60.0


def until(condition, what, timeout: float = STEP_SECONDS):
    """Return the first true value of ``condition()``; fail with ``what()`` after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, f"after {timeout:g} s: {what()}"
        time.sleep(0.2)
    return found


@dataclass(frozen=True)
class Run:
    """One DAG run on a site and its cluster."""

    site: AirflowSite
    witness: Witness
    dag_id: str
    run_id: str

    @classmethod
    def start(cls, site: AirflowSite, witness: Witness, dag_id: str) -> Run:
        run = cls(site, witness, dag_id, f"test-{uuid4().hex[:8]}")
        site.wait_dags(dag_id)
        site.api.pause(dag_id, paused=False)
        site.api.trigger(dag_id, run.run_id)
        return run

    def ended(self, timeout: float = STEP_SECONDS) -> str:
        """Wait for the end of the run and return its state."""
        return self.site.api.wait_run(self.dag_id, self.run_id, timeout)

    def jobs(self, task_id: str | None = None) -> list[Job]:
        """Return the run's jobs, oldest first."""
        with self.site.database() as session:
            rows = session.scalars(
                select(Job)
                .where(Job.dag_id == self.dag_id, Job.run_id == self.run_id)
                .where((Job.task_id == task_id) if task_id else True)
                .order_by(Job.queued_at, Job.position_id)
            )
            return list(rows)

    def job(self) -> Job:
        """Return the only job of the run."""
        (job,) = self.jobs()
        return job

    def newest_job_is(self, state: JobState, timeout: float = STEP_SECONDS) -> Job:
        """Wait until the newest job has this state."""
        return until(
            lambda: next((job for job in self.jobs()[-1:] if job.state == state.value), None),
            lambda: f"not {state}: {self.describe()}",
            timeout,
        )

    def job_becomes(self, job_id: str, state: JobState, timeout: float = STEP_SECONDS) -> Job:
        """Wait until this job has this state."""
        return until(
            lambda: next((job for job in self.jobs() if (job.id, job.state) == (job_id, state.value)), None),
            lambda: f"job {job_id} is not {state}: {self.describe()}",
            timeout,
        )

    def all_jobs_end(self, timeout: float = STEP_SECONDS) -> list[Job]:
        """Wait until every job has ended."""
        until(
            lambda: self.jobs() and all(is_terminal(JobState(job.state)) for job in self.jobs()),
            lambda: f"jobs still open: {self.describe()}",
            timeout,
        )
        return self.jobs()

    def grants_end(self, timeout: float = STEP_SECONDS) -> None:
        """Wait until no grant of the run is left."""
        until(lambda: not self.grants(), lambda: f"grants left: {self.describe()}", timeout)

    def grants(self) -> list[Grant]:
        with self.site.database() as session:
            ids = select(Job.id).where(Job.dag_id == self.dag_id, Job.run_id == self.run_id)
            return list(session.scalars(select(Grant).where(Grant.job_id.in_(ids))))

    def events(self, job: Job) -> list[tuple[str, str]]:
        """Return (state, reason) of everything that happened to a job."""
        with self.site.database() as session:
            rows = session.scalars(select(Event).where(Event.job_id == job.id).order_by(Event.id))
            return [(row.to_state, row.reason) for row in rows]

    def admitted_tasks(self) -> list[str]:
        """Return the run's tasks in the order in which they were admitted."""
        with self.site.database() as session:
            rows = session.execute(
                select(Job.task_id)
                .join(Event, Event.job_id == Job.id)
                .where(Job.dag_id == self.dag_id, Job.run_id == self.run_id)
                .where(Event.from_state == "queued", Event.to_state == "admitted")
                .order_by(Event.id)
            )
            return [row[0] for row in rows]

    def applications(self) -> list[Application]:
        """Return every application that was ever seen of this run."""
        return self.witness.of(self.dag_id, self.run_id)

    def task(self, task_id: str = "spark") -> dict:
        """Return the task instance as the REST API shows it."""
        found = self.site.api.task_instances(self.dag_id, self.run_id)
        return next(ti for ti in found if ti["task_id"] == task_id)

    def log(self, *, attempt: int = 1, task_id: str = "spark") -> str:
        """Return what a person reads in the UI."""
        return self.site.api.task_log(self.dag_id, self.run_id, task_id, attempt=attempt)

    def mark(self, state: str, task_id: str = "spark") -> None:
        self.site.api.set_state(self.dag_id, self.run_id, task_id, state)

    def clear(self, task_id: str = "spark") -> None:
        self.site.api.clear(self.dag_id, self.run_id, [task_id])

    def describe(self) -> str:
        jobs = "; ".join(f"{job.task_id} {job.state} ({job.reason})" for job in self.jobs())
        tasks = {ti["task_id"]: ti["state"] for ti in self.site.api.task_instances(self.dag_id, self.run_id)}
        apps = [(app.name, app.states) for app in self.applications()]
        return f"jobs [{jobs}], tasks {tasks}, applications {apps}"
