# SPDX-License-Identifier: Apache-2.0
"""The three patches clients send: merge (RFC 7386), strategic merge, and JSON patch (RFC 6902).

A patch returns a new object; the stored one is shared with watchers and never changes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_priority_spark.embedded.errors import ApiError, bad_request
from airflow_priority_spark.embedded.field_types import Schema, field_of, item_of


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply an RFC 7386 merge patch: ``null`` removes, objects merge, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_merge_patch(target: Any, patch: Any, schema: Schema) -> Any:
    """Apply a strategic merge patch: as a merge patch, but lists merge as their type says.

    :param schema: the type of what is patched.
    """
    if isinstance(patch, list):
        return _merge_list(target or [], patch, schema)
    if not isinstance(patch, Mapping):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged = dict(target) if isinstance(target, Mapping) else {}
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if not key.startswith("$") and value is None:
            merged.pop(key, None)
        elif not key.startswith("$"):
            merged[key] = strategic_merge_patch(merged.get(key), value, field_of(schema, key))
    _follow_directives(merged, patch, schema)
    return merged


def _follow_directives(merged: dict[str, Any], patch: Mapping[str, Any], schema: Schema) -> None:
    """Take members out of lists, then bring lists into the order a patch wants, in place."""
    for key, members in patch.items():
        directive, _, name = key.partition("/")
        if directive == "$deleteFromPrimitiveList":
            merged[name] = [item for item in merged.get(name) or [] if item not in members]
        elif directive == "$setElementOrder" and merged.get(name):
            merged[name] = _ordered(merged[name], members, field_of(schema, name))


def _merge_list(target: Sequence[Any], patch: Sequence[Any], schema: Schema) -> list[Any]:
    if "merge" not in schema.get("x-kubernetes-patch-strategy", ""):
        return list(patch)
    key = schema.get("x-kubernetes-patch-merge-key")
    if key is None:
        return [*patch, *(item for item in target if item not in patch)]
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    return _merge_keyed(target, patch, key, item_of(schema))


def _merge_keyed(target: Sequence[Any], patch: Sequence[Any], key: str, schema: Schema) -> list[Any]:
    """Join two lists by a key; what the patch names comes first, as upstream orders it."""
    merged = {item.get(key): item for item in target}
    named = [item.get(key) for item in patch]
    for item in patch:
        if item.get("$patch") == "delete":
            merged.pop(item.get(key), None)
        else:
            merged[item.get(key)] = strategic_merge_patch(merged.get(item.get(key)), item, schema)
    order = [name for name in named if name in merged] + [name for name in merged if name not in named]
    return [merged[name] for name in order]


def _ordered(items: Sequence[Any], order: Sequence[Any], schema: Schema) -> list[Any]:
    """Sort a merged list as a patch wants it; what it does not know of stays behind."""
    key = schema.get("x-kubernetes-patch-merge-key")
    wanted = [item.get(key) if key else item for item in order]

    def position(item: Any) -> int:
        own = item.get(key) if key else item
        return wanted.index(own) if own in wanted else len(wanted)

    return sorted(items, key=position)


def json_patch(target: Mapping[str, Any], operations: Any) -> Any:
    """Apply an RFC 6902 patch; raises ``ApiError`` 422 when an operation does not apply."""
    if not isinstance(operations, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        )
    document = copy.deepcopy(dict(target))
    for operation in operations:
        try:
            _apply(document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            message = "the server rejected our request due to an error in our request"
            raise ApiError(422, "Invalid", message) from error
    return document


def _apply(document: Any, operation: Mapping[str, Any]) -> None:
    name = operation["op"]
    if name in ("move", "copy"):
        value = copy.deepcopy(_find(document, operation["from"]))
        if name == "move":
            _remove(document, operation["from"])
        _add(document, operation["path"], value)
    elif name == "test":
        if _find(document, operation["path"]) != operation.get("value"):
            raise ValueError("test failed")
    elif name == "remove":
        _remove(document, operation["path"])
    elif name == "replace":
        # Upstream's library sets a key of an object that is not there.
        _set(document, operation["path"], operation["value"])
    elif name == "add":
        _add(document, operation["path"], operation["value"])
    else:
        raise ValueError(f"unknown operation {name}")


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _find(document: Any, pointer: str) -> Any:
    for part in _parts(pointer):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _parent(document: Any, pointer: str) -> tuple[Any, str]:
    above, _, _ = pointer.rpartition("/")
    return _find(document, above), _parts(pointer)[-1]


def _set(document: Any, pointer: str, value: Any) -> None:
    parent, last = _parent(document, pointer)
    parent[int(last) if isinstance(parent, list) else last] = value


def _add(document: Any, pointer: str, value: Any) -> None:
    parent, last = _parent(document, pointer)
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        parent[last] = value


def _remove(document: Any, pointer: str) -> None:
    parent, last = _parent(document, pointer)
    del parent[int(last) if isinstance(parent, list) else last]
