# SPDX-License-Identifier: Apache-2.0
"""LimitRange: fills in what containers do not say, then refuses what is out of bounds.

Admission asks it before the quota, which therefore counts the defaults. Source: kubernetes
``plugin/pkg/admission/limitranger/admission.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_priority_spark.embedded.objects import Object
from airflow_priority_spark.embedded.pods import Resources, container_resources, pod_limits, pod_requests
from airflow_priority_spark.embedded.quantities import NANO, ZERO, Quantity, parse_all, printed

ANNOTATION = "kubernetes.io/limit-ranger"
Limit = Mapping[str, Any]


def fill_in_limits(limits: list[dict[str, Any]]) -> None:
    """Complete a LimitRange's spec: a maximum is the default limit, which is the default request."""
    for limit in limits:
        if limit.get("type") != "Container":
            continue
        default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
        asked = {**(limit.get("min") or {}), **default, **(limit.get("defaultRequest") or {})}
        for name, amount in (limit.get("min") or {}).items():
            if name not in default and name not in (limit.get("defaultRequest") or {}):
                asked[name] = amount
        for field, amounts in (("default", default), ("defaultRequest", asked)):
            if amounts:
                limit[field] = amounts


def apply_defaults(pod: dict[str, Any], limits: Iterable[Limit]) -> None:
    """Give the containers of a new pod the defaults of one LimitRange, and say so in its annotation."""
    default: dict[str, Any] = {}
    asked: dict[str, Any] = {}
    for limit in limits:
        if limit["type"] == "Container":
            default |= limit.get("default") or {}
            asked |= limit.get("defaultRequest") or {}
    told = []
    for group, word in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(group) or ():
            resources = container.setdefault("resources", {})
            for field, amounts, name in (("requests", asked, "request"), ("limits", default, "limit")):
                if missing := sorted(set(amounts) - set(resources.get(field) or {})):
                    resources[field] = {
                        **(resources.get(field) or {}),
                        **{key: amounts[key] for key in missing},
                    }
                    told.append(f"{', '.join(missing)} {name} for {word} {container['name']}")
    if told:
        metadata = pod["metadata"]
        said = f"LimitRanger plugin set: {'; '.join(told)}"
        metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION: said}


def pod_violations(pod: Object, limits: Iterable[Limit]) -> list[str]:
    """Return the sentences about what is out of the bounds of one LimitRange."""
    spec = pod["spec"]
    found: list[str] = []
    for limit in limits:
        if limit["type"] == "Container":
            for container in [*spec["containers"], *(spec.get("initContainers") or ())]:
                asked, allowed = (container_resources(container, which) for which in ("requests", "limits"))
                found += _outside(limit, "Container", asked, allowed)
        elif limit["type"] == "Pod":
            found += _outside(limit, "Pod", pod_requests(spec), pod_limits(spec))
    return found


def claim_violations(claim: Object, limits: Iterable[Limit]) -> list[str]:
    """Return the sentences about a claim that is too small or too large."""
    asked = parse_all(((claim["spec"].get("resources")) or {}).get("requests"))
    found = []
    for limit in limits:
        if limit["type"] == "PersistentVolumeClaim":
            low, high = parse_all(limit.get("min")), parse_all(limit.get("max"))
            kind = "PersistentVolumeClaim"
            found += [m for name, bound in low.items() for m in _below(kind, name, bound, asked, asked)]
            found += [
                f"maximum {name} usage per {kind} is {bound}, but request is {asked[name]}"
                for name, bound in high.items()
                if name in asked and asked[name].nanos > bound.nanos
            ]
    return found


def _outside(limit: Limit, kind: str, asked: Resources, allowed: Resources) -> Iterator[str]:
    for name, bound in parse_all(limit.get("min")).items():
        yield from _below(kind, name, bound, asked, allowed)
    for name, bound in parse_all(limit.get("max")).items():
        yield from _above(kind, name, bound, asked, allowed)
    for name, ratio in parse_all(limit.get("maxLimitRequestRatio")).items():
        yield from _stretched(kind, name, ratio, asked, allowed)


def _below(kind: str, name: str, bound: Quantity, asked: Resources, allowed: Resources) -> Iterator[str]:
    head = f"minimum {name} usage per {kind} is {bound}"
    if name not in asked:
        yield f"{head}.  No request is specified"
    elif asked[name].nanos < bound.nanos:
        yield f"{head}, but request is {asked[name]}"
    elif name in allowed and allowed[name].nanos < bound.nanos:
        yield f"{head}, but limit is {allowed[name]}"


def _above(kind: str, name: str, bound: Quantity, asked: Resources, allowed: Resources) -> Iterator[str]:
    head = f"maximum {name} usage per {kind} is {bound}"
    if name not in allowed:
        yield f"{head}.  No limit is specified"
    elif allowed[name].nanos > bound.nanos:
        yield f"{head}, but limit is {allowed[name]}"
    elif name in asked and asked[name].nanos > bound.nanos:
        yield f"{head}, but request is {asked[name]}"


def _stretched(kind: str, name: str, ratio: Quantity, asked: Resources, allowed: Resources) -> Iterator[str]:
    head = f"{name} max limit to request ratio per {kind} is {ratio}"
    if not asked.get(name, ZERO).nanos:
        yield f"{head}, but no request is specified or request is 0"
    elif not allowed.get(name, ZERO).nanos:
        yield f"{head}, but no limit is specified or limit is 0"
    else:
        provided = allowed[name].nanos / asked[name].nanos
        if provided > ratio.nanos / NANO:
            yield f"{head}, but provided ratio is {provided:f}"


def canonical(limits: list[dict[str, Any]]) -> None:
    """Print the quantities of a LimitRange as the API server does."""
    for limit in limits:
        for field in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            if limit.get(field):
                limit[field] = printed(parse_all(limit[field]))
