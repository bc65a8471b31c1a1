# SPDX-License-Identifier: Apache-2.0
"""From the body of a request to an object: what it must say, gets, and what its definition makes of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from airflow_priority_spark.embedded import errors
from airflow_priority_spark.embedded.catalog import Catalog
from airflow_priority_spark.embedded.kinds import (
    CUSTOM_RESOURCE_DEFINITIONS,
    DISRUPTION_BUDGETS,
    NAMESPACES,
    PODS,
    PRIORITY_CLASSES,
    Kind,
)
from airflow_priority_spark.embedded.naming import check_name
from airflow_priority_spark.embedded.objects import generated_name, new_uid, timestamp
from airflow_priority_spark.embedded.schemas import faults, prune, with_defaults
from airflow_priority_spark.embedded.store import Record

Data = dict[str, Any]
# Besides custom resources.
_WITH_GENERATION = (PODS, PRIORITY_CLASSES, DISRUPTION_BUDGETS, CUSTOM_RESOURCE_DEFINITIONS)
_NOT_FOR_CLIENTS = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


def new_object(kind: Kind, namespace: str, body: Mapping[str, Any], *, custom: bool) -> Data:
    """Return a new object with its name and identity; raises 400, 422 or 500.

    :param custom: whether a definition describes the kind.
    """
    check_shape(kind, body, custom=custom)
    data = {"apiVersion": kind.api_version, "kind": kind.kind, **copy.deepcopy(dict(body))}
    metadata = data["metadata"] = dict(data.get("metadata") or {})
    if kind.namespaced and metadata.get("namespace") not in (None, "", namespace):
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if metadata.get("resourceVersion"):
        raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")
    prefix = metadata.get("generateName")
    name = metadata.get("name") or (generated_name(prefix) if prefix else "")
    check_name(kind, name)
    # The cluster's own identity is given, and kept.
    given = metadata.get("uid") if kind is NAMESPACES else None
    metadata |= {"name": name, "uid": given or new_uid(), "creationTimestamp": timestamp()}
    if kind.namespaced:
        metadata["namespace"] = namespace
    if custom or kind in _WITH_GENERATION:
        metadata["generation"] = 1
    for field in _NOT_FOR_CLIENTS:
        metadata.pop(field, None)
    return data


def defined(catalog: Catalog, kind: Kind, data: Data) -> Data:
    """Prune, complete and check a custom resource as its definition says; raises 422."""
    definition = catalog.definition(kind)
    if definition is None:
        return data
    data = with_defaults(prune(data, definition.schema, []), definition.schema)
    if causes := faults(data, definition.schema):
        raise errors.invalid(kind, data["metadata"]["name"], causes)
    return data


def check_shape(kind: Kind, body: Mapping[str, Any], *, custom: bool) -> None:
    """Raise ``ApiError`` 400 when a body is not one of its kind."""
    version, name = body.get("apiVersion") or "", body.get("kind") or ""
    if custom:
        _check_named(kind, version, name, body)
    elif (version or kind.api_version, name or kind.kind) != (kind.api_version, kind.kind):
        found, wanted = version.rpartition("/")[2], kind.group or "core"
        head = f'{name} in version "{found}" cannot be handled as a {kind.kind}'
        raise errors.bad_request(
            f"{head}: converting ({found}.{name}) to ({wanted}.{kind.kind}): unknown conversion"
        )


def _check_named(kind: Kind, version: str, name: str, body: Mapping[str, Any]) -> None:
    """Raise ``ApiError`` 400 or 422 unless a custom resource says what it is."""
    if not (version and name):
        missing = "Kind" if not name else "apiVersion"
        raise errors.bad_request(f"Object '{missing}' is missing in '{body.get('metadata')}'")
    if version != kind.api_version:
        expected = f"does not match the expected API version ({kind.api_version})"
        raise errors.bad_request(f"the API version in the data ({version}) {expected}")
    if name != kind.kind:
        own = (body.get("metadata") or {}).get("name", "")
        cause = ("kind", f'Invalid value: "{name}": must be {kind.kind}', "FieldValueInvalid")
        error = errors.invalid(kind, own, [cause])
        error.message = error.message.replace(kind.kind, name, 1)
        error.details["kind"] = name
        raise error


def check_same_name(found: str, name: str) -> None:
    """Raise ``ApiError`` 400 when a body names another object than the path."""
    if found != name:
        why = f"the name of the object ({found}) does not match the name on the URL ({name})"
        raise errors.bad_request(why)


def check_version(kind: Kind, name: str, wanted: str | None, record: Record) -> None:
    """Raise ``ApiError`` 409 when a write was made from an older version than the current one."""
    if wanted and wanted != str(record.version):
        raise errors.conflict(kind, name, errors.STALE)
