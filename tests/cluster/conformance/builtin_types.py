# SPDX-License-Identifier: Apache-2.0
"""Reads the types of the built-in kinds from an API server's own OpenAPI pages.

The embedded cluster decodes, merges and applies by them. What is written for people (descriptions, examples)
is left out: only names, types and how lists merge are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from airflow_priority_spark.embedded import field_types
from airflow_priority_spark.embedded.kinds import CORE_KINDS, Kind
from tests.cluster.conformance.request import Request
from tests.cluster.conformance.runner import Server

FILE = Path(field_types.FILE)
_REFERENCE = "#/components/schemas/"
_KEPT = (
    "type",
    "format",
    "required",
    "x-kubernetes-group-version-kind",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-preserve-unknown-fields",
)
Schema = Mapping[str, Any]


def record_types(server: Server) -> None:
    """Write the types of the kinds that the embedded cluster serves where it reads them."""
    known: dict[str, Schema] = {}
    for group_version in sorted({_page(kind) for kind in CORE_KINDS}):
        _, body = server.send(Request("", "GET", f"/openapi/v3/{group_version}"), {})
        known |= body["components"]["schemas"]
    wanted = {(kind.group, kind.version, kind.kind) for kind in CORE_KINDS}
    roots = [name for name, schema in known.items() if wanted & set(_kinds(schema))]
    kept = {name: _reduced(known[name]) for name in _reachable(roots, known)}
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(kept[name], separators=(',', ':'), sort_keys=True)}"
        for name in sorted(kept)
    )
    FILE.write_text(f"{{\n{lines}\n}}\n")


def _page(kind: Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _kinds(schema: Schema) -> Iterable[tuple[str, str, str]]:
    for one in schema.get("x-kubernetes-group-version-kind", ()):
        yield one["group"], one["version"], one["kind"]


def _reachable(roots: Iterable[str], known: Mapping[str, Schema]) -> set[str]:
    waiting, found = list(roots), set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(known[name])
    return found


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _references(item)]
    if not isinstance(value, Mapping):
        return []
    own = value.get("$ref")
    names = [own.removeprefix(_REFERENCE)] if isinstance(own, str) else []
    return names + [name for item in value.values() for name in _references(item)]


def _reduced(schema: Schema) -> dict[str, Any]:
    """Return a schema without what is written for people; a reference alone instead of a union of one."""
    if isinstance(schema.get("$ref"), str):
        return {"$ref": schema["$ref"].removeprefix(_REFERENCE)}
    found = {key: schema[key] for key in _KEPT if key in schema}
    if "properties" in schema:
        found["properties"] = {name: _reduced(item) for name, item in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            found[key] = _reduced(schema[key])
    if schema.get("default") not in (None, {}, "", 0):
        found["default"] = schema["default"]
    for union in ("allOf", "oneOf"):
        if union in schema:
            parts = [_reduced(part) for part in schema[union]]
            found |= parts[0] if len(parts) == 1 else {union: parts}
    return found
