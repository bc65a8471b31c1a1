# SPDX-License-Identifier: Apache-2.0
"""What ``kubectl get`` shows of each built-in kind.

Source: kubernetes ``pkg/printers/internalversion/printers.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_priority_spark.embedded.ages import age
from airflow_priority_spark.embedded.kinds import (
    CLAIMS,
    CLUSTER_ROLE_BINDINGS,
    CONFIG_MAPS,
    DAEMON_SETS,
    DISRUPTION_BUDGETS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    ROLE_BINDINGS,
    RUNTIME_CLASSES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Kind,
)
from airflow_priority_spark.embedded.objects import Object, is_terminating

Cells = Callable[[Object], list[Any]]
# Name, type, format, and 1 for what only ``-o wide`` shows.
Column = tuple[str, str, str, int]
Form = tuple[list[Column], Cells]


def _age(obj: Object) -> str:
    return age(obj["metadata"].get("creationTimestamp"))


def _name(obj: Object) -> str:
    return obj["metadata"]["name"]


def _text(name: str, wide: int = 0) -> Column:
    return name, "string", "", wide


_NAME: Column = ("Name", "string", "name", 0)


def _pod(pod: Object) -> list[Any]:
    spec, status = pod["spec"], pod.get("status", {})
    found = status.get("containerStatuses") or ()
    ready = sum(1 for one in found if one.get("ready"))
    restarts = sum(one.get("restartCount", 0) for one in found)
    nominated = status.get("nominatedNodeName") or "<none>"
    return [
        _name(pod),
        f"{ready}/{len(spec['containers'])}",
        _pod_status(pod),
        str(restarts),
        _age(pod),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        nominated,
        "<none>",
    ]


def _pod_status(pod: Object) -> str:
    status = pod.get("status", {})
    if is_terminating(pod):
        return "Terminating"
    shown = status.get("reason") or status.get("phase", "")
    for one in status.get("conditions") or ():
        if one["type"] == "PodScheduled" and one.get("reason") == "SchedulingGated":
            shown = "SchedulingGated"
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        for name in ("waiting", "terminated"):
            shown = (state.get(name) or {}).get("reason") or shown
    return shown


def _node(node: Object) -> list[Any]:
    status = node.get("status", {})
    ready = next((one for one in status.get("conditions") or () if one["type"] == "Ready"), None)
    shown = "Unknown" if ready is None else "Ready" if ready["status"] == "True" else "NotReady"
    if node.get("spec", {}).get("unschedulable"):
        shown += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = [
        key.removeprefix(prefix) for key in node["metadata"].get("labels") or {} if key.startswith(prefix)
    ]
    addresses = {one["type"]: one["address"] for one in status.get("addresses") or ()}
    info = status.get("nodeInfo") or {}
    return [
        _name(node),
        shown,
        ",".join(sorted(roles)) or "<none>",
        _age(node),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"),
        addresses.get("ExternalIP", "<none>"),
        *(info.get(name) or "<unknown>" for name in ("osImage", "kernelVersion", "containerRuntimeVersion")),
    ]


def _quota(quota: Object) -> list[Any]:
    status = quota.get("status", {})
    hard, used = status.get("hard") or {}, status.get("used") or {}
    shown: dict[bool, list[str]] = {True: [], False: []}
    for name in sorted(hard):
        shown[name.startswith("limits")].append(f"{name}: {used.get(name, '0')}/{hard[name]}")
    return [_name(quota), ", ".join(shown[False]), ", ".join(shown[True]), _age(quota)]


def _service(service: Object) -> list[Any]:
    spec = service["spec"]
    ports = ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or ())
    selector = _pairs(spec.get("selector"))
    kind, address = spec.get("type", "ClusterIP"), spec.get("clusterIP") or "<none>"
    return [_name(service), kind, address, "<none>", ports or "<none>", _age(service), selector or "<none>"]


def _event(event: Object) -> list[Any]:
    about = event.get("involvedObject") or {}
    first = event.get("firstTimestamp") or event.get("eventTime")
    return [
        age(event.get("lastTimestamp") or first),
        event.get("type", ""),
        event.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        (event.get("source") or {}).get("component", "") or event.get("reportingComponent", ""),
        str(event.get("message", "")).strip(),
        age(first),
        event.get("count", 1),
        _name(event),
    ]


def _claim(claim: Object) -> list[Any]:
    spec, status = claim["spec"], claim.get("status") or {}
    return [
        _name(claim),
        "Terminating" if is_terminating(claim) else status.get("phase", ""),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", ""),
        "",
        spec.get("storageClassName", ""),
        "<unset>",
        _age(claim),
        spec.get("volumeMode", "<unset>"),
    ]


def _priority_class(found: Object) -> list[Any]:
    policy = found.get("preemptionPolicy", "")
    return [_name(found), found["value"], bool(found.get("globalDefault")), _age(found), policy]


def _daemon_set(found: Object) -> list[Any]:
    spec, status = found["spec"], found.get("status") or {}
    template = spec["template"]["spec"]
    fields = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    return [
        _name(found),
        *(status.get(field, 0) for field in fields),
        _pairs(template.get("nodeSelector")) or "<none>",
        _age(found),
        ",".join(container["name"] for container in template["containers"]),
        ",".join(container.get("image", "") for container in template["containers"]),
        _pairs((spec.get("selector") or {}).get("matchLabels")) or "<none>",
    ]


def _role_binding(binding: Object) -> list[Any]:
    role = binding["roleRef"]
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in binding.get("subjects") or ():
        place = f"{subject.get('namespace', '')}/" if subject["kind"] == "ServiceAccount" else ""
        by_kind[subject["kind"]].append(place + subject["name"])
    subjects = [", ".join(names) for names in by_kind.values()]
    return [_name(binding), f"{role['kind']}/{role['name']}", _age(binding), *subjects]


def _budget(budget: Object) -> list[Any]:
    spec, status = budget["spec"], budget.get("status") or {}
    bounds = [str(spec.get(name, "N/A")) for name in ("minAvailable", "maxUnavailable")]
    return [_name(budget), *bounds, status.get("disruptionsAllowed", 0), _age(budget)]


def _pairs(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))


_CREATED: Form = (
    [_NAME, ("Created At", "date", "", 0)],
    lambda obj: [_name(obj), obj["metadata"]["creationTimestamp"]],
)
_AGED: Form = ([_NAME, _text("Age")], lambda obj: [_name(obj), _age(obj)])
_FORMS: dict[Kind, Form] = {
    PODS: (
        [
            _NAME,
            *map(_text, ("Ready", "Status", "Restarts", "Age")),
            *(_text(name, 1) for name in ("IP", "Node", "Nominated Node", "Readiness Gates")),
        ],
        _pod,
    ),
    NODES: (
        [
            _NAME,
            *map(_text, ("Status", "Roles", "Age", "Version")),
            *(
                _text(name, 1)
                for name in ("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime")
            ),
        ],
        _node,
    ),
    NAMESPACES: (
        [_NAME, _text("Status"), _text("Age")],
        lambda obj: [_name(obj), obj["status"]["phase"], _age(obj)],
    ),
    RESOURCE_QUOTAS: ([_NAME, *map(_text, ("Request", "Limit", "Age"))], _quota),
    CONFIG_MAPS: (
        [_NAME, _text("Data"), _text("Age")],
        lambda obj: [
            _name(obj),
            len({**(obj.get("data") or {}), **(obj.get("binaryData") or {})}),
            _age(obj),
        ],
    ),
    SERVICES: (
        [_NAME, *map(_text, ("Type", "Cluster-IP", "External-IP", "Port(s)", "Age")), _text("Selector", 1)],
        _service,
    ),
    EVENTS: (
        [
            *map(_text, ("Last Seen", "Type", "Reason", "Object")),
            _text("Subobject", 1),
            _text("Source", 1),
            _text("Message"),
            _text("First Seen", 1),
            _text("Count", 1),
            ("Name", "string", "name", 1),
        ],
        _event,
    ),
    LEASES: (
        [_NAME, _text("Holder"), _text("Age")],
        lambda obj: [_name(obj), (obj.get("spec") or {}).get("holderIdentity", ""), _age(obj)],
    ),
    CLAIMS: (
        [
            _NAME,
            *map(_text, ("Status", "Volume", "Capacity", "Access Modes", "StorageClass")),
            *map(_text, ("VolumeAttributesClass", "Age")),
            _text("VolumeMode", 1),
        ],
        _claim,
    ),
    PRIORITY_CLASSES: (
        [
            _NAME,
            ("Value", "integer", "", 0),
            ("Global-Default", "boolean", "", 0),
            _text("Age"),
            _text("PreemptionPolicy"),
        ],
        _priority_class,
    ),
    SERVICE_ACCOUNTS: _AGED,
    SECRETS: (
        [_NAME, *map(_text, ("Type", "Data", "Age"))],
        lambda obj: [_name(obj), obj.get("type", ""), len(obj.get("data") or ()), _age(obj)],
    ),
    DAEMON_SETS: (
        [
            _NAME,
            *(
                (name, "integer", "", 0)
                for name in ("Desired", "Current", "Ready", "Up-to-date", "Available")
            ),
            *map(_text, ("Node Selector", "Age")),
            *(_text(name, 1) for name in ("Containers", "Images", "Selector")),
        ],
        _daemon_set,
    ),
    DISRUPTION_BUDGETS: (
        [
            _NAME,
            *map(_text, ("Min Available", "Max Unavailable")),
            ("Allowed Disruptions", "integer", "", 0),
            _text("Age"),
        ],
        _budget,
    ),
    RUNTIME_CLASSES: (
        [_NAME, *map(_text, ("Handler", "Age"))],
        lambda obj: [_name(obj), obj["handler"], _age(obj)],
    ),
    **dict.fromkeys(
        (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS),
        (
            [
                _NAME,
                *map(_text, ("Role", "Age")),
                *(_text(name, 1) for name in ("Users", "Groups", "ServiceAccounts")),
            ],
            _role_binding,
        ),
    ),
}


def form_of(kind: Kind) -> Form:
    """Return the columns of a built-in kind; the name and when it was created where it has no others."""
    return _FORMS.get(kind, _CREATED)
