# SPDX-License-Identifier: Apache-2.0
"""The three patches clients send: merge (RFC 7386), strategic merge, and JSON patch (RFC 6902).

A patch returns a new object; the stored one is shared with watchers and never changes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_priority_spark.embedded.errors import ApiError, bad_request

# Lists that strategic merge joins by a key instead of replacing (``patchMergeKey`` in k8s.io/api).
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "conditions": "type",
    "ownerReferences": "uid",
    "addresses": "type",
    "taints": "key",
    "imagePullSecrets": "name",
}


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


def strategic_merge_patch(target: Any, patch: Any, field: str = "") -> Any:
    """Apply a strategic merge patch: as a merge patch, but keyed lists join by their key."""
    if isinstance(patch, list) and field in MERGE_KEYS:
        return _merge_keyed(target or [], patch, MERGE_KEYS[field])
    if isinstance(patch, list) and field == "finalizers":
        return [*patch, *(item for item in target or [] if item not in patch)]
    if not isinstance(patch, Mapping):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            merged[name] = [item for item in merged.get(name) or [] if item not in value]
            continue
        if key.startswith("$"):
            continue
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = strategic_merge_patch(merged.get(key), value, key)
    return merged


def _merge_keyed(target: Sequence[Any], patch: Sequence[Any], key: str) -> list[Any]:
    """Join two lists by a key; what the patch names comes first, as upstream orders it."""
    merged = {item.get(key): item for item in target}
    named = [item.get(key) for item in patch]
    for item in patch:
        if item.get("$patch") == "delete":
            merged.pop(item.get(key), None)
        else:
            merged[item.get(key)] = strategic_merge_patch(merged.get(item.get(key)), item)
    order = [name for name in named if name in merged] + [name for name in merged if name not in named]
    return [merged[name] for name in order]


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
