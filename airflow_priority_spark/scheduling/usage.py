# SPDX-License-Identifier: Apache-2.0
"""What a cluster's pods use and what its grants still charge, gathered in one pass.

A grant is a promise for a whole job, and its pods appear one by one. So a grant charges, per pod
set, only the pods that are not there yet: ``max(0, demand - its own pods)``. A replaced executor or
a rerun therefore finds its room still kept. Quota and nodes forget a pod at different moments (a
terminating pod past its grace is out of the quota but still on its node), so the remainder is taken
twice, once against each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from airflow_priority_spark.scheduling.model import Demand, Grant, PodView, Toleration
from airflow_priority_spark.scheduling.resources import Resources


class Shape(NamedTuple):
    """What placement needs to know of a pod: pods of one shape are interchangeable."""

    requests: Resources
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(slots=True)
class Tally:
    """Sums over some pods, from which every quota key's charge follows.

    :param pods: how many the quota controller counts.
    :param existing: how many exist at all, ended ones too (``count/pods`` counts these).
    :param objects: quota keys charged besides the pods.
    """

    requests: dict[str, int] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    pods: int = 0
    existing: int = 0
    objects: dict[str, int] = field(default_factory=dict)

    def add(self, requests: Mapping[str, int], limits: Mapping[str, int], count: int = 1) -> None:
        """Add pods of one shape that the quota controller counts."""
        for name, amount in requests.items():
            self.requests[name] = self.requests.get(name, 0) + amount * count
        for name, amount in limits.items():
            self.limits[name] = self.limits.get(name, 0) + amount * count
        self.pods += count
        self.existing += count

    def add_objects(self, objects: Mapping[str, int]) -> None:
        """Add quota keys that are charged once."""
        for name, amount in objects.items():
            self.objects[name] = self.objects.get(name, 0) + amount


def tally_of(demand: Demand, default_limits: Mapping[str, int]) -> Tally:
    """Return what a whole demand charges.

    :param default_limits: what the namespace's limit ranges fill in for a pod that sets no limit.
    """
    tally = Tally()
    for pods in demand.pod_sets:
        if pods.count > 0:
            tally.add(pods.requests, {**default_limits, **pods.limits}, pods.count)
    tally.add_objects(demand.objects)
    return tally


@dataclass(slots=True)
class Usage:
    """One cluster's pods and grants.

    :param namespaces: all pods of a namespace that the quota controller counts.
    :param remainders: what the grants of a namespace still charge its quotas.
    :param held: requests of a namespace's jobs, running or granted: what its queue already holds.
    :param on_node: requests of the pods on each node.
    :param job_pods_on_nodes: bound pods of a namespace's jobs, node by node.
    :param unbound_foreign: pods of others that wait for a node.
    :param unplaced: per namespace, own unbound pods and pods that grants still promise.
    """

    namespaces: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    remainders: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    held: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    on_node: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    job_pods_on_nodes: dict[str, list[tuple[str, Resources]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    unbound_foreign: dict[Shape, int] = field(default_factory=lambda: defaultdict(int))
    unplaced: dict[tuple[str, Shape], int] = field(default_factory=lambda: defaultdict(int))
    _own_in_quota: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    _own_on_nodes: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def add_pod(self, pod: PodView) -> None:
        """Count a pod wherever it counts."""
        namespace = self.namespaces[pod.namespace]
        if pod.counts_quota:
            namespace.add(pod.requests, pod.limits)
            if pod.job_id is not None:
                self.held[pod.namespace].add(pod.requests, pod.limits)
                self._own_in_quota[pod.job_id, pod.pod_set or ""] += 1
        else:
            namespace.existing += 1
        if pod.counts_node:
            self._add_to_nodes(pod)

    def _add_to_nodes(self, pod: PodView) -> None:
        if pod.job_id is not None:
            self._own_on_nodes[pod.job_id, pod.pod_set or ""] += 1
        if pod.node is not None:
            self.on_node[pod.node].add(pod.requests, {})
            if pod.job_id is not None:
                self.job_pods_on_nodes[pod.namespace].append((pod.node, pod.requests))
            return
        shape = Shape(pod.requests, pod.node_selector, pod.tolerations)
        if pod.job_id is None:
            self.unbound_foreign[shape] += 1
        else:
            self.unplaced[pod.namespace, shape] += 1

    def add_grant(self, grant: Grant, default_limits: Mapping[str, int]) -> None:
        """Charge what a grant promises beyond the pods that are there.

        Objects are charged in full as long as a pod is missing: we do not see them, and the quota's
        reported use may or may not have them yet.
        """
        namespace = grant.queue.namespace
        incomplete = not grant.demand.pod_sets
        for pods in grant.demand.pod_sets:
            missing = _missing(self._own_in_quota, grant.job_id, pods.name, pods.count)
            if missing:
                incomplete = True
                limits = {**default_limits, **pods.limits}
                self.remainders[namespace].add(pods.requests, limits, missing)
                self.held[namespace].add(pods.requests, limits, missing)
            missing = _missing(self._own_on_nodes, grant.job_id, pods.name, pods.count)
            if missing:
                shape = Shape(pods.requests, pods.node_selector, pods.tolerations)
                self.unplaced[namespace, shape] += missing
        if incomplete:
            self.remainders[namespace].add_objects(grant.demand.objects)


def _missing(own: dict[tuple[str, str], int], job_id: str, pod_set: str, count: int) -> int:
    """Return how many pods of a set are not there; those that are there are used up."""
    there = min(own.get((job_id, pod_set), 0), max(0, count))
    if there:
        own[job_id, pod_set] -= there
    return max(0, count) - there


def usage_of(
    pods: Iterable[PodView], grants: Iterable[Grant], default_limits: Mapping[str, Mapping[str, int]]
) -> Usage:
    """Gather a cluster's usage.

    :param default_limits: per namespace, what its limit ranges fill in.
    """
    usage = Usage()
    for pod in pods:
        usage.add_pod(pod)
    for grant in sorted(grants, key=lambda grant: grant.job_id):
        usage.add_grant(grant, default_limits.get(grant.queue.namespace, {}))
    return usage
