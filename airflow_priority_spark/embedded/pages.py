# SPDX-License-Identifier: Apache-2.0
"""Lists, whole or in pages (``limit`` and ``continue``).

A page goes on after the last name of the one before it, in the state of the moment: nothing is kept for a
client between its requests. Upstream serves every page of one list from one version of etcd.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_priority_spark.embedded.errors import ApiError, bad_request, invalid_options
from airflow_priority_spark.embedded.kinds import Kind
from airflow_priority_spark.embedded.selectors import Predicate
from airflow_priority_spark.embedded.store import Record, Store


@dataclass(frozen=True)
class Page:
    """Objects in their order, and the list's metadata."""

    records: list[Record]
    metadata: dict[str, Any] = field(default_factory=dict)


def check_list_options(query: Mapping[str, str]) -> None:
    """Raise ``ApiError`` 400 or 422 when a list or watch asks for something that cannot be."""
    version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    if query.get("sendInitialEvents") and match != "NotOlderThan":
        why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise invalid_options("ListOptions", ("resourceVersionMatch", why, "FieldValueForbidden"))
    if match and not version and not query.get("sendInitialEvents"):
        why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid_options("ListOptions", ("resourceVersionMatch", why, "FieldValueForbidden"))
    if version and not version.isdigit():
        what = f'Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        if query.get("watch") in ("true", "1"):
            raise ApiError(500, "", f"resourceVersion: {what}")
        raise bad_request(f"invalid resource version: resourceVersion: {what}")


def page(store: Store, kind: Kind, namespace: str, matches: Predicate, query: Mapping[str, str]) -> Page:
    """Return the objects that match, or the page of them that is asked for."""
    records = store.all(kind, namespace)
    found = [record for record in records if matches(record.data)]
    metadata: dict[str, Any] = {"resourceVersion": str(store.version)}
    limit = _limit(query.get("limit", ""))
    if token := query.get("continue"):
        start = _start(token)
        found = [record for record in found if record.key > start]
    if limit and len(found) > limit:
        metadata["continue"] = _token(found[limit - 1].key)
        if not query.get("labelSelector") and not query.get("fieldSelector"):
            metadata["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return Page(found, metadata)


def _limit(text: str) -> int:
    if text and not text.isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text or 0)


def _token(key: tuple[str, str]) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "start": list(key)})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _start(token: str) -> tuple[str, str]:
    try:
        namespace, name = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))["start"]
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    return namespace, name
