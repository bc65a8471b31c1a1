# SPDX-License-Identifier: Apache-2.0
"""What a write may change of an object that exists.

Source: the ``Strategy.PrepareForUpdate`` and ``ValidateUpdate`` of kubernetes ``pkg/registry`` and
``pkg/apis/core/validation``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from airflow_priority_spark.embedded.errors import Cause, invalid
from airflow_priority_spark.embedded.kinds import (
    CONFIG_MAPS,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    ROLE_BINDINGS,
    SECRETS,
    Kind,
)

Data = dict[str, Any]

_IDENTITY = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
# The only fields of a pod's spec that may change.
_MUTABLE_POD_FIELDS = (
    "activeDeadlineSeconds",
    "terminationGracePeriodSeconds",
    "tolerations",
    "schedulingGates",
)
_IMMUTABLE_POD_TEXT = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
    "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)"
)
_FORBIDDEN = "FieldValueForbidden"


def merged(kind: Kind, old: Data, wanted: Data, *, status: bool) -> Data:
    """Keep what a write may not change: identity, and whichever of status and the rest it is not about."""
    if status:
        data = {key: value for key, value in old.items() if key != "status"}
        data |= {"status": wanted["status"]} if "status" in wanted else {}
        metadata = dict(old["metadata"])
    else:
        data = {"apiVersion": kind.api_version, "kind": kind.kind, **wanted}
        metadata = dict(wanted.get("metadata") or {})
        if kind.has_status:
            data.pop("status", None)
            data |= {"status": old["status"]} if "status" in old else {}
    for field in _IDENTITY:
        metadata.pop(field, None)
        metadata |= {field: old["metadata"][field]} if field in old["metadata"] else {}
    for field in [
        name for name in ("labels", "annotations", "finalizers", "ownerReferences") if not metadata.get(name)
    ]:
        metadata.pop(field, None)
    metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
    metadata.pop("generation", None)
    if "generation" in old["metadata"]:
        metadata["generation"] = old["metadata"]["generation"] + (data.get("spec") != old.get("spec"))
    return {**data, "metadata": metadata}


def check_update(kind: Kind, old: Data, new: Data) -> None:
    """Raise ``ApiError`` 422 when a write changes what may not change."""
    causes = _new_finalizers(old, new)
    causes += _CHECKS[kind](old, new) if kind in _CHECKS else []
    if causes:
        raise invalid(kind, old["metadata"]["name"], causes)


def _new_finalizers(old: Data, new: Data) -> list[Cause]:
    if "deletionTimestamp" not in old["metadata"]:
        return []
    before = old["metadata"].get("finalizers") or ()
    added = [name for name in new["metadata"].get("finalizers") or () if name not in before]
    if not added:
        return []
    shown = "[]string{" + ", ".join(f'"{name}"' for name in added) + "}"
    why = f"no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
    return [("metadata.finalizers", f"Forbidden: {why}", _FORBIDDEN)]


def _pod(old: Data, new: Data) -> list[Cause]:
    before, after = old["spec"], new.get("spec") or {}
    for group in ("containers", "initContainers"):
        if len(before.get(group) or ()) != len(after.get(group) or ()):
            what = "containers" if group == "containers" else "initContainers"
            return [(f"spec.{what}", f"Forbidden: pod updates may not add or remove {what}", _FORBIDDEN)]
    return [] if _fixed(before) == _fixed(after) else [("spec", _IMMUTABLE_POD_TEXT, _FORBIDDEN)]


def _fixed(spec: Mapping[str, Any]) -> Data:
    kept = {key: value for key, value in spec.items() if key not in _MUTABLE_POD_FIELDS}
    for group in ("containers", "initContainers"):
        kept[group] = [
            {key: value for key, value in item.items() if key != "image"} for item in spec.get(group) or ()
        ]
    return kept


def _config_map(old: Data, new: Data) -> list[Cause]:
    if not old.get("immutable"):
        return []
    text = "Forbidden: field is immutable when `immutable` is set"
    causes: list[Cause] = [] if new.get("immutable") else [("immutable", text, _FORBIDDEN)]
    changed = [field for field in ("data", "binaryData") if old.get(field) != new.get(field)]
    return causes + [(field, text, _FORBIDDEN) for field in changed]


def _priority_class(old: Data, new: Data) -> list[Cause]:
    text = "Forbidden: may not be changed in an update."
    return [] if old["value"] == new.get("value") else [("value", text, _FORBIDDEN)]


def _quota(old: Data, new: Data) -> list[Cause]:
    before, after = ((data.get("spec") or {}).get("scopes") or [] for data in (old, new))
    if sorted(before) == sorted(after):
        return []
    shown = json.dumps(after, separators=(",", ":"))
    return [("spec.scopes", f"Invalid value: {shown}: field is immutable", "FieldValueInvalid")]


def _binding(old: Data, new: Data) -> list[Cause]:
    if old["roleRef"] == new.get("roleRef"):
        return []
    names = {"APIGroup": "apiGroup", "Kind": "kind", "Name": "name"}
    wanted = {shown: (new.get("roleRef") or {}).get(name) for shown, name in names.items()}
    shown = json.dumps(wanted, separators=(",", ":"))
    return [("roleRef", f"Invalid value: {shown}: cannot change roleRef", "FieldValueInvalid")]


_CHECKS: dict[Kind, Callable[[Data, Data], list[Cause]]] = {
    PODS: _pod,
    CONFIG_MAPS: _config_map,
    SECRETS: _config_map,
    PRIORITY_CLASSES: _priority_class,
    RESOURCE_QUOTAS: _quota,
    ROLE_BINDINGS: _binding,
}
