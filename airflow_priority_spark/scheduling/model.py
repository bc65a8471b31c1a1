# SPDX-License-Identifier: Apache-2.0
"""The picture a decision is made from, and the decision.

Everything here is immutable and plain: the arbiter fills it from the store and the watches, a
simulator from a file, a test from a builder. ``decide(snapshot, now)`` (see ``cycle``) is the only
reader that matters. Instants are POSIX seconds as ``float`` and come from outside; identifiers are
strings; amounts are ``Resources`` (integers in base units).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from airflow_priority_spark.scheduling.resources import Resources, format_needed_and_free

NO_RESOURCES: Final = Resources()


class Toleration(NamedTuple):
    """One entry of ``pod.spec.tolerations``; an empty key with ``Exists`` tolerates everything."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: str = ""


class Taint(NamedTuple):
    """One entry of ``node.spec.taints``."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True, slots=True)
class PodSet:
    """Pods of one shape.

    :param name: ``driver`` or ``executor``.
    :param requests: of one pod, as the scheduler counts them (overhead included).
    :param limits: of one pod, for quotas on ``limits.*``.
    :param node_selector: labels a node must carry.
    """

    name: str
    count: int
    requests: Resources
    limits: Resources = NO_RESOURCES
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """What a job asks for.

    :param objects: quota keys charged once per job besides its pods, e.g. ``count/services``.
    """

    pod_sets: tuple[PodSet, ...]
    objects: Resources = NO_RESOURCES

    def total(self) -> Resources:
        """Return the sum of all requests, ``pods`` included."""
        total = Resources()
        for pods in self.pod_sets:
            total = total + pods.requests * pods.count + Resources({"pods": pods.count})
        return total


class QueueKey(NamedTuple):
    """A queue's identity: one namespace of one physical cluster."""

    cluster_id: str
    namespace: str


@dataclass(frozen=True, slots=True)
class PoolView:
    """A priority pool as the decision sees it.

    :param credit: of the smooth weighted round robin, kept between cycles.
    :param head_id: the job that was head when last looked at, and since when it has been blocked by
        capacity (``None``: it was not).
    """

    name: str
    weight: int
    credit: int = 0
    head_id: str | None = None
    head_blocked_since: float | None = None


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue as the decision sees it.

    :param capacity: declared by the site for a namespace without quota; quota keys or bare resources.
    :param policy: ``weighted`` (smooth weighted round robin) or ``strict`` (higher weight first).
    :param paused: intake goes on, nothing is admitted.
    """

    key: QueueKey
    pools: tuple[PoolView, ...]
    weight: int = 1
    policy: Literal["weighted", "strict"] = "weighted"
    paused: bool = False
    capacity: Resources | None = None


class Ineligible(StrEnum):
    """Why a queued job is not looked at; none of these is a capacity block and no clock runs."""

    HELD = "held"
    PAUSED = "paused"
    LIMIT = "limit"
    PREVIOUS_ATTEMPT = "previous-attempt"


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that waits.

    :param position: its place in its pool: (instant of enqueueing, trigger id); ties end on ``job_id``.
    :param ineligible: a reason known outside the decision; such a job is passed over.
    :param unchecked: admitted whatever the capacity is (the ``observe`` flow, an adopted application).
    :param readmission: a re-admission after a reschedule; charges no credit.
    """

    job_id: str
    queue: QueueKey
    pool: str
    position: tuple[float, int]
    demand: Demand
    ineligible: Ineligible | None = None
    ineligible_detail: str = ""
    unchecked: bool = False
    readmission: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Capacity promised to an admitted job, until it has ended and its pods are gone."""

    job_id: str
    queue: QueueKey
    demand: Demand


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod that uses, or will use, capacity.

    :param node: the node it is bound to, ``None`` while it is unbound.
    :param job_id: the job it belongs to, ``None`` for foreign pods.
    :param pod_set: ``driver`` or ``executor`` for our own pods.
    :param counts_quota: the quota controller still counts it (not finished, not past its deletion grace).
    :param counts_node: it still occupies its node (not finished; terminating pods count until they are gone).
    """

    namespace: str
    name: str
    node: str | None
    requests: Resources
    limits: Resources = NO_RESOURCES
    job_id: str | None = None
    pod_set: str | None = None
    counts_quota: bool = True
    counts_node: bool = True
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node.

    :param allocatable: cpu, memory, pods and everything else the kubelet reports.
    :param ready: accepts pods (Ready and not cordoned).
    """

    name: str
    allocatable: Resources
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    ready: bool = True


@dataclass(frozen=True, slots=True)
class QuotaView:
    """A ResourceQuota: keys as written in it (``requests.cpu``, ``pods``, ``count/services``, …)."""

    namespace: str
    name: str
    hard: Resources
    used: Resources
    #: Keys the quota really has; a hard limit of zero is a limit, but Resources stores no zero.
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LimitRangeView:
    """A LimitRange of containers: what can make a demand impossible, and what it fills in.

    :param maximum: for one container, per resource.
    :param default_limits: limits given to a container that sets none (``default``); where it is missing
        the API server takes the maximum.
    """

    namespace: str
    name: str
    maximum: Resources
    default_limits: Resources = NO_RESOURCES


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One physical cluster.

    :param mode: ``quota`` or ``quota+nodes``.
    :param fixed_nodes: the nodes are all there will ever be (no autoscaler).
    :param fresh: the watches are in step; nothing is admitted on a stale picture.
    :param stale_reason: what is wrong when it is not fresh.
    """

    cluster_id: str
    nodes: tuple[NodeView, ...] = ()
    pods: tuple[PodView, ...] = ()
    quotas: tuple[QuotaView, ...] = ()
    limit_ranges: tuple[LimitRangeView, ...] = ()
    namespaces: frozenset[str] | None = None
    mode: Literal["quota", "quota+nodes"] = "quota+nodes"
    fixed_nodes: bool = True
    fresh: bool = True
    stale_reason: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """The site's queueing rules.

    :param batch_size: at most so many admissions per cycle and cluster.
    :param head_protection_seconds: a head blocked longer than this protects its blocking resource.
    :param fail_impossible: demand that could never be satisfied fails at once.
    """

    batch_size: int = 20
    head_protection_seconds: float = 300.0
    fail_impossible: bool = True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The immutable picture a decision is made from.

    :param jobs: waiting jobs; at least the first ``batch_size`` eligible ones of each pool must be there.
    """

    clusters: tuple[ClusterView, ...]
    queues: tuple[QueueView, ...]
    jobs: tuple[QueuedJob, ...]
    grants: tuple[Grant, ...] = ()
    rules: Rules = Rules()


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a job cannot start now.

    :param resource: the blocking resource: a quota key's resource (``cpu``, ``memory``, ``pods``,
        ``storage``, ``ephemeral-storage``, an extended resource, another quota key) or ``placement``.
    :param needed: in the resource's base unit; pods of the set that does not fit, for ``placement``.
    :param free: in the resource's base unit; how many of those pods fit, for ``placement``.
    :param holder: whose limit it is, e.g. ``quota team-a``, ``declared capacity of team-a``, ``nodes``,
        ``limit range small``, ``protected head JOB``.
    :param detail: one more clause for people (e.g. why no node fits).
    """

    resource: str
    needed: int
    free: int
    holder: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that is not the head, or not eligible: ``reason`` says why in a phrase."""

    reason: str
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Impossible:
    """A demand that no state of the queue could satisfy; ``why`` is its verdict against an empty queue."""

    why: Blocked


@dataclass(frozen=True, slots=True)
class Admission:
    """A job that starts now; admissions are listed in the order in which they were made."""

    job_id: str
    queue: QueueKey
    pool: str


@dataclass(frozen=True, slots=True)
class PoolState:
    """What a pool must remember until the next cycle."""

    credit: int
    head_id: str | None
    head_blocked_since: float | None


@dataclass(frozen=True, slots=True)
class Decisions:
    """What to do, to be applied by the caller.

    :param blocked: heads (and whoever a protected head holds back) with their binding constraint.
    :param impossible: jobs to fail now.
    :param pools: the new credits and head clocks of every pool of the snapshot.
    :param observed: for unchecked jobs that were admitted although they did not fit, what would have
        blocked them.
    """

    admissions: tuple[Admission, ...]
    blocked: Mapping[str, Blocked]
    impossible: Mapping[str, Impossible]
    pools: Mapping[tuple[QueueKey, str], PoolState]
    observed: Mapping[str, Blocked] = field(default_factory=dict)


def describe_blocked(verdict: Blocked) -> str:
    """Say a verdict in one sentence with numbers, e.g. ``memory: needs 96 GiB, 40 GiB free of quota team-a``.

    Where two numbers do not say it (no node has the label, the namespace does not exist, a limit is
    not set) the detail is the whole sentence.
    """
    if verdict.resource == "namespace":
        return verdict.detail
    if verdict.detail and (verdict.resource == "placement" or not verdict.needed):
        return f"{verdict.resource}: {verdict.detail}"
    needed, free = format_needed_and_free(verdict.resource, verdict.needed, max(0, verdict.free))
    sentence = f"{verdict.resource}: needs {needed}, {free} free of {verdict.holder}"
    return f"{sentence} ({verdict.detail})" if verdict.detail else sentence
