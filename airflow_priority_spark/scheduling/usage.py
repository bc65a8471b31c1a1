# SPDX-License-Identifier: Apache-2.0
"""What a cluster's pods use, and what its grants still promise beyond them.

A grant is a promise for a whole job, and its pods appear one by one. So a grant charges, per pod
set, only the pods that are not there yet: ``max(0, demand - its own pods)``. A replaced executor or
a rerun therefore finds its room still kept. Its own are those in its namespace: a pod elsewhere
with the label of the job, copied or forged, fulfils nothing of the promise.

Quota and nodes forget a pod at different moments (a terminating pod past its grace is out of the
quota but still on its node), so the remainder is taken twice, once against each; on nodes a job's
placeholders stand for pods, too.

Pods come and go by the second, a few of twenty thousand at a time. ``Usage`` is therefore a sum that
pods are added to and taken from again; two histories that end with the same pods end in equal sums.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from airflow_priority_spark.scheduling.constraints import NO_AFFINITY, Affinity, NodeTerm
from airflow_priority_spark.scheduling.model import Demand, Grant, PodScope, PodSet, PodView, Toleration
from airflow_priority_spark.scheduling.resources import Resources


class Shape(NamedTuple):
    """What decides on which nodes a pod may run: pods of one shape are interchangeable there."""

    requests: Resources
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    nodes: tuple[NodeTerm, ...] = ()


class Company(NamedTuple):
    """What decides whom a pod may have around it, and who wants it around.

    :param terminating: topology spread does not count it any more.
    """

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    job_id: str | None = None
    affinity: Affinity = NO_AFFINITY
    terminating: bool = False


#: Pods of one shape: who they are, and how many of each.
Party = dict[Company, int]


def shape_of(pods: PodSet | PodView) -> Shape:
    """Return what decides on which nodes pods may run."""
    return Shape(pods.requests, pods.node_selector, pods.tolerations, pods.affinity.nodes)


def company_of(pod: PodView) -> Company:
    """Return what decides whom a pod may have around it."""
    return Company(pod.namespace, pod.labels, pod.job_id, pod.affinity, pod.terminating)


@dataclass(slots=True)
class Tally:
    """Sums over some pods, from which every quota key's charge follows.

    :param pods: how many the quota controller counts.
    :param existing: how many exist at all, ended ones too (``count/pods`` counts these).
    """

    requests: dict[str, int] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    pods: int = 0
    existing: int = 0

    def add(self, requests: Mapping[str, int], limits: Mapping[str, int], count: int = 1) -> None:
        """Add pods of one shape that the quota controller counts; a negative count takes them away."""
        add_to(self.requests, requests, count)
        add_to(self.limits, limits, count)
        self.pods += count
        self.existing += count

    def merge(self, other: Tally) -> None:
        """Add all of another tally."""
        for mine, theirs in ((self.requests, other.requests), (self.limits, other.limits)):
            add_to(mine, theirs, 1)
        self.pods += other.pods
        self.existing += other.existing


def add_to(sums: dict[str, int], amounts: Mapping[str, int], count: int) -> None:
    """Add amounts to sums, so many times."""
    for name, amount in amounts.items():
        sums[name] = sums.get(name, 0) + amount * count


Tallies = dict[PodScope, Tally]


def tallies_of(demand: Demand, default_class: str = "") -> Tallies:
    """Return what the pods of a whole demand charge, by what the scopes of quotas look at.

    :param default_class: the priority class of pods that name none.
    """
    found: Tallies = {}
    for pods in demand.pod_sets:
        if pods.count > 0:
            scope = classed(pods.scope, default_class)
            found.setdefault(scope, Tally()).add(pods.requests, pods.limits, pods.count)
    return found


def classed(scope: PodScope, default_class: str) -> PodScope:
    """Return a pod's scope once the API server has given it the default priority class."""
    if default_class and not scope.priority_class:
        return scope._replace(priority_class=default_class)
    return scope


Key = TypeVar("Key")


def count(counts: dict[Key, int], key: Key, number: int) -> None:
    """Count, and forget what is not there any more."""
    total = counts.get(key, 0) + number
    if total:
        counts[key] = total
    else:
        counts.pop(key, None)


def _table() -> dict[str, Tallies]:
    return defaultdict(dict)


@dataclass(slots=True)
class Usage:
    """One cluster's pods.

    :param namespaces: all pods of a namespace, by what the scopes of quotas look at.
    :param held: requests of a namespace's own jobs that the quota controller counts.
    :param on_node: requests of the pods on each node.
    :param everywhere: requests of all pods that have or want a node.
    :param job_pods: bound pods of a namespace's own jobs, as (node, requests).
    :param foreign: unbound pods of others.
    :param unbound: unbound pods of a namespace's own jobs, and placeholders.
    :param in_quota: (namespace, job, pod set) → its pods that the quota controller counts.
    :param on_nodes: (namespace, job, pod set) → its pods that have or want a node; placeholders not among
        them.
    :param placeholders: (job, pod set) → its placeholders that are not being deleted.
    :param social: how many pods care who is around them.
    """

    namespaces: dict[str, Tallies] = field(default_factory=_table)
    held: dict[str, Tally] = field(default_factory=dict)
    on_node: dict[str, Tally] = field(default_factory=dict)
    everywhere: Tally = field(default_factory=Tally)
    job_pods: dict[str, dict[tuple[str, Resources], int]] = field(default_factory=lambda: defaultdict(dict))
    foreign: dict[Shape, Party] = field(default_factory=lambda: defaultdict(dict))
    unbound: dict[str, dict[Shape, Party]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    in_quota: dict[tuple[str, str, str], int] = field(default_factory=dict)
    on_nodes: dict[tuple[str, str, str], int] = field(default_factory=dict)
    placeholders: dict[tuple[str, str], int] = field(default_factory=dict)
    social: int = 0

    def add_pod(self, pod: PodView, sign: int = 1) -> None:
        """Count a pod wherever it counts; with ``sign`` -1 forget one that was counted."""
        tallies = self.namespaces[pod.namespace]
        tally = tallies.get(pod.scope)
        if tally is None:
            tally = tallies[pod.scope] = Tally()
        if pod.counts_quota:
            tally.add(pod.requests, pod.limits, sign)
            if pod.job_id is not None and not pod.placeholder:
                self._hold(pod, pod.job_id, sign)
        else:
            tally.existing += sign
        if pod.counts_node:
            self._add_to_nodes(pod, sign)

    def _hold(self, pod: PodView, job_id: str, sign: int) -> None:
        held = self.held.setdefault(pod.namespace, Tally())
        held.add(pod.requests, {}, sign)
        if not held.pods:
            del self.held[pod.namespace]
        count(self.in_quota, (pod.namespace, job_id, pod.pod_set or ""), sign)

    def _add_to_nodes(self, pod: PodView, sign: int) -> None:
        self.everywhere.add(pod.requests, {}, sign)
        if pod.affinity.is_social:
            self.social += sign
        if pod.job_id is not None and not pod.placeholder:
            count(self.on_nodes, (pod.namespace, pod.job_id, pod.pod_set or ""), sign)
        elif pod.job_id is not None and not pod.terminating:
            count(self.placeholders, (pod.job_id, pod.pod_set or ""), sign)
        if pod.node is None:
            ours = pod.job_id is not None
            parties = self.unbound[pod.namespace] if ours else self.foreign
            shape = shape_of(pod)
            count(parties[shape], company_of(pod), sign)
            if not parties[shape]:
                del parties[shape]
            return
        tally = self.on_node.get(pod.node)
        if tally is None:
            tally = self.on_node[pod.node] = Tally()
        tally.add(pod.requests, {}, sign)
        if pod.job_id is not None and not pod.placeholder:
            count(self.job_pods[pod.namespace], (pod.node, pod.requests), sign)


@dataclass(slots=True)
class Promises:
    """What grants charge beyond the pods that are there.

    :param remainders: per namespace, for its quotas.
    :param objects: per namespace, quota keys that are charged once per job.
    :param held: per namespace, requests of promised pods: part of what its queue holds.
    :param unplaced: per namespace, promised pods that have no node yet.
    """

    remainders: dict[str, Tallies] = field(default_factory=_table)
    objects: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    held: dict[str, Tally] = field(default_factory=dict)
    unplaced: dict[str, dict[Shape, Party]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )

    def add(self, grant: Grant, demand: Demand, usage: Usage, taken: _Taken, missed: _Missed) -> None:
        """Charge what a grant promises beyond its pods.

        Objects are charged in full as long as a pod is missing: we do not see them, and the quota's
        reported use may or may not have them yet.

        :param demand: the grant's, with what limit ranges fill in.
        :param taken: pods that stand for an earlier pod set of the same name.
        """
        namespace = grant.queue.namespace
        incomplete = not demand.pod_sets
        for pods in demand.pod_sets:
            key = (namespace, grant.job_id, pods.name)
            there = taken.of(usage.in_quota, key, pods.count)
            if missing := max(0, pods.count) - there:
                incomplete = True
                missed.note(namespace, pods, missing)
            there = taken.of(usage.on_nodes, key, pods.count)
            there += taken.of(usage.placeholders, key[1:], pods.count - there)
            if missing := max(0, pods.count) - there:
                company = Company(namespace, pods.labels, grant.job_id, pods.affinity)
                count(self.unplaced[namespace][shape_of(pods)], company, missing)
        if incomplete and demand.objects:
            add_to(self.objects[namespace], demand.objects, 1)

    def charge(self, missed: _Missed, default_class: str) -> None:
        """Charge the quotas with all pods that are missing."""
        for namespace, pods, missing in missed:
            scope = classed(pods.scope, default_class)
            self.remainders[namespace].setdefault(scope, Tally()).add(pods.requests, pods.limits, missing)
            self.held.setdefault(namespace, Tally()).add(pods.requests, {}, missing)


class _Missed:
    """Promised pods that are missing, counted: the jobs of one make share their pod sets, by the hundred."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, int], tuple[PodSet, int]] = {}

    def note(self, namespace: str, pods: PodSet, missing: int) -> None:
        """Count pods of a set; the set is kept, so that no other has its id."""
        _, before = self._pods.get((namespace, id(pods)), (pods, 0))
        self._pods[namespace, id(pods)] = pods, before + missing

    def __iter__(self) -> Iterator[tuple[str, PodSet, int]]:
        return ((namespace, pods, number) for (namespace, _), (pods, number) in self._pods.items())


class _Taken:
    """Which of the pods that are there have been found for a promise already."""

    def __init__(self) -> None:
        self._taken: dict[tuple[int, object], int] = {}

    def of(self, counts: Mapping[Key, int], key: Key, most: int) -> int:
        """Take up to ``most`` of the counted pods and return how many there were."""
        there = counts.get(key, 0)
        if not there or most <= 0:
            return 0
        gone = self._taken.get((id(counts), key), 0)
        found = min(there - gone, most)
        self._taken[id(counts), key] = gone + found
        return found


def promises_of(
    grants: Iterable[Grant], usage: Usage, fill: Callable[[str, Demand], Demand], default_class: str = ""
) -> Promises:
    """Gather what a cluster's grants promise beyond its pods.

    :param fill: namespace and demand → the demand with what limit ranges fill in.
    """
    promises, taken, missed = Promises(), _Taken(), _Missed()
    for grant in sorted(grants, key=lambda grant: grant.job_id):
        demand = fill(grant.queue.namespace, grant.demand)
        promises.add(grant, demand, usage, taken, missed)
    promises.charge(missed, default_class)
    return promises


def usage_of(pods: Iterable[PodView]) -> Usage:
    """Add up a cluster's pods."""
    usage = Usage()
    for pod in pods:
        usage.add_pod(pod)
    return usage
