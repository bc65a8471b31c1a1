# SPDX-License-Identifier: Apache-2.0
"""What a ResourceQuota may say, and which pods its scopes are about.

Sources: kubernetes ``pkg/apis/core/validation`` (ValidateResourceQuotaSpec) and
``pkg/quota/v1/evaluator/core/pods.go`` (podMatchesScopeFunc).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_priority_spark.embedded import quantities
from airflow_priority_spark.embedded.errors import Cause

Object = Mapping[str, Any]
INVALID = "FieldValueInvalid"
_SCOPES = (
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
)
_OPPOSITES = (("Terminating", "NotTerminating"), ("BestEffort", "NotBestEffort"))
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = (
    "pods",
    "services",
    "configmaps",
    "secrets",
    "persistentvolumeclaims",
    "resourcequotas",
    "replicationcontrollers",
    "services.nodeports",
    "services.loadbalancers",
)
_KNOWN = (*_COMPUTE, *_COUNTED, "storage")


def matches_scopes(quota: Object, pod: Object) -> bool:
    """Whether a pod is one that a quota counts."""
    spec = quota.get("spec") or {}
    wanted = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    wanted += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return all(_matches(expression, pod) for expression in wanted)


def has_scopes(quota: Object) -> bool:
    """Whether a quota is about some pods only."""
    spec = quota.get("spec") or {}
    return bool(spec.get("scopes") or (spec.get("scopeSelector") or {}).get("matchExpressions"))


def _matches(expression: Object, pod: Object) -> bool:
    spec, scope = pod["spec"], expression["scopeName"]
    if scope in ("Terminating", "NotTerminating"):
        return (spec.get("activeDeadlineSeconds") is not None) == (scope == "Terminating")
    if scope in ("BestEffort", "NotBestEffort"):
        return (pod["status"].get("qosClass") == "BestEffort") == (scope == "BestEffort")
    if scope == "CrossNamespacePodAffinity":
        return _looks_elsewhere(spec)
    name, values = spec.get("priorityClassName", ""), expression.get("values") or ()
    return {
        "In": name in values,
        "NotIn": name not in values,
        "Exists": bool(name),
        "DoesNotExist": not name,
    }[expression["operator"]]


def _looks_elsewhere(spec: Object) -> bool:
    affinity = spec.get("affinity") or {}
    terms: list[Object] = []
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [item["podAffinityTerm"] for item in preferred]
    return any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms)


def quota_causes(quota: Object) -> list[Cause]:
    """Return what is wrong with a quota."""
    spec = quota.get("spec") or {}
    causes: list[Cause] = []
    for name, amount in quantities.parse_all(spec.get("hard")).items():
        causes += _amount_causes(name, amount)
    return causes + _scope_causes(spec)


def _amount_causes(name: str, amount: quantities.Quantity) -> list[Cause]:
    field = f"spec.hard[{name}]"
    bare = name.removeprefix("requests.").removeprefix("limits.")
    if "/" not in name and name not in _KNOWN and bare not in _KNOWN:
        return [
            (field, f'Invalid value: "{name}": {why}', INVALID)
            for why in (
                "must be a standard resource type or fully qualified",
                "must be a standard resource for quota",
            )
        ]
    if amount.nanos < 0:
        return [(field, f'Invalid value: "{amount}": must be greater than or equal to 0', INVALID)]
    if name in _COUNTED and amount.nanos % quantities.NANO:
        return [(field, f'Invalid value: "{amount}": must be an integer', INVALID)]
    return []


def _scope_causes(spec: Object) -> list[Cause]:
    scopes = list(spec.get("scopes") or ())
    shown = json.dumps(scopes, separators=(",", ":"))
    causes: list[Cause] = []
    for scope in scopes:
        if scope not in _SCOPES:
            causes.append(("spec.scopes", f"Invalid value: {shown}: unsupported scope", INVALID))
        elif scope == "BestEffort" and set(spec.get("hard") or {}) - {"pods", "count/pods"}:
            why = "unsupported scope applied to resource"
            causes.append(("spec.scopes", f"Invalid value: {shown}: {why}", INVALID))
    if any(set(pair) <= set(scopes) for pair in _OPPOSITES):
        causes.append(("spec.scopes", f"Invalid value: {shown}: conflicting scopes", INVALID))
    return causes
