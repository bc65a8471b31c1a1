# SPDX-License-Identifier: Apache-2.0
"""What a pod asks for, as the scheduler and the quota count it.

Source: k8s.io/component-helpers ``resource/helpers.go`` (PodRequests, PodLimits).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_priority_spark.embedded.objects import Object, timestamp
from airflow_priority_spark.embedded.quantities import ZERO, Quantity, parse_all

Resources = dict[str, Quantity]


def pod_requests(spec: Mapping[str, Any]) -> Resources:
    """Return the larger of all containers together and the hungriest init container, plus the overhead."""
    return add(_effective(spec, "requests"), parse_all(spec.get("overhead")))


def pod_limits(spec: Mapping[str, Any]) -> Resources:
    """Return the same for limits; overhead counts only where there is a limit."""
    limits = _effective(spec, "limits")
    overhead = {name: amount for name, amount in parse_all(spec.get("overhead")).items() if name in limits}
    return add(limits, overhead)


def container_resources(container: Mapping[str, Any], which: str) -> Resources:
    """Return ``requests`` or ``limits`` of one container."""
    return parse_all((container.get("resources") or {}).get(which))


def add(*parts: Mapping[str, Quantity]) -> Resources:
    """Add resource lists."""
    total: Resources = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, ZERO) + amount
    return total


def subtract(whole: Mapping[str, Quantity], part: Mapping[str, Quantity]) -> Resources:
    """Take one resource list from another; what is missing counts as zero."""
    rest = dict(whole)
    for name, amount in part.items():
        rest[name] = rest.get(name, ZERO) - amount
    return rest


def disrupted(pod: Object, reason: str, message: str) -> dict[str, Any]:
    """Return a pod with the condition by which the control plane says why it takes a pod away."""
    status = pod["status"]
    others = [one for one in status.get("conditions") or () if one["type"] != "DisruptionTarget"]
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(),
    }
    return {**pod, "status": {**status, "conditions": [*others, condition]}}


def _effective(spec: Mapping[str, Any], which: str) -> Resources:
    running = add(*(container_resources(container, which) for container in spec.get("containers") or ()))
    started: Resources = {}
    largest: Resources = {}
    for container in spec.get("initContainers") or ():
        own = container_resources(container, which)
        if container.get("restartPolicy") == "Always":
            started = add(started, own)
            running = add(running, own)
            largest = _larger((largest, started))
        else:
            largest = _larger((largest, add(started, own)))
    return _larger((running, largest))


def _larger(parts: Iterable[Resources]) -> Resources:
    result: Resources = {}
    for part in parts:
        for name, amount in part.items():
            if name not in result or amount.nanos > result[name].nanos:
                result[name] = amount
    return result
