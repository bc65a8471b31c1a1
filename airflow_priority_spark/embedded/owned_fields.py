# SPDX-License-Identifier: Apache-2.0
"""The fields of an object one by one, as server-side apply owns them: their paths, and what merges at them.

A path is a sequence of steps as ``managedFields`` writes them: ``f:name`` of a field, ``k:{"name":"main"}``
of a list's item, ``v:"x"`` of a member of a set. Lists and maps that are atomic are one field. Source:
structured-merge-diff ``fieldpath``, ``typed``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_priority_spark.embedded.field_types import Schema, field_of, item_of, resolved

Path = tuple[str, ...]
Data = dict[str, Any]
_UNOWNED = ("apiVersion", "kind", "status")
_UNOWNED_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
)


def leaves(value: Any, schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every field that can be owned, with its value."""
    if isinstance(value, Mapping) and (value or not path) and not _is_atomic(schema):
        unowned = _UNOWNED if not path else _UNOWNED_METADATA if path == ("f:metadata",) else ()
        for key, item in value.items():
            if key not in unowned:
                yield from leaves(item, field_of(schema, key), (*path, f"f:{key}"))
    elif isinstance(value, list) and value and _list_type(schema) == "set":
        yield from (((*path, f"v:{json.dumps(item)}"), item) for item in value)
    elif isinstance(value, list) and value and _list_type(schema) == "map":
        for item in value:
            yield from leaves(item, item_of(schema), (*path, f"k:{_key(item, schema)}"))
    else:
        yield path, value


def joined(live: Any, applied: Any, schema: Schema) -> Any:
    """Return what becomes of a value when another is applied to it."""
    if isinstance(applied, Mapping) and isinstance(live, Mapping) and not _is_atomic(schema):
        found = dict(live)
        for name, item in applied.items():
            if item is not None:
                found[name] = joined(live.get(name), item, field_of(schema, name))
        return found
    if isinstance(applied, list) and isinstance(live, list) and _list_type(schema) == "set":
        return [*live, *(item for item in applied if item not in live)]
    if isinstance(applied, list) and isinstance(live, list) and _list_type(schema) == "map":
        return _joined_by_key(live, applied, schema)
    return applied


def _joined_by_key(live: list[Any], applied: list[Any], schema: Schema) -> list[Any]:
    """Join two lists by the keys of their items; what is applied gives the order."""
    before = {_key(item, schema): item for item in live}
    after = {_key(item, schema): item for item in applied}
    found = [joined(before.get(key), item, item_of(schema)) for key, item in after.items()]
    return found + [item for key, item in before.items() if key not in after]


def _is_atomic(schema: Schema) -> bool:
    return "atomic" in (schema.get("x-kubernetes-map-type"), resolved(schema).get("x-kubernetes-map-type"))


def _list_type(schema: Schema) -> str:
    found: str = resolved(schema).get("x-kubernetes-list-type", "atomic")
    return found


def _key(item: Mapping[str, Any], schema: Schema) -> str:
    names = resolved(schema).get("x-kubernetes-list-map-keys", ())
    defaults = resolved(item_of(schema)).get("properties", {})
    return json.dumps({name: item.get(name, defaults.get(name, {}).get("default")) for name in sorted(names)})


def undeclared(value: Any, schema: Schema, path: str = "") -> list[str]:
    """Return what of an applied object its type does not allow, in the words of the API server."""
    kind = resolved(schema)
    if kind.get("x-kubernetes-preserve-unknown-fields") or value is None:
        return []
    if "properties" in kind:
        return _undeclared_fields(value, kind, path)
    wanted = kind.get("type")
    if wanted == "array":
        if not isinstance(value, list):
            return [f"{path}: expected list, got {_shown(value)}"]
        inner = item_of(kind)
        return [
            text for index, item in enumerate(value) for text in undeclared(item, inner, f"{path}[{index}]")
        ]
    if isinstance(value, Mapping) and "additionalProperties" in kind:
        inner = kind["additionalProperties"]
        return [text for name, item in value.items() for text in undeclared(item, inner, f"{path}.{name}")]
    return _wrong_scalar(value, wanted, path)


def _undeclared_fields(value: Any, kind: Schema, path: str) -> list[str]:
    if not isinstance(value, Mapping):
        return [f"{path}: expected map, got {_shown(value)}"]
    found = []
    for name, item in value.items():
        if name in kind["properties"]:
            found += undeclared(item, kind["properties"][name], f"{path}.{name}")
        else:
            found.append(f"{path}.{name}: field not declared in schema")
    return found


def _wrong_scalar(value: Any, wanted: str | None, path: str) -> list[str]:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted == "string" and not isinstance(value, str):
        return [f"{path}: expected string, got {_shown(value)}"]
    if wanted in ("integer", "number") and not numeric:
        name = {str: "string", bool: "boolean", list: "list", dict: "map"}.get(type(value), "null")
        return [f"{path}: expected numeric (int or float), got {name}"]
    if wanted == "boolean" and not isinstance(value, bool):
        return [f"{path}: expected boolean, got {_shown(value)}"]
    return []


def _shown(value: Any) -> str:
    return f"&value.valueUnstructured{{Value:{json.dumps(value)}}}"


def as_tree(paths: Iterable[Path]) -> Data:
    """Return paths as ``fieldsV1`` holds them."""
    tree: Data = {}
    for path in sorted(paths):
        place = tree
        for part in path:
            place = place.setdefault(part, {})
    return tree


def as_paths(tree: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Yield the paths that ``fieldsV1`` holds."""
    for part, inner in tree.items():
        if inner:
            yield from as_paths(inner, (*path, part))
        else:
            yield (*path, part)


def as_text(path: Path) -> str:
    """Return a path as messages tell it: ``.spec.containers[name="main"].image``."""
    text = ""
    for part in path:
        kind, _, name = part.partition(":")
        if kind == "f":
            text += f".{name}"
        elif kind == "k":
            pairs = ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(name).items())
            text += f"[{pairs}]"
        else:
            text += f"[={name}]"
    return text


def drop(data: Any, path: Path) -> None:
    """Remove a field, and what it leaves empty."""
    place, steps = data, []
    for part in path[:-1]:
        steps.append((place, part))
        place = _step(place, part)
        if place is None:
            return
    _remove(place, path[-1])
    for parent, part in reversed(steps):
        if not _step(parent, part):
            _remove(parent, part)


def _step(place: Any, part: str) -> Any:
    kind, _, name = part.partition(":")
    if kind == "f":
        return place.get(name) if isinstance(place, dict) else None
    key = json.loads(name)
    return next((item for item in place or () if _has(item, key)), None)


def _has(item: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    return all(item.get(name) == value for name, value in key.items())


def _remove(place: Any, part: str) -> None:
    kind, _, name = part.partition(":")
    if kind == "f":
        place.pop(name, None)
    elif kind == "v":
        place[:] = [item for item in place if item != json.loads(name)]
    else:
        place[:] = [item for item in place if not _has(item, json.loads(name))]
