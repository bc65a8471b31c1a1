# SPDX-License-Identifier: Apache-2.0
"""Merge, strategic merge, JSON and apply patches."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import (
    APPLY,
    JSON_PATCH,
    MERGE,
    OWN,
    STRATEGIC,
    Request,
    config_map,
    get,
    patch,
    pod,
    post,
)

MAPS = f"{OWN}/configmaps"
PODS = f"{OWN}/pods"
OWNERS = tuple(
    f"metadata.managedFields.{index}.{name}" for index in (0, 1) for name in ("manager", "operation")
)
DATA = ("code", "data", "metadata.labels")


def _applied(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _apply(title: str, name: str, who: str, body: dict[str, Any], **options: Any) -> Request:
    return patch(title, f"{MAPS}/{name}?fieldManager={who}", body, APPLY, **options)


REQUESTS: list[Request] = [
    post(
        "something to change",
        MAPS,
        config_map("a", {"x": "1"}, one="1", two="2"),
        keep={"rv": "metadata.resourceVersion"},
        compared=False,
    ),
    patch(
        "merge sets and removes", f"{MAPS}/a", {"data": {"one": "9", "two": None, "three": "3"}}, look=DATA
    ),
    patch("merge without a change", f"{MAPS}/a", {"data": {"one": "9"}}, look=DATA),
    patch(
        "merge with a stale version",
        f"{MAPS}/a",
        {"metadata": {"resourceVersion": "{rv}"}, "data": {"one": "0"}},
    ),
    patch(
        "merge with another uid", f"{MAPS}/a", {"metadata": {"uid": "11111111-1111-1111-1111-111111111111"}}
    ),
    patch("merge with another name", f"{MAPS}/a", {"metadata": {"name": "b"}}),
    patch("merge that makes it invalid", f"{MAPS}/a", {"metadata": {"labels": {"a b": "c"}}}),
    patch("merge with a wrong type", f"{MAPS}/a", {"data": {"one": 1}}, look=("code", "reason")),
    patch("merge without storing", f"{MAPS}/a?dryRun=All", {"data": {"one": "7"}}, look=DATA),
    patch("merge what is not there", f"{MAPS}/none", {"data": {}}),
    patch("merge text that is no JSON", f"{MAPS}/a", "{nonsense", look=("code", "reason")),
    patch("merge a list", f"{MAPS}/a", [1], look=("code", "reason")),
    patch("a patch of an unknown kind", f"{MAPS}/a", {}, "application/json"),
    patch("merge a collection", MAPS, {}),
    patch(
        "JSON patch",
        f"{MAPS}/a",
        [
            {"op": "replace", "path": "/data/one", "value": "5"},
            {"op": "remove", "path": "/data/three"},
            {"op": "add", "path": "/metadata/labels/y", "value": "2"},
        ],
        JSON_PATCH,
        look=DATA,
    ),
    patch(
        "JSON patch: test holds",
        f"{MAPS}/a",
        [
            {"op": "test", "path": "/data/one", "value": "5"},
            {"op": "copy", "from": "/data/one", "path": "/data/copied"},
        ],
        JSON_PATCH,
        look=DATA,
    ),
    patch(
        "JSON patch: test fails", f"{MAPS}/a", [{"op": "test", "path": "/data/one", "value": "6"}], JSON_PATCH
    ),
    patch(
        "JSON patch: nothing to remove", f"{MAPS}/a", [{"op": "remove", "path": "/data/nothing"}], JSON_PATCH
    ),
    patch(
        "JSON patch: nothing to replace",
        f"{MAPS}/a",
        [{"op": "replace", "path": "/data/nothing", "value": "1"}],
        JSON_PATCH,
    ),
    patch(
        "JSON patch: no such parent",
        f"{MAPS}/a",
        [{"op": "add", "path": "/spec/nothing", "value": "1"}],
        JSON_PATCH,
    ),
    patch("JSON patch: no list", f"{MAPS}/a", {"op": "add"}, JSON_PATCH, look=("code", "reason")),
    post(
        "a pod to change",
        PODS,
        {
            **pod("p", tolerations=[{"key": "a", "operator": "Exists"}]),
            "metadata": {"name": "p", "finalizers": ["example.com/one"], "annotations": {"a": "1"}},
        },
        compared=False,
    ),
    patch(
        "strategic merge joins finalizers",
        f"{PODS}/p",
        {"metadata": {"finalizers": ["example.com/two"]}},
        STRATEGIC,
        look=("metadata.finalizers",),
    ),
    patch(
        "strategic merge removes from a list",
        f"{PODS}/p",
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/two"]}},
        STRATEGIC,
        look=("metadata.finalizers",),
    ),
    patch(
        "merge replaces finalizers",
        f"{PODS}/p",
        {"metadata": {"finalizers": ["example.com/three"]}},
        MERGE,
        look=("metadata.finalizers",),
    ),
    patch(
        "no finalizers", f"{PODS}/p", {"metadata": {"finalizers": None}}, MERGE, look=("metadata.finalizers",)
    ),
    patch("a finalizer that is none", f"{PODS}/p", {"metadata": {"finalizers": ["nothing"]}}, MERGE),
    patch(
        "strategic merge joins containers by name",
        f"{PODS}/p",
        {"spec": {"containers": [{"name": "main", "image": "other"}]}},
        STRATEGIC,
        look=("spec.containers",),
    ),
    patch(
        "strategic merge joins conditions by type",
        f"{PODS}/p/status",
        {"status": {"conditions": [{"type": "A", "status": "True"}]}},
        STRATEGIC,
        look=("status.conditions",),
    ),
    patch(
        "and once more",
        f"{PODS}/p/status",
        {"status": {"conditions": [{"type": "B", "status": "False"}]}},
        STRATEGIC,
        look=("status.conditions",),
    ),
    patch(
        "strategic merge deletes by key",
        f"{PODS}/p/status",
        {"status": {"conditions": [{"type": "A", "$patch": "delete"}]}},
        STRATEGIC,
        look=("status.conditions",),
    ),
    patch(
        "strategic merge replaces a map",
        f"{PODS}/p",
        {"metadata": {"annotations": {"$patch": "replace", "b": "2"}}},
        STRATEGIC,
        look=("metadata.annotations",),
    ),
    patch(
        "a container unknown to a strategic merge",
        f"{PODS}/p",
        {"spec": {"containers": [{"name": "more", "image": "other"}]}},
        STRATEGIC,
        look=("code", "reason", "details.causes.0.field"),
    ),
    _apply("apply creates", "s", "me", _applied("s", a="1", b="2")),
    _apply("apply again changes", "s", "me", _applied("s", a="9", b="2"), look=DATA),
    _apply("apply removes what it no longer names", "s", "me", _applied("s", a="9"), look=DATA),
    _apply("apply by another adds", "s", "you", _applied("s", c="3"), look=DATA),
    _apply(
        "apply by another conflicts",
        "s",
        "you",
        _applied("s", a="0", c="3"),
        look=("code", "reason", "message", "details"),
    ),
    patch(
        "apply by force",
        f"{MAPS}/s?fieldManager=you&force=true",
        _applied("s", a="0", c="3"),
        APPLY,
        look=DATA,
    ),
    get("who owns what is left", f"{MAPS}/s", look=OWNERS),
    _apply("the first has lost the field", "s", "me", _applied("s"), look=DATA),
    patch("apply without a manager", f"{MAPS}/s", _applied("s"), APPLY, look=("code", "reason", "message")),
    patch(
        "apply with another name",
        f"{MAPS}/s?fieldManager=me",
        _applied("t"),
        APPLY,
        look=("code", "reason", "message"),
    ),
    patch(
        "apply without a kind",
        f"{MAPS}/s?fieldManager=me",
        {"metadata": {"name": "s"}},
        APPLY,
        look=("code", "reason", "message"),
    ),
    patch(
        "apply from YAML",
        f"{MAPS}/from-yaml?fieldManager=me",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-yaml}\ndata: {a: '1'}\n",
        APPLY,
        look=DATA,
    ),
    patch(
        "apply without storing",
        f"{MAPS}/z?fieldManager=me&dryRun=All",
        _applied("z", a="1"),
        APPLY,
        look=DATA,
    ),
    get("it was not stored", f"{MAPS}/z", look=("code", "reason")),
    patch(
        "apply a pod",
        f"{PODS}/ap?fieldManager=me",
        pod("ap"),
        APPLY,
        look=("code", "spec.containers.0.resources", "metadata.name"),
    ),
    patch(
        "apply the same pod",
        f"{PODS}/ap?fieldManager=me",
        {**pod("ap"), "metadata": {"name": "ap", "labels": {"a": "1"}}},
        APPLY,
        look=("code", "metadata.labels"),
    ),
]
