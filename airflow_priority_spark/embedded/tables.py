# SPDX-License-Identifier: Apache-2.0
"""The columns that ``kubectl get`` prints, made by the server, and objects reduced to their metadata.

Source: kubernetes ``pkg/printers/internalversion/printers.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airflow_priority_spark.embedded.application_schema import PRINTER_COLUMNS
from airflow_priority_spark.embedded.kinds import (
    CLAIMS,
    CONFIG_MAPS,
    EVENTS,
    LEASES,
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    ROLES,
    SERVICE_ACCOUNTS,
    SERVICES,
    SPARK_APPLICATIONS,
    Kind,
)
from airflow_priority_spark.embedded.objects import Object, is_terminating, seconds_until

GROUP = "meta.k8s.io/v1"
Cells = Callable[[Object], list[Any]]
# Name, type, format, and 1 for what only ``-o wide`` shows.
Column = tuple[str, str, str, int]


def table(kind: Kind, objects: Sequence[Object], metadata: Mapping[str, Any], include: str) -> dict[str, Any]:
    """Return a Table of objects.

    :param include: ``Metadata`` (default), ``Object`` or ``None``: what each row carries besides its cells.
    """
    columns, cells = _TABLES.get(kind, _CREATED)
    rows = [_row(obj, cells(obj), include) for obj in objects]
    definitions = [
        {"name": name, "type": shape, "format": form, "description": name, "priority": priority}
        for name, shape, form, priority in columns
    ]
    head = {"kind": "Table", "apiVersion": GROUP, "metadata": dict(metadata)}
    return {**head, "columnDefinitions": definitions, "rows": rows}


def partial(obj: Object) -> dict[str, Any]:
    """Return an object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": GROUP, "metadata": obj["metadata"]}


def partial_list(objects: Iterable[Object], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of objects."""
    head = {"kind": "PartialObjectMetadataList", "apiVersion": GROUP, "metadata": dict(metadata)}
    return {**head, "items": [partial(obj) for obj in objects]}


def _row(obj: Object, cells: list[Any], include: str) -> dict[str, Any]:
    if include == "None":
        return {"cells": cells}
    return {"cells": cells, "object": obj if include == "Object" else partial(obj)}


def age(text: str | None) -> str:
    """Return the time since a moment as ``kubectl`` writes it (``duration.HumanDuration``)."""
    if not text:
        return "<unknown>"
    seconds = int(max(-seconds_until(text), 0))
    for limit, unit, letter, part in _AGES:
        if seconds < limit:
            rest = seconds % unit // part[0] if part else 0
            return f"{seconds // unit}{letter}" + (f"{rest}{part[1]}" if part and rest else "")
    return f"{seconds // _YEAR}y"


_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
# Below so many seconds: which unit is shown, and which smaller one beside it.
_AGES: tuple[tuple[int, int, str, tuple[int, str] | None], ...] = (
    (2 * _MINUTE, 1, "s", None),
    (10 * _MINUTE, _MINUTE, "m", (1, "s")),
    (3 * _HOUR, _MINUTE, "m", None),
    (8 * _HOUR, _HOUR, "h", (_MINUTE, "m")),
    (2 * _DAY, _HOUR, "h", None),
    (8 * _DAY, _DAY, "d", (_HOUR, "h")),
    (2 * _YEAR, _DAY, "d", None),
    (8 * _YEAR, _YEAR, "y", (_DAY, "d")),
)


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
    selector = ",".join(f"{key}={value}" for key, value in sorted((spec.get("selector") or {}).items()))
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


def _application(app: Object) -> list[Any]:
    cells = [_at(app, column["jsonPath"]) for column in PRINTER_COLUMNS[:-1]]
    return [_name(app), *cells, _age(app)]


def _at(obj: Any, path: str) -> Any:
    for part in path.strip(".").split("."):
        obj = obj.get(part) if isinstance(obj, Mapping) else None
    return str(obj) if isinstance(obj, int) and not isinstance(obj, bool) else obj


_CREATED: tuple[list[Column], Cells] = (
    [_NAME, ("Created At", "date", "", 0)],
    lambda obj: [_name(obj), obj["metadata"]["creationTimestamp"]],
)
_AGED: tuple[list[Column], Cells] = ([_NAME, _text("Age")], lambda obj: [_name(obj), _age(obj)])
_TABLES: dict[Kind, tuple[list[Column], Cells]] = {
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
    LIMIT_RANGES: _CREATED,
    ROLES: _CREATED,
    SPARK_APPLICATIONS: (
        [_NAME, *((column["name"], column["type"], "", 0) for column in PRINTER_COLUMNS)],
        _application,
    ),
}
