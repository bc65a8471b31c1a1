# SPDX-License-Identifier: Apache-2.0
"""Lists, whole or in pages (``limit`` and ``continue``).

All pages of one list show the state of its first, as long as what has changed since is still known: the
watch window is rolled back. After that a page is refused, with a token that goes on in the state of the
moment. Source: apiserver ``pkg/storage/continue.go``, ``pkg/storage/errors.go``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_priority_spark.embedded.errors import ApiError, bad_request
from airflow_priority_spark.embedded.kinds import Kind
from airflow_priority_spark.embedded.selectors import Predicate
from airflow_priority_spark.embedded.store import Record, Store

_TOKEN_VERSION = "meta.k8s.io/v1"
# A token of this version goes on in the state of the moment.
_INCONSISTENT = -1
_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the first chunk "
    "was returned and now may show up in the list."
)
_TOO_OLD = "The resourceVersion for the provided list is too old."


@dataclass(frozen=True)
class Page:
    """Objects in their order, and the list's metadata."""

    records: list[Record]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Start:
    """After which object a page begins, and in the state of which version."""

    version: int
    key: tuple[str, str]


def page(store: Store, kind: Kind, namespace: str, matches: Predicate, query: Mapping[str, str]) -> Page:
    """Return the objects that match, or the page of them that is asked for; raises 400, 410 or 504."""
    limit = _number(query.get("limit", ""))
    start = _start(query["continue"], namespace) if query.get("continue") else None
    version = _version(store, query, limit) if start is None else start.version
    records = _records(store, kind, namespace, version, start)
    found = [record for record in records if matches(record.data)]
    shown = store.version if version in (None, _INCONSISTENT) else version
    metadata: dict[str, Any] = {"resourceVersion": str(shown)}
    if start is not None:
        found = [record for record in found if record.key > start.key]
    if 0 < limit < len(found):
        metadata["continue"] = _token(_Start(int(shown or 0), found[limit - 1].key), namespace)
        if not query.get("labelSelector") and not query.get("fieldSelector"):
            metadata["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return Page(found, metadata)


def _version(store: Store, query: Mapping[str, str], limit: int) -> int | None:
    """Return the version whose state a first page must show exactly, if any."""
    wanted, match = int(query.get("resourceVersion") or 0), query.get("resourceVersionMatch", "")
    if wanted > store.version:
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        message = f"Timeout: Too large resource version: {wanted}, current: {store.version}"
        raise ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})
    return wanted if match == "Exact" or (limit > 0 and wanted and not match) else None


def _records(
    store: Store, kind: Kind, namespace: str, version: int | None, start: _Start | None
) -> list[Record]:
    if version in (None, _INCONSISTENT):
        return list(store.all(kind, namespace))
    try:
        return store.as_of(kind, namespace, int(version or 0))
    except ApiError as error:
        if start is None:
            raise ApiError(410, "Expired", _TOO_OLD) from error
        token = _token(_Start(_INCONSISTENT, start.key), namespace)
        raise ApiError(410, "Expired", _EXPIRED, metadata={"continue": token}) from error


def _number(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError as error:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def _token(start: _Start, namespace: str) -> str:
    """Return a token; its key is told within the namespace of the list."""
    inner = start.key[1] if namespace or not start.key[0] else "/".join(start.key)
    content = {"v": _TOKEN_VERSION, "rv": start.version, "start": f"/{inner}\0"}
    text = json.dumps(content, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _start(token: str, namespace: str) -> _Start:
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        raise _no_token(str(error)) from error
    version, key = content.get("v", ""), content.get("start", "")
    if version != _TOKEN_VERSION:
        raise _no_token(f"server does not recognize this encoded version {version}")
    if not content.get("rv"):
        raise _no_token(f"incorrect encoded start resourceVersion (version {version})")
    if not key:
        raise _no_token(f"encoded start key empty (version {version})")
    parts = key.strip("/\0").split("/")
    if ".." in parts:
        raise _no_token(key)
    place = parts[0] if len(parts) > 1 else namespace
    return _Start(int(content["rv"]), (place, parts[-1]))


def _no_token(why: str) -> ApiError:
    return bad_request(f"invalid continue token: continue key is not valid: {why}")
