# SPDX-License-Identifier: Apache-2.0
"""What the API server refuses to store: the mistakes a person can make in a manifest, with its sentences.

Source: kubernetes ``pkg/apis/core/validation/validation.go`` and its siblings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airflow_priority_spark.embedded import quantities
from airflow_priority_spark.embedded.definition_rules import definition_causes
from airflow_priority_spark.embedded.errors import Cause, invalid
from airflow_priority_spark.embedded.kinds import (
    CLAIMS,
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DISRUPTION_BUDGETS,
    EVENTS,
    LEASES,
    LIMIT_RANGES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    RUNTIME_CLASSES,
    SECRETS,
    SERVICES,
    Kind,
)
from airflow_priority_spark.embedded.naming import (
    CONFIG_KEY_TEXT,
    LABEL_TEXT,
    is_label,
    key_faults,
    label_causes,
)
from airflow_priority_spark.embedded.quota_rules import quota_causes

Data = Mapping[str, Any]
INVALID, REQUIRED, FORBIDDEN = "FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden"
_STANDARD = ("cpu", "memory", "ephemeral-storage", "storage")
# Of a ConfigMap or Secret.
_MOST_BYTES = 1 << 20
_HIGHEST_PRIORITY = 1_000_000_000


def check(kind: Kind, data: Data) -> None:
    """Raise ``ApiError`` 422 when an object is not valid."""
    metadata = data["metadata"]
    causes = label_causes("metadata.labels", metadata.get("labels"))
    causes += _finalizer_causes(metadata.get("finalizers") or ())
    causes += _owner_causes(metadata.get("ownerReferences") or ())
    causes += _CHECKS[kind](data) if kind in _CHECKS else []
    if causes:
        raise invalid(kind, metadata["name"], causes)


def _finalizer_causes(names: Iterable[str]) -> list[Cause]:
    standard = ("foregroundDeletion", "orphan", "kubernetes")
    why = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        (f"metadata.finalizers[{index}]", f'Invalid value: "{name}": {why}', INVALID)
        for index, name in enumerate(names)
        if "/" not in name and name not in standard
    ]


def _owner_causes(references: Iterable[Data]) -> list[Cause]:
    controllers = [one for one in references if one.get("controller")]
    if len(controllers) > 1:
        return [_two_controllers(list(references), controllers)]
    return [
        (f"metadata.ownerReferences.{field}", 'Invalid value: "": must not be empty', INVALID)
        for reference in references
        for field in ("apiVersion", "kind", "name", "uid")
        if not reference.get(field)
    ]


def _two_controllers(references: list[Data], controllers: list[Data]) -> Cause:
    first, second = (f"{one['kind']}/{one['name']}" for one in controllers[:2])
    why = (
        "Only one reference can have Controller set to true. "
        f'Found "true" in references for {first} and {second}'
    )
    shown = json.dumps(references, separators=(",", ":"))
    return "metadata.ownerReferences", f"Invalid value: {shown}: {why}", INVALID


def _config_map(data: Data) -> list[Cause]:
    size = sum(len(value) for part in ("data", "binaryData") for value in (data.get(part) or {}).values())
    return _keys(data) + (_too_large("[]") if size > _MOST_BYTES else [])


def _secret(data: Data) -> list[Cause]:
    size = sum(len(value) * 3 // 4 for value in (data.get("data") or {}).values())
    return _keys(data) + (_too_large("data") if size > _MOST_BYTES else [])


def _keys(data: Data) -> list[Cause]:
    return [
        (f"data[{key}]", f'Invalid value: "{key}": {CONFIG_KEY_TEXT}', INVALID)
        for key in data.get("data") or {}
        if not re.fullmatch("[-._a-zA-Z0-9]+", key)
    ]


def _too_large(field: str) -> list[Cause]:
    return [(field, f"Too long: may not be more than {_MOST_BYTES} bytes", "FieldValueTooLong")]


def _service(data: Data) -> list[Cause]:
    spec = data["spec"]
    if not spec.get("ports") and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        return [("spec.ports", "Required value", REQUIRED)]
    return []


def _event(data: Data) -> list[Cause]:
    about = (data.get("involvedObject") or {}).get("namespace", "")
    if about and about != data["metadata"]["namespace"]:
        why = f'Invalid value: "{about}": does not match event.namespace'
        return [("involvedObject.namespace", why, INVALID)]
    return []


def _lease(data: Data) -> list[Cause]:
    duration = (data.get("spec") or {}).get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        return [("spec.leaseDurationSeconds", f"Invalid value: {duration}: must be greater than 0", INVALID)]
    return []


def _claim(data: Data) -> list[Cause]:
    asked = ((data.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return [] if "storage" in asked else [("spec.resources[storage]", "Required value", REQUIRED)]


def _priority_class(data: Data) -> list[Cause]:
    name, value = data["metadata"]["name"], data.get("value", 0)
    causes: list[Cause] = []
    if name.startswith("system-"):
        why = "priority class names with 'system-' prefix are reserved for system use only. error: "
        why += f"{name} is not a known system priority class"
        causes.append(("metadata.name", f"Forbidden: {why}", FORBIDDEN))
    elif value > _HIGHEST_PRIORITY:
        why = f"maximum allowed value of a user defined priority is {_HIGHEST_PRIORITY}"
        causes.append(("value", f"Forbidden: {why}", FORBIDDEN))
    return causes + _choice("preemptionPolicy", data.get("preemptionPolicy"), "PreemptLowerPriority", "Never")


def _disruption_budget(data: Data) -> list[Cause]:
    spec = data["spec"]
    bounds = [name for name in ("minAvailable", "maxUnavailable") if spec.get(name) is not None]
    if len(bounds) > 1:
        shown = json.dumps(spec, separators=(",", ":"))
        return [
            ("spec", f"Invalid value: {shown}: minAvailable and maxUnavailable cannot be both set", INVALID)
        ]
    return [cause for name in bounds for cause in _amount_or_share(f"spec.{name}", spec[name])]


def _amount_or_share(field: str, value: int | str) -> list[Cause]:
    if isinstance(value, int):
        why = f"Invalid value: {value}: must be greater than or equal to 0"
        return [] if value >= 0 else [(field, why, INVALID)]
    text = (
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
        "regex used for validation is '[0-9]+%')"
    )
    return [] if re.fullmatch("[0-9]+%", value) else [(field, f'Invalid value: "{value}": {text}', INVALID)]


def _runtime_class(data: Data) -> list[Cause]:
    return [] if data.get("handler") else [("handler", "Required value", REQUIRED)]


def _node(data: Data) -> list[Cause]:
    taints = (data.get("spec") or {}).get("taints") or ()
    effects = ("NoSchedule", "PreferNoSchedule", "NoExecute")
    return [
        cause
        for index, taint in enumerate(taints)
        for cause in _choice(f"metadata.taints[{index}].effect", taint.get("effect"), *effects)
    ]


def _choice(field: str, value: Any, *allowed: str) -> list[Cause]:
    if value in allowed:
        return []
    listed = ", ".join(f'"{item}"' for item in allowed)
    return [(field, f'Unsupported value: "{value}": supported values: {listed}', "FieldValueNotSupported")]


def _limit_range(data: Data) -> list[Cause]:
    causes: list[Cause] = []
    for index, limit in enumerate(data["spec"]["limits"]):
        field = f"spec.limits[{index}]"
        kind = limit.get("type", "")
        causes += [
            (f"{field}.type", f'Invalid value: "{kind}": {text}', INVALID) for text in key_faults(kind)
        ]
        if kind == "Pod":
            causes += [
                (f"{field}.{part}", "Forbidden: may not be specified when `type` is 'Pod'", FORBIDDEN)
                for part in ("default", "defaultRequest")
                if limit.get(part)
            ]
        causes += _bounds(field, {part: quantities.parse_all(limit.get(part)) for part in _BOUNDS})
    return causes


_BOUNDS = ("min", "max", "default", "defaultRequest", "maxLimitRequestRatio")


def _bounds(field: str, amounts: Mapping[str, Mapping[str, quantities.Quantity]]) -> list[Cause]:
    causes: list[Cause] = []
    names = ("min", "max", "default", "defaultRequest")
    for name in dict.fromkeys(key for part in amounts.values() for key in part):
        low, high, default, asked = (amounts[part].get(name) for part in names)
        pairs = (
            (low, "min", low, high, "min value {} is greater than max value {}"),
            (asked, "defaultRequest", low, asked, "min value {} is greater than default request value {}"),
            (asked, "defaultRequest", asked, high, "default request value {} is greater than max value {}"),
            (
                asked,
                "defaultRequest",
                asked,
                default,
                "default request value {} is greater than default limit value {}",
            ),
            (low, "default", low, default, "min value {} is greater than default value {}"),
            (default, "default", default, high, "default value {} is greater than max value {}"),
        )
        for shown, part, less, more, text in pairs:
            if less is not None and more is not None and less.nanos > more.nanos:
                message = f'Invalid value: "{shown}": {text.format(less, more)}'
                causes.append((f"{field}.{part}[{name}]", message, INVALID))
        ratio = amounts["maxLimitRequestRatio"].get(name)
        if ratio is not None and ratio.nanos < quantities.NANO:
            message = f'Invalid value: "{ratio}": ratio {ratio} is less than 1'
            causes.append((f"{field}.maxLimitRequestRatio[{name}]", message, INVALID))
    return causes


def _pod(data: Data) -> list[Cause]:
    spec = data["spec"]
    if not spec.get("containers"):
        return [("spec.containers", "Required value", REQUIRED)]
    causes: list[Cause] = []
    for group in ("initContainers", "containers"):
        names: list[str] = []
        for index, container in enumerate(spec.get(group) or ()):
            causes += _container(f"spec.{group}[{index}]", container, names)
            names.append(container.get("name", ""))
    causes += _choice("spec.restartPolicy", spec["restartPolicy"], "Always", "OnFailure", "Never")
    causes += label_causes("spec.nodeSelector", spec.get("nodeSelector"))
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        if toleration.get("operator") == "Exists" and toleration.get("value"):
            why = "value must be empty when `operator` is 'Exists'"
            message = f'Invalid value: "{toleration["value"]}": {why}'
            causes.append((f"spec.tolerations[{index}].operator", message, INVALID))
    return causes


def _container(field: str, container: Data, others: list[str]) -> list[Cause]:
    causes: list[Cause] = []
    name = container.get("name", "")
    if not name:
        causes.append((f"{field}.name", "Required value", REQUIRED))
    elif not is_label(name):
        causes.append((f"{field}.name", f'Invalid value: "{name}": {LABEL_TEXT}', INVALID))
    elif name in others:
        causes.append((f"{field}.name", f'Duplicate value: "{name}"', "FieldValueDuplicate"))
    if not container.get("image"):
        causes.append((f"{field}.image", "Required value", REQUIRED))
    resources = container.get("resources") or {}
    for which in ("limits", "requests"):
        causes += _amounts(f"{field}.resources.{which}", resources.get(which))
    return causes + (_requests_and_limits(f"{field}.resources", resources) if not causes else [])


def _amounts(field: str, resources: Data | None) -> list[Cause]:
    causes: list[Cause] = []
    for name, amount in quantities.parse_all(resources).items():
        if name not in _STANDARD and "/" not in name and not name.startswith("hugepages-"):
            for why in (
                "must be a standard resource type or fully qualified",
                "must be a standard resource for containers",
            ):
                causes.append((f"{field}[{name}]", f'Invalid value: "{name}": {why}', INVALID))
        elif amount.nanos < 0:
            message = f'Invalid value: "{amount}": must be greater than or equal to 0'
            causes.append((f"{field}[{name}]", message, INVALID))
    return causes


def _requests_and_limits(field: str, resources: Data) -> list[Cause]:
    requests, limits = (quantities.parse_all(resources.get(which)) for which in ("requests", "limits"))
    causes: list[Cause] = []
    for name, amount in requests.items():
        if name in limits and amount.nanos > limits[name].nanos:
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            causes.append((f"{field}.requests", f'Invalid value: "{amount}": {why}', INVALID))
        elif "/" in name and name not in limits:
            why = "Limit must be set for non overcommitable resources"
            causes.append((f"{field}.limits", f"Required value: {why}", REQUIRED))
    return causes


_CHECKS: dict[Kind, Callable[[Data], list[Cause]]] = {
    CONFIG_MAPS: _config_map,
    SECRETS: _secret,
    SERVICES: _service,
    EVENTS: _event,
    LEASES: _lease,
    CLAIMS: _claim,
    PRIORITY_CLASSES: _priority_class,
    RUNTIME_CLASSES: _runtime_class,
    DISRUPTION_BUDGETS: _disruption_budget,
    NODES: _node,
    LIMIT_RANGES: _limit_range,
    RESOURCE_QUOTAS: quota_causes,
    PODS: _pod,
    CUSTOM_RESOURCE_DEFINITIONS: definition_causes,
}
