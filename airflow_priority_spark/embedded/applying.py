# SPDX-License-Identifier: Apache-2.0
"""Server-side apply: who owns which field, what conflicts, and what goes when its owner no longer names it.

Ownership is written down from an object's first apply on; what was there before belongs to
``before-first-apply``, as upstream does for objects that have no ownership yet. Source: structured-merge-diff
``merge/update.go`` and apimachinery ``pkg/util/managedfields``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from airflow_priority_spark.embedded.errors import ApiError, bad_request, invalid_options
from airflow_priority_spark.embedded.field_types import Schema
from airflow_priority_spark.embedded.objects import timestamp
from airflow_priority_spark.embedded.owned_fields import (
    Path,
    as_paths,
    as_text,
    as_tree,
    drop,
    joined,
    leaves,
    undeclared,
)

Data = dict[str, Any]
Owners = dict[tuple[str, str], set[Path]]
BEFORE = "before-first-apply"
UPDATER = "unknown"


def check_apply(applied: Any, name: str, manager: str, schema: Schema) -> None:
    """Raise ``ApiError`` 400, 422 or 500 when an apply patch cannot be one."""
    if not manager:
        cause = ("fieldManager", "Required value: is required for apply patch", "FieldValueRequired")
        raise invalid_options("PatchOptions", cause)
    if not isinstance(applied, dict):
        raise bad_request("error decoding YAML: expected an object")
    metadata = applied.get("metadata") or {}
    found = metadata.get("name", name)
    group, _, version = (applied.get("apiVersion") or "").rpartition("/")
    if not applied.get("kind") or not applied.get("apiVersion"):
        raise bad_request(f"invalid object type: {group}/{version}, Kind={applied.get('kind') or ''}")
    if found != name:
        raise bad_request(f"the name of the object ({found}) does not match the name on the URL ({name})")
    if faults := undeclared(applied, schema):
        place = f"{metadata.get('namespace', '')}/{name}; {group}/{version}, Kind={applied['kind']}"
        told = faults[0] if len(faults) == 1 else "errors:" + "".join(f"\n  {fault}" for fault in faults)
        raise ApiError(500, "", f"failed to create typed patch object ({place}): {told}")


def apply(live: Data | None, applied: Data, manager: str, schema: Schema, *, force: bool) -> Data:
    """Return the object after an apply, with its ``managedFields``; raises ``ApiError`` 409 on conflicts.

    :param schema: the object's type.
    """
    owners = _owners(live, schema)
    mine_before = owners.get((manager, "Apply"), set())
    wanted = dict(leaves(applied, schema))
    mine = set(wanted)
    values = dict(leaves(live or {}, schema))
    others = {who: paths for who, paths in owners.items() if who != (manager, "Apply")}
    contested = {
        who: lost
        for who, paths in others.items()
        if (lost := {path for path in paths & mine if values.get(path) != wanted[path]})
    }
    if contested and not force:
        raise _conflict(contested, applied["apiVersion"])
    for who, lost in contested.items():
        others[who] = others[who] - lost
    kept = set().union(*others.values())
    result = joined(copy.deepcopy(live or {}), copy.deepcopy(applied), schema)
    for path in sorted(mine_before - mine - kept, key=len, reverse=True):
        drop(result, path)
    return _owned(result, {**others, (manager, "Apply"): mine}, live)


def after_update(old: Data, new: Data, manager: str, schema: Schema) -> Data:
    """Return an updated object whose changed fields belong to the updater from now on."""
    owners = _owners(old, schema)
    before, after = dict(leaves(old, schema)), dict(leaves(new, schema))
    changed = {path for path, value in after.items() if before.get(path) != value}
    for who in owners:
        owners[who] = {path for path in owners[who] if path in after and path not in changed}
    if changed:
        owners[manager, "Update"] = owners.get((manager, "Update"), set()) | changed
    return _owned(new, owners, old)


def _owners(live: Data | None, schema: Schema) -> Owners:
    if live is None:
        return {}
    entries = live["metadata"].get("managedFields")
    if entries is None:
        return {(BEFORE, "Update"): {path for path, _ in leaves(live, schema)}}
    return {(one["manager"], one["operation"]): set(as_paths(one["fieldsV1"])) for one in entries}


def _owned(data: Data, owners: Owners, live: Data | None) -> Data:
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
            "fieldsV1": as_tree(paths),
        }
        known = before.get((manager, operation), {})
        same = known.get("fieldsV1") == entry["fieldsV1"]
        if paths:
            entries.append({**entry, "time": known["time"] if same else timestamp()})
    # In upstream's order: those who applied first, then by age (apimachinery ``managedfields/internal``).
    entries.sort(key=lambda entry: (entry["operation"], entry["time"], entry["manager"]))
    return {**data, "metadata": {**data["metadata"], "managedFields": entries}}


def _conflict(contested: Mapping[tuple[str, str], set[Path]], version: str) -> ApiError:
    causes, texts = [], []
    for (manager, operation), paths in sorted(contested.items()):
        who = f'"{manager}"' + (f" using {version}" if operation == "Update" else "")
        shown = sorted(as_text(path) for path in paths)
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
