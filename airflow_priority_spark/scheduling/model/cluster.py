# SPDX-License-Identifier: Apache-2.0
"""One physical cluster as the watches show it: nodes, pods, quotas, limit ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, NamedTuple

from airflow_priority_spark.scheduling.constraints import NO_AFFINITY, Affinity
from airflow_priority_spark.scheduling.model.decisions import Blocked
from airflow_priority_spark.scheduling.model.demand import ANY_SCOPE, NO_RESOURCES, PodScope, Toleration
from airflow_priority_spark.scheduling.resources import Resources


class Taint(NamedTuple):
    """One entry of ``node.spec.taints``."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod that uses, or will use, capacity.

    :param node: the node it is bound to, ``None`` while it is unbound.
    :param job_id: the job it belongs to, ``None`` for foreign pods.
    :param pod_set: ``driver`` or ``executor`` for our own pods.
    :param counts_quota: the quota controller still counts it (not finished, not past its deletion grace).
    :param counts_node: it still occupies its node (not finished; terminating pods count until they are gone).
    :param affinity: what it requires of where it runs, and of whom it has around it.
    :param scope: what the scopes of quotas look at.
    :param terminating: it is being deleted; topology spread does not count it any more.
    :param placeholder: it only keeps room for a pod of its job's pod set, in another namespace.
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
    affinity: Affinity = NO_AFFINITY
    labels: tuple[tuple[str, str], ...] = ()
    scope: PodScope = ANY_SCOPE
    terminating: bool = False
    placeholder: bool = False


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node.

    :param allocatable: cpu, memory, pods and everything else the kubelet reports.
    :param ready: accepts pods (Ready and not cordoned).
    :param unready_reason: why it does not, for people: ``cordoned``, ``not ready``, …
    """

    name: str
    allocatable: Resources
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    unready_reason: str = ""


class QuotaScope(NamedTuple):
    """One expression of a quota's ``scopeSelector``, or one of its ``scopes`` (operator ``Exists``)."""

    name: str
    operator: str = "Exists"
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuotaView:
    """A ResourceQuota: keys as written in it (``requests.cpu``, ``pods``, ``count/services``, …).

    :param scopes: it counts only pods for which all of them hold.
    """

    namespace: str
    name: str
    hard: Resources
    used: Resources
    #: Keys the quota really has; a hard limit of zero is a limit, but Resources stores no zero.
    keys: frozenset[str] = frozenset()
    scopes: tuple[QuotaScope, ...] = ()


class LimitItem(NamedTuple):
    """One item of a LimitRange, as the API server completes it.

    :param kind: ``Container`` (each container by itself) or ``Pod`` (all of a pod together).
    :param default_limits: for a container that sets none.
    :param default_requests: likewise.
    :param ratios: per resource, by how much a limit may exceed its request at most.
    """

    kind: Literal["Container", "Pod"]
    maximum: Resources = NO_RESOURCES
    minimum: Resources = NO_RESOURCES
    default_limits: Resources = NO_RESOURCES
    default_requests: Resources = NO_RESOURCES
    ratios: tuple[tuple[str, Fraction], ...] = ()


@dataclass(frozen=True, slots=True)
class LimitRangeView:
    """A LimitRange: what it refuses, and what it fills in."""

    namespace: str
    name: str
    items: tuple[LimitItem, ...]


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One physical cluster.

    :param mode: ``quota`` or ``quota+nodes``.
    :param fixed_nodes: the nodes are all there will ever be (no autoscaler).
    :param fresh: the watches are in step; nothing is admitted on a stale picture.
    :param stale_reason: what is wrong when it is not fresh.
    :param troubled_since: a watch is out of step since then (POSIX seconds), whether or not for long
        enough to make the picture stale; ``None``: none is.
    :param trouble: which and why.
    :param limit: at most so many jobs are admitted in it at a time; ``None``: any number.
    :param node_maxima: how far elastic nodes may grow, per resource; ``None``: nobody knows.
    :param namespace_labels: of the namespaces that are known, for affinity across namespaces.
    :param default_priority_class: that pods get which name none; empty: there is none.
    :param dry_run: the admission chain is asked about a job before it is admitted.
    :param placeholders: pause pods take the nodes of a job before it is admitted.
    :param withheld: jobs that are not admitted though they fit, and why: what the admission chain
        answered, or what their placeholders wait for. Quota is kept for those in ``reserved``.
    :param reserved: withheld jobs for which room is kept.
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
    troubled_since: float | None = None
    trouble: str = ""
    limit: int | None = None
    node_maxima: Resources | None = None
    namespace_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    default_priority_class: str = ""
    dry_run: bool = False
    placeholders: bool = False
    withheld: Mapping[str, Blocked] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
