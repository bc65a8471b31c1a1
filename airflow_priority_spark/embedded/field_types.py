# SPDX-License-Identifier: Apache-2.0
"""What fields the built-in kinds have, of which types, and how their lists merge.

Recorded from the OpenAPI pages of a real API server of Kubernetes 1.36 (``tests.cluster.conformance`` with
``--record``), so that the embedded cluster knows every field of a pod and nothing that a pod does not have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from airflow_priority_spark.embedded.kinds import Kind

Schema = Mapping[str, Any]
FILE = Path(__file__).with_name("builtin_types.json")
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
TIMES = (
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
)
_ANYTHING: Schema = {}


@cache
def types() -> Mapping[str, Schema]:
    """Return every type by its name; fields refer to others by ``$ref``."""
    found: dict[str, Schema] = json.loads(FILE.read_text())
    return found


@cache
def _names() -> Mapping[tuple[str, str, str], str]:
    return {
        (one["group"], one["version"], one["kind"]): name
        for name, schema in types().items()
        for one in schema.get("x-kubernetes-group-version-kind", ())
    }


def type_of(kind: Kind) -> Schema:
    """Return the type of a built-in kind's objects, as a reference."""
    return {"$ref": _names()[kind.group, kind.version, kind.kind]}


def resolved(schema: Schema) -> Schema:
    """Return a type itself in place of a reference to it."""
    reference = schema.get("$ref")
    return types()[reference] if reference else schema


def field_of(schema: Schema, name: str) -> Schema:
    """Return the type of a field, or of a map's value; empty when it is not known."""
    schema = resolved(schema)
    known = schema.get("properties", {}).get(name)
    if known is None:
        known = schema.get("additionalProperties")
    return known if isinstance(known, Mapping) else _ANYTHING


def item_of(schema: Schema) -> Schema:
    """Return the type of a list's items; empty when it is not known."""
    found: Schema = resolved(schema).get("items", _ANYTHING)
    return found


def with_metadata(schema: Schema) -> Schema:
    """Return a custom resource's type, which says nothing of its metadata, with that of all objects."""
    properties = {**schema.get("properties", {}), "metadata": {"$ref": METADATA}}
    for name in ("apiVersion", "kind"):
        properties.setdefault(name, {"type": "string"})
    return {**schema, "properties": properties}
