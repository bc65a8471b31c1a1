# SPDX-License-Identifier: Apache-2.0
"""A small simulated world: decisions are applied, jobs run and end, quotas are edited, nodes are lost.

It is as strict as Kubernetes is: a pod beyond its quota or beyond every node is an error of the
decision, and raises. CPU is the only resource that differs (1, 2 or 4 cores per pod, 1 GiB each).
Pods are bound at once, best fit, those of lost nodes first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Decisions,
    Demand,
    Grant,
    NodeView,
    PodSet,
    PodView,
    QueuedJob,
    QueueView,
    QuotaView,
    Rules,
    Snapshot,
)
from airflow_priority_spark.scheduling.resources import Resources
from tests.property.scheduling.builders import carried


class OverCommitted(AssertionError):
    """A decision promised room that is not there."""


def cores(executors: int, size: int, driver: int = 1) -> Demand:
    """Return a demand of a driver and executors of so many cores each."""

    def pods(name, count, cpu):
        return PodSet(name, count, Resources({"cpu": cpu * 1000, "memory": 2**30}))

    return Demand((pods("driver", 1, driver), pods("executor", executors, size)))


@dataclass
class Running:
    job: QueuedJob
    ends: float
    pods: list[tuple[str, int]] = field(default_factory=list)
    """(pod set, index) that have no node yet."""


@dataclass
class World:
    queues: tuple[QueueView, ...]
    quotas: dict[str, dict[str, int]]
    nodes: dict[str, int] | None = None
    rules: Rules = field(default_factory=Rules)
    now: float = 0.0
    waiting: dict[str, QueuedJob] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    bound: dict[tuple[str, str, int], str] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    order: list[tuple[str, str]] = field(default_factory=list)
    impossible: set[str] = field(default_factory=set)
    timed_out: dict[str, float] = field(default_factory=dict)
    last: Decisions | None = None

    def submit(self, job: QueuedJob, duration: float) -> None:
        self.waiting[job.job_id] = job
        self.durations[job.job_id] = duration

    def lose_node(self, name: str) -> None:
        del self.nodes[name]
        for key in [key for key, node in self.bound.items() if node == name]:
            del self.bound[key]
            self.running[key[0]].pods.append(key[1:])

    def _cpu(self, job: QueuedJob, pod_set: str) -> int:
        return next(pods.requests["cpu"] for pods in job.demand.pod_sets if pods.name == pod_set)

    def _used_on(self, node: str) -> int:
        return sum(
            self._cpu(self.running[key[0]].job, key[1]) for key, where in self.bound.items() if where == node
        )

    def _pod_views(self) -> tuple[PodView, ...]:
        views = []
        for running in self.running.values():
            for pods in running.job.demand.pod_sets:
                for index in range(pods.count):
                    key = (running.job.job_id, pods.name, index)
                    if (pods.name, index) in running.pods:
                        continue  # gone with its node: only the grant still promises it
                    views.append(
                        PodView(
                            running.job.queue.namespace,
                            "-".join(map(str, key)),
                            self.bound.get(key),
                            pods.requests,
                            job_id=key[0],
                            pod_set=key[1],
                        )
                    )
        return tuple(views)

    def snapshot(self) -> Snapshot:
        quotas = tuple(
            QuotaView(namespace, namespace, Resources(hard), Resources(), frozenset(hard))
            for namespace, hard in self.quotas.items()
        )
        nodes = tuple(
            NodeView(name, Resources({"cpu": cpu, "memory": 2**40, "pods": 110}))
            for name, cpu in (self.nodes or {}).items()
        )
        mode = "quota" if self.nodes is None else "quota+nodes"
        cluster = ClusterView(self.queues[0].key.cluster_id, nodes, self._pod_views(), quotas, mode=mode)
        grants = tuple(
            Grant(job.job_id, job.queue, job.demand, job.pool, job.user, job.service)
            for job in (run.job for run in self.running.values())
        )
        return Snapshot((cluster,), self.queues, tuple(self.waiting.values()), grants, self.rules)

    def cycle(self) -> Decisions:
        """End what is over, decide, apply."""
        for job_id in [job_id for job_id, run in self.running.items() if run.ends <= self.now]:
            del self.running[job_id]
            self.bound = {key: node for key, node in self.bound.items() if key[0] != job_id}
        self._bind(new=set())
        decisions = self.last = decide(self.snapshot(), self.now)
        for job_id in decisions.impossible:
            del self.waiting[job_id]
            self.impossible.add(job_id)
        for admission in decisions.admissions:
            job = self.waiting.pop(admission.job_id)
            pods = [(pods.name, index) for pods in job.demand.pod_sets for index in range(pods.count)]
            self.running[job.job_id] = Running(job, self.now + self.durations[job.job_id], pods)
            self.started[job.job_id] = self.now
            self.order.append((admission.pool, job.job_id))
        self._check_quotas({admission.queue.namespace for admission in decisions.admissions})
        self._bind(new={admission.job_id for admission in decisions.admissions})
        self._time_out(decisions)
        self.queues = tuple(carried(queue, decisions) for queue in self.queues)
        return decisions

    def _time_out(self, decisions: Decisions) -> None:
        for timeout in decisions.timed_out:
            job = self.waiting.pop(timeout.job_id)
            if timeout.action == "retry":
                position = job.position if timeout.position == "keep" else (self.now, 0)
                again = replace(job, head_retries=job.head_retries + 1, position=position)
                self.waiting[job.job_id] = again
            else:
                self.timed_out[job.job_id] = self.now

    def _check_quotas(self, namespaces: set[str]) -> None:
        for namespace in namespaces & set(self.quotas):
            jobs = [run.job for run in self.running.values() if run.job.queue.namespace == namespace]
            used = sum(pods.count * pods.requests["cpu"] for job in jobs for pods in job.demand.pod_sets)
            if used > self.quotas[namespace]["cpu"]:
                raise OverCommitted(f"{namespace}: {used} of {self.quotas[namespace]}")

    def _bind(self, new: set[str]) -> None:
        """Bind pods, those of new jobs after those that were promised before."""
        if self.nodes is None:
            for run in self.running.values():
                run.pods.clear()
            return
        todo = sorted(
            (-self._cpu(run.job, pod[0]), run.job.job_id, pod)
            for run in self.running.values()
            for pod in run.pods
        )
        todo.sort(key=lambda item: item[1] in new)
        for size, job_id, pod in todo:
            holes = [
                (free, name)
                for name, cpu in self.nodes.items()
                if (free := cpu - self._used_on(name)) >= -size
            ]
            if holes:
                self.bound[(job_id, *pod)] = min(holes)[1]
                self.running[job_id].pods.remove(pod)
            elif job_id in new:
                raise OverCommitted(f"no node has {-size} for {job_id} {pod}")
