# SPDX-License-Identifier: Apache-2.0
"""The working copy of one cluster: what is free, what is kept for whom, and who holds how much.

``decide`` asks it job by job. What fits is taken at once, so that the next job is asked about what
is really left; nothing is ever given back inside a decision, so a demand that found no nodes once
need not be looked for again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol, TypeVar

from airflow_priority_spark.scheduling.capacity import Charges, QuotaRoom, default_limits
from airflow_priority_spark.scheduling.model import (
    Blocked,
    ClusterView,
    Demand,
    Grant,
    QueuedJob,
    QueueKey,
    QueueView,
)
from airflow_priority_spark.scheduling.nodes import NodePool, Taken, Vector
from airflow_priority_spark.scheduling.order import resource_of
from airflow_priority_spark.scheduling.placement import (
    can_place,
    fits_alone,
    hardness,
    is_exact,
    place,
    place_what_fits,
    sets_of,
    shape_of,
    shortage,
)
from airflow_priority_spark.scheduling.shares import weighted_share
from airflow_priority_spark.scheduling.usage import usage_of


@dataclass(slots=True)
class Protection:
    """What a protecting head keeps from the rest of its queue.

    :param nodes: room it will use, node by node.
    """

    job_id: str
    charges: Charges
    nodes: dict[int, Vector]


class ClusterRoom:
    """One cluster's room during one decision.

    :param queues: the cluster's queues.
    :param jobs: every job the decision may ask about.
    :param grants: the cluster's grants.
    """

    def __init__(
        self,
        view: ClusterView,
        queues: Sequence[QueueView],
        jobs: Iterable[QueuedJob],
        grants: Iterable[Grant],
    ) -> None:
        self._view = view
        self._weights = {queue.key: queue.weight for queue in queues}
        ranges = _by_namespace(view.limit_ranges)
        defaults = {namespace: default_limits(found) for namespace, found in ranges.items()}
        self._usage = usage_of(view.pods, grants, defaults)
        quotas = _by_namespace(view.quotas)
        self._quota_rooms = {
            queue.key: QuotaRoom(
                queue,
                quotas.get(queue.key.namespace, ()),
                ranges.get(queue.key.namespace, ()),
                self._usage.namespaces[queue.key.namespace],
                self._usage.remainders[queue.key.namespace],
            )
            for queue in queues
        }
        self._totals = _totals(view)
        demands = [job.demand for job in jobs]
        self._active_weight = self._weight_of_active({job.queue for job in jobs})
        self._shapes = {shape_of(pods) for demand in demands for pods in demand.pod_sets}
        self._promised: dict[str, Taken] = {}
        self._pool = self._place_present() if view.fixed_nodes and view.mode == "quota+nodes" else None
        self._empty: NodePool | None = None
        self._refused: dict[Demand, Blocked] = {}
        self._never: dict[Demand, Blocked | None] = {}
        self._protections: dict[QueueKey, Protection] = {}

    def _place_present(self) -> NodePool:
        """Return the nodes' free room after everybody's pods and all promises."""
        usage = self._usage
        shapes = self._shapes | set(usage.unbound_foreign) | {shape for _, shape in usage.unplaced}

        def used(node: str) -> tuple[Mapping[str, int], int]:
            tally = usage.on_node.get(node)
            return (tally.requests, tally.pods) if tally else ({}, 0)

        pool = NodePool((node for node in self._view.nodes if node.ready), shapes, used)
        place_what_fits(pool, list(usage.unbound_foreign.items()))
        promises = [
            (hardness(pool, shape, count), ns, shape, count) for (ns, shape), count in usage.unplaced.items()
        ]
        for _, namespace, shape, count in sorted(promises, key=lambda promise: promise[:2]):
            self._promised.setdefault(namespace, []).extend(pool.put(shape, count)[1])
        return pool

    def share(self, queue: QueueKey) -> Fraction:
        """Return the dominant share of what a queue holds, divided by its weight."""
        held = self._usage.held.get(queue.namespace)
        return weighted_share(held.requests if held else {}, self._totals, self._weights[queue])

    def _weight_of_active(self, waiting: set[QueueKey]) -> int:
        active = waiting | {key for key in self._weights if key.namespace in self._usage.held}
        return sum(max(1, weight) for key, weight in self._weights.items() if key in active)

    def impossible(self, queue: QueueKey, demand: Demand) -> Blocked | None:
        """Return why no state of the queue could satisfy a demand, or ``None``."""
        known = self._view.namespaces
        if known is not None and queue.namespace not in known:
            detail = f"namespace {queue.namespace} does not exist in the cluster"
            return Blocked("namespace", 1, 0, "cluster", detail)
        return self._quota_rooms[queue].impossible(demand) or self._never_on_nodes(demand)

    def _never_on_nodes(self, demand: Demand) -> Blocked | None:
        """Return why even empty nodes could not hold a demand; nodes that are not ready may be again."""
        if self._pool is None or not self._view.nodes:
            return None
        if demand not in self._never:
            self._never[demand] = self._ask_empty_nodes(demand)
        return self._never[demand]

    def _ask_empty_nodes(self, demand: Demand) -> Blocked | None:
        if self._empty is None:
            self._empty = NodePool(self._view.nodes, self._shapes, lambda _: ({}, 0))
        if can_place(self._empty, demand):
            return None
        if not is_exact(demand) and fits_alone(self._empty, demand):
            return None
        return shortage(self._empty, demand, "even on empty nodes")

    def admit(self, job: QueuedJob) -> Blocked | None:
        """Take a job's room if it fits, all of it or nothing.

        :return: the binding constraint when it does not fit, ``None`` when it was taken.
        """
        room = self._quota_rooms[job.queue]
        charges = room.charges(job.demand)
        verdict = room.shortfall(charges)
        protection = self._protections.get(job.queue)
        if verdict is None and protection is not None:
            verdict = room.shortfall_behind(charges, protection.charges, protection.job_id)
        if verdict is None and self._pool is not None:
            verdict = self._place(self._pool, job)
        if verdict is None:
            self._charge(job, charges)
        return verdict

    def admit_unchecked(self, job: QueuedJob) -> Blocked | None:
        """Take a job's room, whether it is there or not.

        :return: what would have blocked it, ``None`` when it fits.
        """
        verdict = self.admit(job)
        if verdict is not None:
            self._charge(job, self._quota_rooms[job.queue].charges(job.demand))
            if self._pool is not None:
                place_what_fits(self._pool, sets_of(job.demand))
        return verdict

    def _charge(self, job: QueuedJob, charges: Charges) -> None:
        self._quota_rooms[job.queue].take(charges)
        held = self._usage.held[job.queue.namespace]
        for pods in job.demand.pod_sets:
            held.add(pods.requests, {}, max(0, pods.count))

    def _place(self, pool: NodePool, job: QueuedJob) -> Blocked | None:
        if job.demand in self._refused:
            return self._refused[job.demand]
        taken = place(pool, job.demand)
        if taken is None:
            self._refused[job.demand] = shortage(pool, job.demand)
            return self._refused[job.demand]
        for protection in self._respected(job.queue):
            if _touches(pool, taken, protection):
                pool.give_back(taken)
                return self._place_beside(pool, job)
        return None

    def _respected(self, queue: QueueKey) -> list[Protection]:
        """Return whose reserved nodes a queue keeps off: its own head's; above its fair share, all."""
        own = self._protections.get(queue)
        if len(self._protections) > (own is not None) and self.share(queue) * self._active_weight > 1:
            return [self._protections[key] for key in sorted(self._protections)]
        return [own] if own is not None else []

    def _place_beside(self, pool: NodePool, job: QueuedJob) -> Blocked | None:
        """Place a job on what the protected heads leave."""
        protections = self._respected(job.queue)
        withheld: Taken = []
        for protection in protections:
            for node, kept in protection.nodes.items():
                part = tuple(
                    [max(0, min(want, have)) for want, have in zip(kept, pool.free(node), strict=True)]
                )
                pool.take(node, part)
                withheld.append((node, part))
        taken = place(pool, job.demand)
        heads = ", ".join(protection.job_id for protection in protections)
        holder = f"what protected head {heads} leaves"
        verdict = None
        if taken is None:
            short = shortage(pool, job.demand)
            verdict = replace(short, holder=holder, detail=f"{short.detail}, counting only {holder}")
        pool.give_back(withheld)
        return verdict

    def is_protected(self, queue: QueueKey) -> bool:
        """Tell whether a head of the queue protects already."""
        return queue in self._protections

    def protect(self, job: QueuedJob) -> None:
        """Keep for a blocked head what it needs: quota, and the nodes it will use.

        The nodes are found on the picture with the queue's own jobs gone: these will end, and the
        choice stays the same from cycle to cycle while they do, so the reserved room only grows.
        """
        charges = self._quota_rooms[job.queue].charges(job.demand)
        nodes: dict[int, Vector] = {}
        if self._pool is not None:
            for node, amount in self._target(self._pool, job):
                before = nodes.get(node, (0,) * len(amount))
                nodes[node] = tuple([one + other for one, other in zip(before, amount, strict=True)])
        self._protections[job.queue] = Protection(job.job_id, charges, nodes)

    def _target(self, pool: NodePool, job: QueuedJob) -> Taken:
        namespace = job.queue.namespace
        ending = list(self._promised.get(namespace, ()))
        for name, requests in self._usage.job_pods_on_nodes.get(namespace, ()):
            if name in pool.index:
                ending.append((pool.index[name], pool.need(requests).vector))
        pool.give_back(ending)
        taken = place(pool, job.demand)
        if taken is None:
            taken = place_what_fits(pool, sets_of(job.demand))
        pool.give_back(taken)
        for node, amount in ending:
            pool.take(node, amount)
        return taken


def _touches(pool: NodePool, taken: Taken, protection: Protection) -> bool:
    """Tell whether room was taken that a protected head waits for."""
    for node, amount in taken:
        kept = protection.nodes.get(node)
        if kept is not None and any(
            part > 0 and have < want for part, have, want in zip(amount, pool.free(node), kept, strict=True)
        ):
            return True
    return False


def _totals(view: ClusterView) -> Mapping[str, int]:
    """Return what the cluster has: its nodes, or where these are not known, its quotas."""
    totals: dict[str, int] = {}
    for node in view.nodes:
        for name, amount in node.allocatable.items():
            totals[name] = totals.get(name, 0) + amount
    if view.nodes:
        return totals
    tightest: dict[tuple[str, str], int] = {}
    for quota in view.quotas:
        for key, hard in quota.hard.items():
            limited = (quota.namespace, resource_of(key))
            tightest[limited] = min(hard, tightest.get(limited, hard))
    for (_, resource), hard in tightest.items():
        totals[resource] = totals.get(resource, 0) + hard
    return totals


class _Namespaced(Protocol):
    @property
    def namespace(self) -> str: ...


_Part = TypeVar("_Part", bound=_Namespaced)


def _by_namespace(parts: Iterable[_Part]) -> dict[str, list[_Part]]:
    found: dict[str, list[_Part]] = defaultdict(list)
    for part in parts:
        found[part.namespace].append(part)
    return found
