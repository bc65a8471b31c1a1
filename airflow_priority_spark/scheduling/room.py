# SPDX-License-Identifier: Apache-2.0
"""The working copy of one cluster: what is free, what is kept for whom, and who holds how much.

``decide`` asks it job by job. What fits is taken at once, so that the next job is asked about what
is really left. A job must pass, in this order: its namespace's quotas and declared capacity, what a
protecting head of its queue leaves of them, the configured maxima of elastic nodes, the nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from airflow_priority_spark.scheduling.capacity import Charges, QuotaRoom, QuotaRules, reported_use
from airflow_priority_spark.scheduling.elastic import Ceiling
from airflow_priority_spark.scheduling.memory import recall
from airflow_priority_spark.scheduling.model import (
    Blocked,
    ClusterView,
    Demand,
    Grant,
    QueuedJob,
    QueueKey,
    QueueView,
)
from airflow_priority_spark.scheduling.node_room import NodeRoom, Reserved
from airflow_priority_spark.scheduling.shares import weighted_share
from airflow_priority_spark.scheduling.usage import Tally, add_to, promises_of


@dataclass(frozen=True, slots=True)
class Protection:
    """What a protecting head keeps from the rest of its queue.

    :param nodes: room it will use, node by node.
    """

    job_id: str
    charges: Charges
    nodes: Reserved


class ClusterRoom:
    """One cluster's room during one decision.

    :param queues: the cluster's queues.
    :param waiting: the queues in which somebody waits.
    :param grants: the cluster's grants.
    """

    def __init__(
        self,
        view: ClusterView,
        queues: Sequence[QueueView],
        waiting: Iterable[QueueKey],
        grants: Iterable[Grant],
    ) -> None:
        self._view = view
        self._queues = {queue.key: queue for queue in queues}
        self._by_namespace = {queue.key.namespace: queue for queue in queues}
        self._quotas, self._ranges = _by_namespace(view.quotas), _by_namespace(view.limit_ranges)
        self._memory = recall(view, self)
        self._rules: dict[str, QuotaRules] = {}
        self._rooms: dict[QueueKey, QuotaRoom] = {}
        self._usage = self._memory.usage
        self._promises = promises_of(grants, self._usage, self._filled, view.default_priority_class)
        self._held: dict[str, Tally] = {}
        self._totals = self._memory.totals(view)
        self._active_weight = self._weight_of_active(set(waiting))
        counts_nodes = view.fixed_nodes and view.mode == "quota+nodes"
        self._nodes = NodeRoom(view, self._memory, self._promises) if counts_nodes else None
        maxima = None if view.fixed_nodes else view.node_maxima
        self._ceiling = Ceiling(maxima, self._usage, self._promises) if maxima else None
        self._protections: dict[QueueKey, Protection] = {}

    def _rules_of(self, namespace: str) -> QuotaRules:
        found = self._rules.get(namespace)
        if found is None:
            queue = self._by_namespace.get(namespace)
            found = self._rules[namespace] = self._memory.rules(
                namespace,
                self._quotas.get(namespace, ()),
                self._ranges.get(namespace, ()),
                queue.capacity if queue is not None else None,
                self._view.default_priority_class,
            )
        return found

    def _filled(self, namespace: str, demand: Demand) -> Demand:
        """Return a demand with what the limit ranges of its namespace fill in."""
        return self._rules_of(namespace).filled(demand) if namespace in self._ranges else demand

    def _room(self, queue: QueueKey) -> QuotaRoom:
        room = self._rooms.get(queue)
        if room is None:
            namespace = queue.namespace
            room = self._rooms[queue] = QuotaRoom(
                self._rules_of(namespace),
                self._usage.namespaces.get(namespace, {}),
                reported_use(self._quotas.get(namespace, ())),
                self._promises.remainders.get(namespace, {}),
                self._promises.objects.get(namespace, {}),
            )
        return room

    def _held_by(self, namespace: str) -> Tally:
        held = self._held.get(namespace)
        if held is None:
            held = self._held[namespace] = Tally()
            for part in (self._usage.held.get(namespace), self._promises.held.get(namespace)):
                if part is not None:
                    held.merge(part)
        return held

    def share(self, queue: QueueKey) -> float:
        """Return the dominant share of what a queue holds, divided by its weight."""
        held = self._held_by(queue.namespace).requests
        return weighted_share(held, self._totals, self._queues[queue].weight)

    def _weight_of_active(self, waiting: set[QueueKey]) -> int:
        holding = self._usage.held.keys() | self._promises.held.keys()
        active = waiting | {key for key in self._queues if key.namespace in holding}
        return sum(max(1, queue.weight) for key, queue in self._queues.items() if key in active)

    def impossible(self, queue: QueueKey, demand: Demand) -> Blocked | None:
        """Return why no state of the queue could satisfy a demand, or ``None``."""
        known = self._view.namespaces
        if known is not None and queue.namespace not in known:
            detail = f"namespace {queue.namespace} does not exist in the cluster"
            return Blocked("namespace", 1, 0, "cluster", detail)
        verdict = self._rules_of(queue.namespace).impossible(demand)
        if verdict is None and self._nodes is not None:
            verdict = self._nodes.impossible(queue.namespace, self._filled(queue.namespace, demand))
        return verdict

    def admit(self, job: QueuedJob) -> Blocked | None:
        """Take a job's room if it fits, all of it or nothing.

        :return: the binding constraint when it does not fit, ``None`` when it was taken. A withheld job
            whose room is kept takes it and is told all the same what it waits for.
        """
        room, withheld = self._room(job.queue), self._view.withheld.get(job.job_id)
        charges = room.charges(job.demand)
        verdict = room.shortfall(charges)
        protection = self._protections.get(job.queue)
        if verdict is None and protection is not None:
            verdict = room.shortfall_behind(charges, protection.charges, protection.job_id)
        if verdict is None and job.job_id not in self._view.reserved:
            verdict = withheld
        if verdict is None:
            verdict = self._take_nodes(job)
        if verdict is None:
            self._charge(job, charges)
            verdict = withheld
        return verdict

    def _take_nodes(self, job: QueuedJob) -> Blocked | None:
        demand = self._filled(job.queue.namespace, job.demand)
        if self._nodes is not None:
            respected = {found.job_id: found.nodes for found in self._respected(job.queue)}
            return self._nodes.place(job, demand, respected)
        if self._ceiling is not None:
            amounts = self._new_on_nodes(job, demand)
            verdict = self._ceiling.shortfall(amounts)
            if verdict is None:
                self._ceiling.take(amounts)
            return verdict
        return None

    def _new_on_nodes(self, job: QueuedJob, demand: Demand) -> Mapping[str, int]:
        """Return what a job's pods add on nodes to its placeholders."""
        amounts: dict[str, int] = {}
        for pods in demand.pod_sets:
            there = self._usage.placeholders.get((job.job_id, pods.name), 0)
            add_to(amounts, {**pods.requests.as_dict(), "pods": 1}, max(0, pods.count - there))
        return amounts

    def admit_unchecked(self, job: QueuedJob) -> Blocked | None:
        """Take a job's room, whether it is there or not.

        :return: what would have blocked it, ``None`` when it fits.
        """
        verdict = self.admit(job)
        if verdict is not None:
            self._charge(job, self._room(job.queue).charges(job.demand))
            demand = self._filled(job.queue.namespace, job.demand)
            if self._nodes is not None:
                self._nodes.place_anyhow(job, demand)
            if self._ceiling is not None:
                self._ceiling.take(self._new_on_nodes(job, demand))
        return verdict

    def _charge(self, job: QueuedJob, charges: Charges) -> None:
        self._room(job.queue).take(charges)
        held = self._held_by(job.queue.namespace)
        for pods in job.demand.pod_sets:
            held.add(pods.requests, {}, max(0, pods.count))

    def _respected(self, queue: QueueKey) -> list[Protection]:
        """Return whose reserved nodes a queue keeps off: its own head's; above its fair share, all."""
        own = self._protections.get(queue)
        if len(self._protections) > (own is not None) and self.share(queue) * self._active_weight > 1:
            return [self._protections[key] for key in sorted(self._protections)]
        return [own] if own is not None else []

    def is_protected(self, queue: QueueKey) -> bool:
        """Tell whether a head of the queue protects already."""
        return queue in self._protections

    def protect(self, job: QueuedJob) -> None:
        """Keep for a blocked head what it needs: quota, and the nodes it will use.

        A withheld head is not blocked by capacity: its room is kept already, or none may be.
        """
        if job.job_id in self._view.withheld:
            return
        charges = self._room(job.queue).charges(job.demand)
        nodes: Reserved = {}
        if self._nodes is not None:
            nodes = self._nodes.reserve(job, self._filled(job.queue.namespace, job.demand))
        self._protections[job.queue] = Protection(job.job_id, charges, nodes)


class _Namespaced(Protocol):
    @property
    def namespace(self) -> str: ...


_Part = TypeVar("_Part", bound=_Namespaced)


def _by_namespace(parts: Iterable[_Part]) -> dict[str, list[_Part]]:
    found: dict[str, list[_Part]] = defaultdict(list)
    for part in parts:
        found[part.namespace].append(part)
    return found
