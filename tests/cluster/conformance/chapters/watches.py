# SPDX-License-Identifier: Apache-2.0
"""Watches: initial events, resuming, selectors, bookmarks, ends and 410."""

from __future__ import annotations

from tests.cluster.conformance.request import (
    METADATA,
    OWN,
    TABLE,
    Request,
    config_map,
    delete,
    get,
    patch,
    post,
)

MAPS = f"{OWN}/configmaps"
ALL = f"{MAPS}?watch=true&timeoutSeconds=1&labelSelector=w"

REQUESTS: list[Request] = [
    post(
        "first",
        MAPS,
        config_map("first", {"w": "1"}, v="1"),
        keep={"rv": "metadata.resourceVersion"},
        compared=False,
    ),
    get("from nothing", ALL),
    get("from version 0", f"{ALL}&resourceVersion=0"),
    patch("a change", f"{MAPS}/first", {"data": {"v": "2"}}, compared=False),
    post("second", MAPS, config_map("second", {"w": "2"}), compared=False),
    get("from a version", f"{ALL}&resourceVersion={{rv}}"),
    get("with a selector", f"{MAPS}?watch=true&timeoutSeconds=1&labelSelector=w%3D2&resourceVersion={{rv}}"),
    patch("it ceases to match", f"{MAPS}/second", {"metadata": {"labels": {"w": "3"}}}, compared=False),
    get(
        "an object that ceased to match",
        f"{MAPS}?watch=true&timeoutSeconds=1&labelSelector=w%3D2&resourceVersion={{rv}}",
    ),
    delete("gone", f"{MAPS}/first", compared=False),
    get("a deletion", f"{MAPS}?watch=true&timeoutSeconds=1&labelSelector=w%3D1&resourceVersion={{rv}}"),
    get("one object by name", f"{MAPS}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dsecond"),
    get(
        "a version that is none",
        f"{MAPS}?watch=true&timeoutSeconds=1&resourceVersion=abc",
        look=("code", "reason", "message"),
    ),
    get(
        "initial events and their bookmark",
        f"{ALL}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
    ),
    get(
        "initial events without a match", f"{ALL}&sendInitialEvents=true", look=("code", "reason", "message")
    ),
    get("a version too old", f"{MAPS}?watch=true&timeoutSeconds=1&resourceVersion=1"),
    get("a version to come", f"{MAPS}?watch=true&timeoutSeconds=1&resourceVersion=99999999999999"),
    get(
        "a match without initial events", f"{ALL}&resourceVersionMatch=NotOlderThan", look=("code", "message")
    ),
    get("an unknown match", f"{ALL}&resourceVersionMatch=Exact", look=("code", "message")),
    get("a timeout that is none", f"{MAPS}?watch=true&timeoutSeconds=soon"),
    get(
        "initial events from a version",
        f"{ALL}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion={{rv}}",
        look=("0.type", "0.object.metadata.name"),
    ),
    get("as metadata", ALL, accept=METADATA),
    get("as a table", ALL, accept=TABLE),
    get(
        "a watch with an invalid selector",
        f"{MAPS}?watch=true&labelSelector=a%3Db%3Dc",
        look=("code", "reason"),
    ),
]
