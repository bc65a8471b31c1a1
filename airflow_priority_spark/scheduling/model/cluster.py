# SPDX-License-Identifier: Apache-2.0
"""One physical cluster as the watches show it: nodes, pods, quotas, limit ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from airflow_priority_spark.scheduling.model.demand import NO_RESOURCES, Toleration
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
    :param limit: at most so many jobs are admitted in it at a time; ``None``: any number.
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
    limit: int | None = None
