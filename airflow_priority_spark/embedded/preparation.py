# SPDX-License-Identifier: Apache-2.0
"""What the API server fills in and checks before an object is stored.

Only what the project's clients can observe: defaults that change counting or scheduling, and the refusals a
person can meet by writing a wrong manifest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_priority_spark.embedded import quantities
from airflow_priority_spark.embedded.errors import invalid
from airflow_priority_spark.embedded.kinds import (
    NAMESPACES,
    NODES,
    PODS,
    RESOURCE_QUOTAS,
    SERVICES,
    SPARK_APPLICATIONS,
    Kind,
)

Data = dict[str, Any]
Cause = tuple[str, str, str]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_NAME_RULES = {NAMESPACES: (_LABEL, 63, _LABEL_TEXT), SERVICES: (_LABEL_1035, 63, _LABEL_1035_TEXT)}
# ``required`` of the v1beta2 CRD's ``spec``.
_REQUIRED_OF_APPLICATIONS = ("driver", "executor", "sparkVersion", "type")


def check_name(kind: Kind, name: str) -> None:
    """Raise ``ApiError`` 422 when an object of this kind cannot have this name."""
    if not name:
        cause = ("metadata.name", "Required value: name or generateName is required", "FieldValueRequired")
        raise invalid(kind, "", [cause])
    pattern, length, text = _NAME_RULES.get(kind, (_SUBDOMAIN, 253, _SUBDOMAIN_TEXT))
    if len(name) > length:
        text = f"must be no more than {length} characters"
    elif re.fullmatch(pattern, name):
        return
    raise invalid(kind, name, [("metadata.name", f'Invalid value: "{name}": {text}', "FieldValueInvalid")])


def prepare(kind: Kind, data: Data) -> None:
    """Fill in a new object's defaults, in place; raises ``ApiError`` 422 when it is not valid."""
    if kind in _PREPARATIONS:
        _PREPARATIONS[kind](data)


def _refuse(kind: Kind, data: Data, causes: list[Cause]) -> None:
    if causes:
        raise invalid(kind, data["metadata"]["name"], causes)


def _prepare_namespace(data: Data) -> None:
    labels = data["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = data["metadata"]["name"]
    data["spec"] = {"finalizers": ["kubernetes"]}
    data["status"] = {"phase": "Active"}


def _prepare_node(data: Data) -> None:
    data.setdefault("spec", {})
    data["metadata"].setdefault("labels", {}).setdefault("kubernetes.io/hostname", data["metadata"]["name"])


def _prepare_quota(data: Data) -> None:
    spec = data.setdefault("spec", {})
    causes = _quantity_causes("spec.hard", spec.get("hard"))
    # Counting a scoped quota as an unscoped one would flatter or starve silently.
    causes += [
        (
            f"spec.{field}",
            "Forbidden: the embedded cluster does not count quota scopes",
            "FieldValueForbidden",
        )
        for field in ("scopes", "scopeSelector")
        if spec.get(field)
    ]
    _refuse(RESOURCE_QUOTAS, data, causes)


def _prepare_application(data: Data) -> None:
    spec = data.get("spec") or {}
    missing = (
        [f"spec.{field}" for field in _REQUIRED_OF_APPLICATIONS if field not in spec] if spec else ["spec"]
    )
    _refuse(SPARK_APPLICATIONS, data, [(field, "Required value", "FieldValueRequired") for field in missing])


def _prepare_pod(data: Data) -> None:
    spec = data.get("spec") or {}
    if not spec.get("containers"):
        _refuse(PODS, data, [("spec.containers", "Required value", "FieldValueRequired")])
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or ()):
            _refuse(PODS, data, _container_causes(f"spec.{group}[{index}]", container))
            _default_requests_to_limits(container)
    defaults = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "serviceAccountName": "default",
        "enableServiceLinks": True,
        "priority": 0,
        "tolerations": [],
    }
    for field, value in defaults.items():
        spec.setdefault(field, value)
    data["status"] = {"phase": "Pending", "qosClass": _quality_of_service(spec["containers"])}


def _container_causes(field: str, container: Mapping[str, Any]) -> list[Cause]:
    causes: list[Cause] = [
        (f"{field}.{needed}", "Required value", "FieldValueRequired")
        for needed in ("name", "image")
        if not container.get(needed)
    ]
    resources = container.get("resources") or {}
    for which in ("requests", "limits"):
        causes += _quantity_causes(f"{field}.resources.{which}", resources.get(which))
    if not causes:
        causes += _requests_above_limits(f"{field}.resources.requests", resources)
    return causes


def _requests_above_limits(field: str, resources: Mapping[str, Any]) -> list[Cause]:
    requests, limits = (quantities.parse_all(resources.get(which)) for which in ("requests", "limits"))
    return [
        (
            field,
            f'Invalid value: "{amount}": must be less than or equal to {name} limit of {limits[name]}',
            "FieldValueInvalid",
        )
        for name, amount in requests.items()
        if name in limits and amount.nanos > limits[name].nanos
    ]


def _quantity_causes(field: str, resources: Mapping[str, Any] | None) -> list[Cause]:
    causes: list[Cause] = []
    for name, value in (resources or {}).items():
        try:
            quantities.parse(value)
        except ValueError as error:
            causes.append((f"{field}[{name}]", f'Invalid value: "{value}": {error}', "FieldValueInvalid"))
    return causes


def _default_requests_to_limits(container: Data) -> None:
    resources = container.setdefault("resources", {})
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}


def _quality_of_service(containers: list[Data]) -> str:
    resources = [container["resources"] for container in containers]
    if not any(part.get("requests") or part.get("limits") for part in resources):
        return "BestEffort"
    for part in resources:
        limits = part.get("limits") or {}
        if not {"cpu", "memory"} <= limits.keys() or limits != part.get("requests"):
            return "Burstable"
    return "Guaranteed"


_PREPARATIONS: dict[Kind, Callable[[Data], None]] = {
    NAMESPACES: _prepare_namespace,
    NODES: _prepare_node,
    RESOURCE_QUOTAS: _prepare_quota,
    SPARK_APPLICATIONS: _prepare_application,
    PODS: _prepare_pod,
}
