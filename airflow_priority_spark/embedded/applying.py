# SPDX-License-Identifier: Apache-2.0
"""Server-side apply: who owns which field, what conflicts, and what goes when its owner no longer names it.

Ownership is written down from an object's first apply on; what was there before belongs to
``before-first-apply``, as upstream does for objects that have no ownership yet. Source: structured-merge-diff
``merge/update.go`` and apimachinery ``pkg/util/managedfields``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_priority_spark.embedded.errors import ApiError, bad_request, invalid_options
from airflow_priority_spark.embedded.objects import timestamp
from airflow_priority_spark.embedded.patches import MERGE_KEYS, strategic_merge_patch

Path = tuple[str, ...]
Data = dict[str, Any]
BEFORE = "before-first-apply"
UPDATER = "unknown"
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


def check_apply(applied: Any, name: str, manager: str) -> None:
    """Raise ``ApiError`` 400 or 422 when an apply patch cannot be one."""
    if not manager:
        cause = ("fieldManager", "Required value: is required for apply patch", "FieldValueRequired")
        raise invalid_options("PatchOptions", cause)
    if not isinstance(applied, dict):
        raise bad_request("error decoding YAML: expected an object")
    found = (applied.get("metadata") or {}).get("name", name)
    if not applied.get("kind") or not applied.get("apiVersion"):
        group, _, version = (applied.get("apiVersion") or "").rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={applied.get('kind') or ''}")
    if found != name:
        raise bad_request(f"the name of the object ({found}) does not match the name on the URL ({name})")


def apply(live: Data | None, applied: Data, manager: str, *, force: bool) -> Data:
    """Return the object after an apply, with its ``managedFields``; raises ``ApiError`` 409 on conflicts."""
    owners = _owners(live)
    mine_before = owners.get((manager, "Apply"), set())
    mine = {path for path, _ in _leaves(applied)}
    values = dict(_leaves(live or {}))
    wanted = dict(_leaves(applied))
    others = {who: paths for who, paths in owners.items() if who != (manager, "Apply")}
    contested = {
        who: lost
        for who, paths in others.items()
        if (lost := {path for path in paths & mine if values.get(path) != wanted[path]})
    }
    if contested and not force:
        raise _conflict(contested)
    for who, lost in contested.items():
        others[who] = others[who] - lost
    kept = set().union(*others.values())
    result = strategic_merge_patch(copy.deepcopy(live or {}), applied)
    for path in sorted(mine_before - mine - kept, key=len, reverse=True):
        _drop(result, path)
    return _owned(result, {**others, (manager, "Apply"): mine}, live)


def after_update(old: Data, new: Data) -> Data:
    """Return an updated object whose changed fields belong to the updater from now on."""
    owners, before, after = _owners(old), dict(_leaves(old)), dict(_leaves(new))
    changed = {path for path, value in after.items() if before.get(path) != value}
    for who in owners:
        owners[who] = {path for path in owners[who] if path in after and path not in changed}
    if changed:
        owners[UPDATER, "Update"] = owners.get((UPDATER, "Update"), set()) | changed
    return _owned(new, owners, old)


def _owners(live: Data | None) -> dict[tuple[str, str], set[Path]]:
    if live is None:
        return {}
    entries = live["metadata"].get("managedFields")
    if entries is None:
        return {(BEFORE, "Update"): {path for path, _ in _leaves(live)}}
    return {(one["manager"], one["operation"]): set(_paths(one["fieldsV1"])) for one in entries}


def _owned(data: Data, owners: Mapping[tuple[str, str], set[Path]], live: Data | None) -> Data:
    before = {
        (one["manager"], one["operation"]): one
        for one in ((live or {}).get("metadata") or {}).get("managedFields") or ()
    }
    entries = []
    for (manager, operation), paths in owners.items():
        entry = {
            "manager": manager,
            "operation": operation,
            "apiVersion": data.get("apiVersion", ""),
            "fieldsType": "FieldsV1",
            "fieldsV1": _fields(paths),
        }
        known = before.get((manager, operation), {})
        same = known.get("fieldsV1") == entry["fieldsV1"]
        if paths or operation == "Apply":
            entries.append({**entry, "time": known["time"] if same else timestamp()})
    return {**data, "metadata": {**data["metadata"], "managedFields": entries}}


def _conflict(contested: Mapping[tuple[str, str], set[Path]]) -> ApiError:
    causes, texts = [], []
    for (manager, operation), paths in sorted(contested.items()):
        who = f'"{manager}"' + (" using v1" if operation == "Update" else "")
        shown = sorted(_shown(path) for path in paths)
        causes += [
            {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": field}
            for field in shown
        ]
        texts.append(
            f"conflict with {who}: {shown[0]}"
            if len(shown) == 1
            else f"conflicts with {who}:\n" + "\n".join(f"- {field}" for field in shown)
        )
    count = f"{len(causes)} conflict" + ("s" if len(causes) > 1 else "")
    return ApiError(409, "Conflict", f"Apply failed with {count}: " + "\n".join(texts), {"causes": causes})


def _shown(path: Path) -> str:
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


def _leaves(value: Any, field: str = "", path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and (value or not path):
        for key, item in value.items():
            unowned = _UNOWNED if not path else _UNOWNED_METADATA if path == ("f:metadata",) else ()
            if key not in unowned:
                yield from _leaves(item, key, (*path, f"f:{key}"))
    elif isinstance(value, list) and value and field == "finalizers":
        yield from (((*path, f"v:{json.dumps(item)}"), item) for item in value)
    elif isinstance(value, list) and value and field in MERGE_KEYS and isinstance(value[0], Mapping):
        key = MERGE_KEYS[field]
        for item in value:
            step = "k:" + json.dumps({key: item.get(key)})
            yield from _leaves(item, "", (*path, step))
    else:
        yield path, value


def _fields(paths: set[Path]) -> Data:
    tree: Data = {}
    for path in sorted(paths):
        place = tree
        for part in path:
            place = place.setdefault(part, {})
    return tree


def _paths(tree: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    for part, inner in tree.items():
        if inner:
            yield from _paths(inner, (*path, part))
        else:
            yield (*path, part)


def _drop(data: Any, path: Path) -> None:
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
    return next((item for item in place or () if key.items() <= item.items()), None)


def _remove(place: Any, part: str) -> None:
    kind, _, name = part.partition(":")
    if kind == "f":
        place.pop(name, None)
    elif kind == "v":
        place[:] = [item for item in place if item != json.loads(name)]
    else:
        place[:] = [item for item in place if not json.loads(name).items() <= item.items()]
