# SPDX-License-Identifier: Apache-2.0
"""What must hold after every step, whoever died in it, and what must hold at the end."""

from __future__ import annotations

from collections import Counter, defaultdict

from airflow.models.dag import DagModel
from airflow.utils.state import TaskInstanceState as State
from sqlalchemy import select

from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, is_terminal
from airflow_priority_spark.store.deferrals import RESUME_METHOD
from airflow_priority_spark.store.models import Delivery, Event, Grant, Job, Queue
from tests.crash.airflow import DONE


class Broken(AssertionError):
    """An invariant does not hold."""


class Picture:
    """The tables as they are now, and what is wrong with them."""

    def __init__(self, site) -> None:
        self.site = site
        with site.database.session() as session:
            self.jobs = {job.id: job for job in session.scalars(select(Job))}
            self.grants = {grant.job_id: grant for grant in session.scalars(select(Grant))}
            self.deliveries = set(session.scalars(select(Delivery.job_id)))
            self.queues = {queue.id: queue.namespace for queue in session.scalars(select(Queue))}
            columns = (Event.id, Event.job_id, Event.from_state, Event.to_state, Event.reason)
            new = select(*columns).where(Event.id > site.seen_events).order_by(Event.id)
            self.events = session.execute(new).all()
            self.paused = set(session.scalars(select(DagModel.dag_id).where(DagModel.is_paused)))
        self.tasks = site.airflow.tasks()

    def check(self) -> None:
        """Check everything that must always hold.

        :raises Broken: with every sentence that is not true.
        """
        wrong = [
            *self._ends(),
            *self._grants(),
            *self._wake_ups(),
            *self._applications(),
            *self._order(),
            *self._commitment(),
        ]
        if wrong:
            raise Broken("\n".join(wrong))

    def _ends(self):
        ends = self.site.ends
        ends.update(
            event.job_id
            for event in self.events
            if is_terminal(event.to_state) and event.from_state != event.to_state
        )
        for job in self.jobs.values():
            if ends[job.id] != (1 if is_terminal(job.state) else 0):
                yield f"{_name(job)} is {job.state} and has ended {ends[job.id]} times"

    def _grants(self):
        for job_id in self.grants.keys() | self.deliveries:
            if job_id not in self.jobs:
                yield f"something is kept for {job_id}, which is no job"
        for job_id, grant in self.grants.items():
            job = self.jobs.get(job_id)
            if job is not None and job.state in WAITING and not job.adopt:
                yield f"{_name(job)} waits and has a grant (of admission {grant.admission})"
        for job in self.jobs.values():
            grant = self.grants.get(job.id)
            if job.state in ACTIVE and (grant is None or grant.admission != job.admission):
                yield f"{_name(job)} is {job.state}, admission {job.admission}, and has no grant for it"

    def _wake_ups(self):
        by_attempt = {job.ti_id: job for job in self.jobs.values()}
        for task in self.tasks:
            waits = task.state == State.DEFERRED and task.next_method == RESUME_METHOD
            if not waits or task.trigger_id is not None:
                continue
            job = by_attempt.get(task.id)
            if job is None:
                yield f"task {task.task_id} is parked and has no job"
            elif job.state not in WAITING and job.id not in self.deliveries:
                yield f"task {task.task_id} is parked, its job is {job.state}, and nothing is to be told"

    def _applications(self):
        cluster = self.site.cluster
        yield from (
            f"task {task} has {count} applications" for task, count in cluster.living().items() if count > 1
        )
        names = Counter(app.view.name for app in cluster.made)
        yield from (f"{name} was created {count} times" for name, count in names.items() if count > 1)
        for (_, job_id, admission), count in self.site.airflow.woken.items():
            if count > 1:
                yield f"admission {admission} of job {job_id} woke its task {count} times"

    def _new_admissions(self):
        for event in self.events:
            admitted = event.to_state == "admitted" and event.from_state == "queued"
            if admitted and event.job_id in self.jobs:
                job = self.jobs[event.job_id]
                if job.flow == "priority" and "takes up the application" not in event.reason:
                    yield job

    def _order(self):
        lines = defaultdict(list)
        for job in self.jobs.values():
            passed = job.ineligible or job.adopt or job.dag_id in self.paused
            if job.state == "queued" and not passed:
                lines[job.queue_id, job.pool].append(job)
        for job in self._new_admissions():
            for other in lines[job.queue_id, job.pool]:
                if _place(other) < _place(job):
                    yield f"{_name(job)} was admitted before {_name(other)}, which stands before it"

    def _commitment(self):
        cluster = self.site.cluster
        yield from (f"the quota of {text}: though we had promised it" for text in cluster.unexplained)
        for namespace in {self.queues[job.queue_id] for job in self._new_admissions()} - cluster.unbounded:
            held = self._held(namespace) + cluster.foreign[namespace]
            hard = cluster.quotas[namespace]
            if held > hard:
                yield f"{held} CPU of {namespace} are promised or used, its quota has {hard}"

    def _held(self, namespace: str) -> int:
        """Count the CPUs that jobs use or may still use."""
        pods = Counter(
            (pod.job_id, pod.pod_set)
            for pod in self.site.cluster.pods
            if pod.namespace == namespace and pod.counts_quota
        )
        promised = {
            (grant.job_id, pods["name"]): pods["count"]
            for grant in self.grants.values()
            if self.queues[grant.queue_id] == namespace
            for pods in grant.demand["pod_sets"]
        }
        return sum(max(promised.get(key, 0), pods[key]) for key in promised.keys() | pods.keys())

    def check_end(self) -> None:
        """Check what must hold when nothing is left to do.

        :raises Broken: with every sentence that is not true.
        """
        wrong = [f"task {task.task_id} is {task.state}" for task in self.tasks if task.state not in DONE]
        wrong += [f"{_name(job)} is {job.state}" for job in self.jobs.values() if job.ended_at is None]
        wrong += [f"{_name(self.jobs[job_id])} has a grant" for job_id in self.grants]
        wrong += [f"{_name(self.jobs[job_id])} is to be told something" for job_id in self.deliveries]
        wrong += [
            f"application {app.view.name} works on"
            for app in self.site.cluster.apps.values()
            if not app.view.terminal
        ]
        wrong += [f"placeholder {pod.name} is left" for pod in self.site.cluster.pods if pod.placeholder]
        for task in self.tasks:
            succeeded = [
                job for job in self.jobs.values() if job.ti_id == task.id and job.state == "succeeded"
            ]
            by_itself = task.task_id not in self.site.marked and task.state == State.SUCCESS
            if by_itself and len(succeeded) != 1:
                wrong.append(f"task {task.task_id} succeeded, and {len(succeeded)} of its jobs")
        if wrong:
            raise Broken("at the end:\n" + "\n".join(wrong))


def _name(job: Job) -> str:
    return f"job {job.id[:8]} of {job.task_id}"


def _place(job: Job):
    return job.position_at, job.position_id
