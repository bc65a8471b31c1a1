# SPDX-License-Identifier: Apache-2.0
"""Placeholders: made for jobs that could start, kept until the pods of these come, and never orphaned.

Nothing is remembered that the cluster does not show: which placeholders there are is read from the
picture, and which there ought to be follows from the candidates and grants of this cycle. So an arbiter
that takes over from one that was killed uses what it finds, and takes away what stands for nobody. That
is done in every cycle and in every mode: placeholders also go when the mode is switched off.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from airflow_priority_spark.arbiter.background import Background
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.placeholders import (
    Make,
    create_placeholder,
    delete_placeholder,
    placeholder_name,
)
from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.scheduling.model import (
    Blocked,
    ClusterView,
    Demand,
    Grant,
    PodSet,
    PodView,
    QueuedJob,
    Snapshot,
)
from airflow_priority_spark.spark.identity import LABEL_INSTANCE

log = logging.getLogger(__name__)

#: A call is not repeated for so many seconds: the watch needs a moment to show what came of it, and an API
#: server that refused it will not think better of it at once.
PATIENCE_SECONDS: Final = 5.0
OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_Pods = Sequence[PodView]


class _Call(NamedTuple):
    """One order: make or remove a placeholder of a job."""

    cluster_id: str
    job_id: str
    verb: str
    name: str


class Placeholders:
    """Makes, counts and removes placeholders.

    :param wake: called when an order has been carried out.
    :param own_namespace: file with the namespace of the arbiter's pod.
    """

    def __init__(
        self, context: Context, wake: Callable[[], None], own_namespace: Path = OWN_NAMESPACE
    ) -> None:
        self._context, self._own_namespace = context, own_namespace
        self._background: Background[_Call, object] = Background(wake, "placeholders")
        self._called: dict[_Call, float] = {}
        self._failures: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._seen: dict[str, tuple[Sequence[PodView], dict[str, list[PodView]]]] = {}

    def close(self) -> None:
        """Order nothing more."""
        self._background.close()

    def verdict(self, view: ClusterView, job: QueuedJob) -> Blocked | None:
        """Return what a job's placeholders wait for, ``None`` when all have a node."""
        there = self._of(view).get(job.job_id, ())
        bound = Counter(pod.pod_set for pod in there if pod.node is not None and _lives(pod))
        needed = sum(max(0, pods.count) for pods in job.demand.pod_sets)
        ready = sum(min(max(0, pods.count), bound[pods.name]) for pods in job.demand.pod_sets)
        if ready >= needed:
            return None
        failure = self._failures.get(job.job_id)
        detail = f"{ready} of {needed} placeholders have a node" + (f"; {failure}" if failure else "")
        return Blocked("placement", needed, ready, "placeholders", detail, by_nodes=True)

    def keep(
        self, snapshot: Snapshot, candidates: Collection[QueuedJob], admitted: Collection[str], now: float
    ) -> None:
        """Order what is missing for the candidates, and the removal of what stands for nobody.

        :param candidates: jobs that could start if their placeholders had nodes.
        :param admitted: those of them that start now.
        """
        self._hear()
        wanted: dict[str, dict[str, QueuedJob]] = defaultdict(dict)
        for job in candidates:
            wanted[job.queue.cluster_id][job.job_id] = job
        jobs = {job_id for ours in wanted.values() for job_id in ours}
        self._since = {job_id: self._since.get(job_id, now) for job_id in sorted(jobs)}
        for view in snapshot.clusters:
            connection = self._context.clusters.connections.get(view.cluster_id)
            if connection is None or not view.fresh:
                continue
            mine = self._without_stuck(view, wanted[view.cluster_id], admitted, snapshot, now)
            self._remove(connection, view, self._superfluous(view, mine, snapshot.grants), now)
            for job in mine.values():
                self._make(connection, view, job, snapshot, now)
        self._called = {call: at for call, at in self._called.items() if now - at < PATIENCE_SECONDS}

    def _without_stuck(
        self,
        view: ClusterView,
        wanted: Mapping[str, QueuedJob],
        admitted: Collection[str],
        snapshot: Snapshot,
        now: float,
    ) -> Mapping[str, QueuedJob]:
        """Leave only the oldest candidate that has waited long for nodes, and those that start now.

        Placeholders of jobs behind it may hold the very room that it waits for.
        """
        patience = snapshot.rules.head_rules.protection_seconds
        stuck = [
            job
            for job in wanted.values()
            if now - self._since[job.job_id] > patience and self.verdict(view, job) is not None
        ]
        if not stuck:
            return wanted
        oldest = min(stuck, key=lambda job: (self._since[job.job_id], job.position, job.job_id))
        return {key: job for key, job in wanted.items() if job is oldest or key in admitted}

    def _of(self, view: ClusterView) -> Mapping[str, list[PodView]]:
        """Return our placeholders by job; looked for anew only when pods have changed."""
        seen = self._seen.get(view.cluster_id)
        if seen is None or seen[0] is not view.pods:
            found: dict[str, list[PodView]] = defaultdict(list)
            for pod in view.pods:
                if pod.placeholder and (LABEL_INSTANCE, self._context.instance_id) in pod.labels:
                    found[pod.job_id or ""].append(pod)
            seen = self._seen[view.cluster_id] = (view.pods, dict(found))
        return seen[1]

    def _superfluous(
        self, view: ClusterView, wanted: Mapping[str, QueuedJob], grants: Sequence[Grant]
    ) -> list[PodView]:
        """Return the placeholders that stand for no pod that may still come."""
        there = self._of(view)
        if not there:
            return []
        real = Counter(
            (pod.job_id, pod.pod_set)
            for pod in view.pods
            if pod.job_id in there and not pod.placeholder and pod.counts_node
        )
        demands: dict[str, Demand] = {grant.job_id: grant.demand for grant in grants}
        demands.update({job_id: job.demand for job_id, job in wanted.items()})
        found: list[PodView] = []
        for job_id, pods in there.items():
            left = Counter[str | None]()
            for pod_set in demands[job_id].pod_sets if job_id in demands else ():
                left[pod_set.name] += max(0, pod_set.count - real[job_id, pod_set.name])
            # Those that have a node go last: they keep something.
            for pod in sorted(pods, key=lambda pod: (pod.node is None, pod.name)):
                if pod.terminating:
                    continue
                if _lives(pod) and left[pod.pod_set] > 0:
                    left[pod.pod_set] -= 1
                else:
                    found.append(pod)
        return found

    def _remove(
        self, connection: ClusterConnection, view: ClusterView, pods: Sequence[PodView], now: float
    ) -> None:
        for pod in pods:
            call = _Call(view.cluster_id, pod.job_id or "", "delete", pod.name)
            self._order(call, now, _deletion(connection, pod))

    def _make(
        self, connection: ClusterConnection, view: ClusterView, job: QueuedJob, snapshot: Snapshot, now: float
    ) -> None:
        """Order the placeholders of a job that are not there."""
        namespace = self._namespace()
        if fault := _fault(namespace, view, snapshot):
            self._failures[job.job_id] = fault
            return
        settings = self._context.settings
        make = Make(
            self._context.instance_id,
            namespace,
            settings.placeholder_priority_class,
            settings.placeholder_image,
        )
        names = {pod.name for pod in self._of(view).get(job.job_id, ())}
        for pods in job.demand.pod_sets:
            for index in range(pods.count):
                name = placeholder_name(job.job_id, pods.name, index)
                if name not in names:
                    call = _Call(view.cluster_id, job.job_id, "create", name)
                    self._order(call, now, _creation(connection, make, job, pods, index))

    def _namespace(self) -> str:
        namespace = self._context.settings.placeholder_namespace
        if not namespace and self._own_namespace.exists():
            namespace = self._own_namespace.read_text().strip()
        return namespace

    def _order(self, call: _Call, now: float, carry_out: Callable[[], object]) -> None:
        if call not in self._called:
            self._called[call] = now
            self._background.begin(call, carry_out)

    def _hear(self) -> None:
        for call, found in self._background.ended().items():
            if not isinstance(found, Exception):
                self._failures.pop(call.job_id, None)
            elif isinstance(found, PrioritySparkError):
                if self._failures.get(call.job_id) != str(found):
                    log.warning("Could not %s placeholder %s: %s", call.verb, call.name, found)
                self._failures[call.job_id] = str(found)
            else:
                raise found
        self._failures = {job_id: why for job_id, why in self._failures.items() if job_id in self._since}


def _lives(pod: PodView) -> bool:
    return pod.counts_node and not pod.terminating


def _fault(namespace: str, view: ClusterView, snapshot: Snapshot) -> str:
    """Return why no placeholder can be made in a namespace, empty when they can."""
    if not namespace:
        return (
            "placeholder_namespace is not set, and this arbiter runs in no pod whose namespace it could take"
        )
    for queue in snapshot.queues:
        if (queue.key.cluster_id, queue.key.namespace) == (view.cluster_id, namespace):
            return (
                f"placeholder_namespace {namespace} is the namespace of a queue; "
                "placeholders there would use its quota"
            )
    return ""


def _deletion(connection: ClusterConnection, pod: PodView) -> Callable[[], object]:
    return lambda: delete_placeholder(connection, pod.namespace, pod.name)


def _creation(
    connection: ClusterConnection, make: Make, job: QueuedJob, pods: PodSet, index: int
) -> Callable[[], object]:
    return lambda: create_placeholder(connection, make, job.job_id, job.demand, pods, index)
