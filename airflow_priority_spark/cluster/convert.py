# SPDX-License-Identifier: Apache-2.0
"""One JSON object of the Kubernetes API → the small view a decision needs.

Objects are converted when they arrive, once, and the raw JSON is dropped: a cycle over 20,000 pods
then only copies references. What depends on the clock (a terminating pod leaves its quota when its
grace period is over) is kept as an instant next to the view and applied when the picture is taken.

A converter raises only when an object is not what the API promises; it returns ``None`` for an
object that cannot concern a Spark pod.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any, Final, NamedTuple

from airflow_priority_spark.cluster.autoscaling import hint_on_node
from airflow_priority_spark.scheduling.model import (
    NO_RESOURCES,
    LimitItem,
    LimitRangeView,
    NodeView,
    PodScope,
    PodView,
    QuotaScope,
    QuotaView,
    Taint,
    Toleration,
)
from airflow_priority_spark.scheduling.resources import Resources, parse_quantity
from airflow_priority_spark.spark.affinity import affinity_of, looks_elsewhere
from airflow_priority_spark.spark.identity import LABEL_JOB, LABEL_PLACEHOLDER_FOR, LABEL_POD_SET

#: Set by Spark on every pod it makes (``Constants.SPARK_ROLE_LABEL``): ``driver`` or ``executor``.
LABEL_ROLE: Final = "spark-role"
_FINISHED: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod, and the instant from which the quota controller no longer counts it (``None``: it counts)."""

    view: PodView
    quota_deadline: float | None = None

    def at(self, now: float) -> PodView:
        """Return the view as it is at ``now`` (POSIX seconds)."""
        if self.quota_deadline is None or now <= self.quota_deadline:
            return self.view
        return replace(self.view, counts_quota=False)


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node, and the sign of an autoscaler found on it (empty: none)."""

    view: NodeView
    autoscaler: str = ""


def pod(raw: Mapping[str, Any]) -> PodRecord:
    """Convert a pod.

    Source of the quota rule: ``QuotaV1Pod`` in ``k8s.io/kubernetes pkg/quota/v1/evaluator/core/pods.go``.
    """
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    labels = metadata.get("labels") or {}
    node, active = spec.get("nodeName") or None, status.get("phase") not in _FINISHED
    affinity = affinity_of(spec, labels, strict=False)
    placeholder = LABEL_PLACEHOLDER_FOR in labels
    grace = metadata.get("deletionGracePeriodSeconds")
    deleted = instant(metadata.get("deletionTimestamp"))
    view = PodView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        node=node,
        requests=pod_amounts(spec, "requests"),
        limits=pod_amounts(spec, "limits"),
        job_id=labels.get(LABEL_PLACEHOLDER_FOR if placeholder else LABEL_JOB),
        pod_set=labels.get(LABEL_POD_SET) or labels.get(LABEL_ROLE),
        counts_quota=active,
        # A gated pod asks for no node until somebody opens its gates, perhaps never.
        counts_node=active and not (node is None and spec.get("schedulingGates")),
        node_selector=tuple(sorted((spec.get("nodeSelector") or {}).items())),
        tolerations=_tolerations(spec.get("tolerations") or ()),
        # Where a bound pod might have gone matters to nobody; whom it keeps away does.
        affinity=affinity if node is None or not affinity.nodes else affinity._replace(nodes=()),
        labels=tuple(sorted((intern(name), value) for name, value in labels.items())),
        scope=_pod_scope(
            spec.get("priorityClassName") or "",
            spec.get("activeDeadlineSeconds") is not None,
            status.get("qosClass") == "BestEffort",
            looks_elsewhere(spec),
        ),
        terminating=deleted is not None,
        placeholder=placeholder,
    )
    return PodRecord(view, deleted + grace if active and deleted and grace is not None else None)


@lru_cache(maxsize=1024)
def _pod_scope(priority_class: str, deadline: bool, best_effort: bool, cross_namespace: bool) -> PodScope:
    """Return what the scopes of quotas look at; the pods of a cluster share few."""
    return PodScope(priority_class, deadline, best_effort, cross_namespace)


def pod_amounts(spec: Mapping[str, Any], which: str) -> Resources:
    """Return a pod's effective requests or limits.

    Containers and restartable init containers run together; an ordinary init container runs alone with the
    restartable ones started before it; the greater of both counts. Pod-level amounts replace the sum. The
    runtime's overhead comes on top (of limits only where there is one).

    Source: ``PodRequests``/``PodLimits`` in ``k8s.io/component-helpers resource/helpers.go``.

    :param which: ``requests`` or ``limits``.
    """
    together, peak = NO_RESOURCES, NO_RESOURCES
    for container in spec.get("initContainers") or ():
        amounts = _amounts_of(container, which)
        if container.get("restartPolicy") == "Always":
            together = together + amounts
            peak = peak.maximum(together)
        else:
            peak = peak.maximum(together + amounts)
    for container in spec.get("containers") or ():
        together = together + _amounts_of(container, which)
    total = together.maximum(peak) if peak else together
    pod_level = _amounts_of(spec, which)
    if pod_level:
        total = Resources({**total.as_dict(), **pod_level.as_dict()})
    overhead = _amounts(tuple((spec.get("overhead") or {}).items()))
    if which == "limits":
        overhead = Resources({name: amount for name, amount in overhead.items() if name in total})
    return total + overhead if overhead else total


def _amounts_of(holder: Mapping[str, Any], which: str) -> Resources:
    return _amounts(tuple(((holder.get("resources") or {}).get(which) or {}).items()))


@lru_cache(maxsize=8192)
def _amounts(quantities: tuple[tuple[str, Any], ...]) -> Resources:
    """Parse a resource list; the pods of a cluster share few shapes, so they share the result too."""
    return Resources.parse(dict(quantities))


@lru_cache(maxsize=4096)
def _toleration(key: str, operator: str, value: str, effect: str) -> Toleration:
    return Toleration(key, "Exists" if operator == "Exists" else "Equal", value, effect)


def _tolerations(raw: Sequence[Mapping[str, Any]]) -> tuple[Toleration, ...]:
    return tuple(
        _toleration(
            item.get("key") or "",
            item.get("operator") or "Equal",
            item.get("value") or "",
            item.get("effect") or "",
        )
        for item in raw
    )


def node(raw: Mapping[str, Any]) -> NodeRecord:
    """Convert a node: it is ready when its ``Ready`` condition is true and it is not cordoned."""
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    conditions = {item.get("type"): item.get("status") for item in status.get("conditions") or ()}
    labels = metadata.get("labels") or {}
    taints = tuple(
        Taint(item["key"], item.get("value") or "", item.get("effect") or "")
        for item in spec.get("taints") or ()
    )
    view = NodeView(
        name=metadata["name"],
        allocatable=_amounts(tuple((status.get("allocatable") or {}).items())),
        labels=labels,
        taints=taints,
        ready=conditions.get("Ready") == "True" and not spec.get("unschedulable"),
        unready_reason=_unready_reason(conditions.get("Ready"), cordoned=bool(spec.get("unschedulable"))),
    )
    return NodeRecord(view, hint_on_node(labels, metadata.get("annotations") or {}, taints))


def _unready_reason(ready: str | None, *, cordoned: bool) -> str:
    if ready == "True":
        return "cordoned" if cordoned else ""
    return "not heard of" if ready == "Unknown" else "not ready"


def quota(raw: Mapping[str, Any]) -> QuotaView:
    """Convert a ResourceQuota.

    The API server admits against ``status.hard`` (``checkRequest`` in ``apiserver
    plugin/pkg/admission/resourcequota/controller.go``), which follows ``spec.hard`` within moments; before
    the first status the wish of ``spec`` is all there is.
    """
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    hard = status.get("hard") or spec.get("hard") or {}
    return QuotaView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        hard=_amounts(tuple(hard.items())),
        used=_amounts(tuple((status.get("used") or {}).items())),
        keys=frozenset(hard),
        scopes=_quota_scopes(spec),
    )


def _quota_scopes(spec: Mapping[str, Any]) -> tuple[QuotaScope, ...]:
    expressions = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    scopes = [QuotaScope(str(scope)) for scope in spec.get("scopes") or ()]
    scopes += [
        QuotaScope(
            str(item.get("scopeName")),
            str(item.get("operator") or "Exists"),
            tuple(sorted(map(str, item.get("values") or ()))),
        )
        for item in expressions
    ]
    return tuple(sorted(scopes))


def limit_range(raw: Mapping[str, Any]) -> LimitRangeView | None:
    """Convert a LimitRange; ``None`` when no item of it is about containers or pods."""
    items = tuple(
        _limit_item(item)
        for item in (raw.get("spec") or {}).get("limits") or ()
        if item.get("type") in ("Container", "Pod")
    )
    metadata = raw["metadata"]
    return LimitRangeView(metadata["namespace"], metadata["name"], items) if items else None


def _limit_item(item: Mapping[str, Any]) -> LimitItem:
    """Convert an item, completed as the API server completes it.

    Source: ``SetDefaults_LimitRangeItem`` in ``pkg/apis/core/v1/defaults.go``: the default limit is the
    maximum where only that is given, the default request is the default limit, else the minimum.
    """
    maximum, minimum, limits, requests = (
        _amounts(tuple((item.get(name) or {}).items()))
        for name in ("max", "min", "default", "defaultRequest")
    )
    if item["type"] == "Container":
        limits = Resources({**maximum.as_dict(), **limits.as_dict()})
        requests = Resources({**minimum.as_dict(), **limits.as_dict(), **requests.as_dict()})
    ratios = tuple(
        (name, parse_quantity(text, name))
        for name, text in sorted((item.get("maxLimitRequestRatio") or {}).items())
    )
    return LimitItem(item["type"], maximum, minimum, limits, requests, ratios)


class NamespaceRecord(NamedTuple):
    """A namespace and its labels, by which affinity terms may name it."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


def namespace(raw: Mapping[str, Any]) -> NamespaceRecord:
    """Convert a namespace."""
    metadata = raw["metadata"]
    return NamespaceRecord(str(metadata["name"]), tuple(sorted((metadata.get("labels") or {}).items())))


def default_priority_class(raw: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return value and name of a PriorityClass that pods get which name none, ``None`` for any other."""
    return (int(raw.get("value") or 0), str(raw["metadata"]["name"])) if raw.get("globalDefault") else None


def instant(timestamp: str | None) -> float | None:
    """Return an RFC 3339 timestamp as POSIX seconds."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None
