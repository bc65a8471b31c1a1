# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI pages (``/openapi/v3``): which fields kinds have, and that this server checks fields itself.

``kubectl apply`` and ``create`` read them before they send anything; ``kubectl explain`` shows them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_priority_spark.embedded.field_types import Schema, type_of, types, with_metadata
from airflow_priority_spark.embedded.kinds import Kind

Data = dict[str, Any]
INDEX = "/openapi/v3"
_REFERENCE = "#/components/schemas/"
_PATCHES = ("json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
_OPTIONS = {
    "post": ("dryRun", "fieldManager", "fieldValidation"),
    "put": ("dryRun", "fieldManager", "fieldValidation"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force"),
}


class OpenApi:
    """The pages for the kinds that are served.

    :param custom: the schemas of those that definitions describe.
    """

    def __init__(self, kinds: Iterable[Kind], custom: Mapping[Kind, Schema]) -> None:
        self._custom = custom
        self._groups: dict[str, list[Kind]] = defaultdict(list)
        for kind in kinds:
            page = f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"
            self._groups[page].append(kind)

    def document(self, path: str) -> Data | None:
        """Return a page, or ``None``."""
        if path == INDEX:
            return {"paths": {name: {"serverRelativeURL": self._address(name)} for name in self._groups}}
        kinds = self._groups.get(path.removeprefix(f"{INDEX}/"))
        return self._page(kinds) if kinds else None

    def _address(self, name: str) -> str:
        """Return where a page is; another hash tells clients that it has changed."""
        text = "".join(f"{kind!r}{self._custom.get(kind)}" for kind in self._groups[name])
        return f"{INDEX}/{name}?hash={hashlib.sha256(text.encode()).hexdigest()}"

    def _page(self, kinds: Iterable[Kind]) -> Data:
        paths: Data = {}
        schemas: Data = {}
        for kind in kinds:
            name = self._add_type(kind, schemas)
            paths |= _paths(kind, name, custom=kind in self._custom)
        info = {"title": "Kubernetes", "version": "v1.36.0+embedded"}
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}

    def _add_type(self, kind: Kind, schemas: Data) -> str:
        """Add a kind's type and all that it refers to; returns its name."""
        if kind in self._custom:
            name = ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])
            own = {**with_metadata(self._custom[kind]), "x-kubernetes-group-version-kind": [_gvk(kind)]}
            waiting: dict[str, Schema] = {name: own}
        else:
            name = type_of(kind)["$ref"]
            waiting = {name: types()[name]}
        while waiting:
            found, schema = waiting.popitem()
            if found not in schemas:
                names: set[str] = set()
                schemas[found] = _published(schema, names)
                waiting |= {other: types()[other] for other in names}
        return name


def _published(schema: Any, names: set[str]) -> Any:
    """Return a schema whose references are those of OpenAPI; their names are added to ``names``."""
    if isinstance(schema, list):
        return [_published(item, names) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    if isinstance(schema.get("$ref"), str):
        names.add(schema["$ref"])
        # Beside a reference nothing else counts, so what does stand beside it wraps it.
        return {"allOf": [{"$ref": _REFERENCE + schema["$ref"]}]}
    return {key: _published(item, names) for key, item in schema.items()}


def _paths(kind: Kind, type_name: str, *, custom: bool) -> Data:
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    place = "/namespaces/{namespace}" if kind.namespaced else ""
    body = {"schema": {"$ref": _REFERENCE + type_name}}
    patches = [name for name in _PATCHES if not (custom and name.startswith("strategic"))]
    content = {
        "post": {"application/json": body},
        "put": {"application/json": body},
        "patch": {f"application/{name}": {"schema": {"type": "object"}} for name in patches},
    }
    verbs = {
        verb: {
            "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in options],
            "requestBody": {"content": content[verb], "required": True},
            "responses": {"200": {"description": "OK", "content": {"application/json": body}}},
            "x-kubernetes-action": verb,
            "x-kubernetes-group-version-kind": _gvk(kind),
        }
        for verb, options in _OPTIONS.items()
    }
    collection = f"{root}{place}/{kind.plural}"
    one = {"put": verbs["put"], "patch": verbs["patch"]}
    return {collection: {"post": verbs["post"]}, f"{collection}/{{name}}": one}


def _gvk(kind: Kind) -> Data:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}
