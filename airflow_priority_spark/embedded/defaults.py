# SPDX-License-Identifier: Apache-2.0
"""What the API server fills in where an object says nothing.

Only of the kinds served, as far as clients can see it. Source: kubernetes ``pkg/apis/core/v1/defaults.go``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from airflow_priority_spark.embedded import limitranges, quantities
from airflow_priority_spark.embedded.definition_rules import fill_in_definition
from airflow_priority_spark.embedded.deletion import PROTECTED_CLAIM
from airflow_priority_spark.embedded.kinds import (
    CLAIMS,
    CLUSTER_ROLE_BINDINGS,
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DISRUPTION_BUDGETS,
    EVENTS,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    ROLE_BINDINGS,
    SECRETS,
    SERVICES,
    Kind,
)
from airflow_priority_spark.embedded.objects import is_terminating, timestamp

Data = dict[str, Any]

_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
}
_CONTAINER = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}


# The times of a condition that are written even when nobody set them.
_CONDITION_TIMES = {
    PODS: ("lastProbeTime", "lastTransitionTime"),
    NODES: ("lastHeartbeatTime", "lastTransitionTime"),
}


def fill_in_status(kind: Kind, data: Data) -> None:
    """Fill in the defaults of a status that is written on its own path, in place."""
    status = data["status"] = dict(data.get("status") or {})
    times = _CONDITION_TIMES.get(kind)
    if times and status.get("conditions"):
        status["conditions"] = [{**dict.fromkeys(times), **one} for one in status["conditions"]]
    if kind is NODES and status.get("capacity"):
        status.setdefault("allocatable", status["capacity"])


def fill_in(kind: Kind, data: Data) -> None:
    """Fill in an object's defaults, in place."""
    if kind in _DEFAULTS:
        _DEFAULTS[kind](data)


def quality_of_service(pod: Data) -> str:
    """Return ``status.qosClass`` of a pod (component-helpers ``ComputePodQOS``)."""
    resources = [
        part.get("resources") or {}
        for group in ("containers", "initContainers")
        for part in pod["spec"].get(group) or ()
    ]
    if not any(part.get("requests") or part.get("limits") for part in resources):
        return "BestEffort"
    for part in resources:
        limits = part.get("limits") or {}
        requests = {name: (part.get("requests") or {}).get(name) for name in ("cpu", "memory")}
        if {name: limits.get(name) for name in requests} != requests or None in requests.values():
            return "Burstable"
    return "Guaranteed"


def new_pod_status(pod: Data) -> Data:
    """Return the status of a pod that has just been created."""
    status: Data = {"phase": "Pending", "qosClass": quality_of_service(pod)}
    if pod["spec"].get("schedulingGates"):
        gated = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(),
        }
        status["conditions"] = [gated]
    return status


def _namespace(data: Data) -> None:
    labels = data["metadata"]["labels"] = dict(data["metadata"].get("labels") or {})
    labels["kubernetes.io/metadata.name"] = data["metadata"]["name"]
    data["spec"] = {"finalizers": ["kubernetes"]}
    data["status"] = {"phase": "Active"}


def _node(data: Data) -> None:
    data.setdefault("spec", {})
    status = data.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = status["capacity"]


def _quota(data: Data) -> None:
    data.setdefault("spec", {})
    data.setdefault("status", {})


def _limit_range(data: Data) -> None:
    limits = data.setdefault("spec", {}).setdefault("limits", [])
    limitranges.canonical(limits)
    limitranges.fill_in_limits(limits)


def _claim(data: Data) -> None:
    data.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    data["status"] = {"phase": "Pending"}
    if not is_terminating(data):
        finalizers = data["metadata"].get("finalizers") or []
        data["metadata"]["finalizers"] = [*finalizers, *({PROTECTED_CLAIM} - set(finalizers))]


def _config_map(data: Data) -> None:
    for field in ("data", "binaryData"):
        if not data.get(field):
            data.pop(field, None)


def _secret(data: Data) -> None:
    data.setdefault("type", "Opaque")
    plain = data.pop("stringData", None) or {}
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
    if data.get("data") or encoded:
        data["data"] = {**(data.get("data") or {}), **encoded}


def _disruption_budget(data: Data) -> None:
    data.setdefault("spec", {})
    counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    data["status"] = dict.fromkeys(counts, 0)


def _binding(data: Data) -> None:
    for subject in data.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", "rbac.authorization.k8s.io")


def _priority_class(data: Data) -> None:
    data.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _event(data: Data) -> None:
    for name in ("eventTime", "firstTimestamp", "lastTimestamp"):
        data.setdefault(name, None)
    for name in ("reportingComponent", "reportingInstance"):
        data.setdefault(name, "")
    data.setdefault("source", {})


def _service(data: Data) -> None:
    spec = data.setdefault("spec", {})
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec.get("clusterIP") == "None":
        both = not spec.get("selector")
        spec.setdefault("clusterIPs", ["None"])
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if both else ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if both else "SingleStack")
    data["status"] = {"loadBalancer": {}}


def _pod(data: Data) -> None:
    spec = data["spec"] = data.get("spec") or {}
    for field, value in _POD.items():
        spec.setdefault(field, value)
    spec.setdefault("securityContext", {})
    for group in ("initContainers", "containers"):
        for container in spec.get(group) or ():
            _container(container)


def _container(container: Data) -> None:
    for field, value in _CONTAINER.items():
        container.setdefault(field, value)
    if "imagePullPolicy" not in container:
        tag = str(container.get("image", "")).rpartition("/")[2].partition(":")[2]
        newest = tag in ("", "latest") and "@" not in str(container.get("image", ""))
        container["imagePullPolicy"] = "Always" if newest else "IfNotPresent"
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    _resources(container)


def _resources(container: Data) -> None:
    """Make a limit also the request, and print amounts as the API server prints them."""
    resources = container["resources"] = dict(container.get("resources") or {})
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    for which in ("requests", "limits"):
        try:
            if resources.get(which):
                resources[which] = quantities.printed(quantities.parse_all(resources[which]))
        except ValueError:
            return


_DEFAULTS: dict[Kind, Callable[[Data], None]] = {
    NAMESPACES: _namespace,
    NODES: _node,
    RESOURCE_QUOTAS: _quota,
    LIMIT_RANGES: _limit_range,
    CLAIMS: _claim,
    CONFIG_MAPS: _config_map,
    SECRETS: _secret,
    DISRUPTION_BUDGETS: _disruption_budget,
    ROLE_BINDINGS: _binding,
    CLUSTER_ROLE_BINDINGS: _binding,
    PRIORITY_CLASSES: _priority_class,
    EVENTS: _event,
    SERVICES: _service,
    PODS: _pod,
    CUSTOM_RESOURCE_DEFINITIONS: fill_in_definition,
}
