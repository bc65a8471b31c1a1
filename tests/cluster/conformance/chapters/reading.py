# SPDX-License-Identifier: Apache-2.0
"""What a body may be: types, unknown and doubled fields, media, sizes; and methods that paths do not take."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import (
    APPS,
    CORE,
    MERGE,
    OWN,
    STRATEGIC,
    Request,
    application,
    config_map,
    delete,
    get,
    patch,
    pod,
    post,
    put,
)

MAPS = f"{OWN}/configmaps"
PODS = f"{OWN}/pods"
DRY = "dryRun=All"
TOO_LARGE = "x" * (3 << 20)
LARGE = "x" * ((1 << 20) + 1)


def _wrong(title: str, **spec: Any) -> Request:
    return post(f"a pod with {title}", f"{PODS}?{DRY}", pod("wrong", **spec))


def _contained(title: str, **fields: Any) -> Request:
    return _wrong(title, containers=[{"name": "m", "image": "p", **fields}])


def _method(title: str, method: str, path: str, body: Any = None) -> Request:
    return Request(title, method, path, body)


SURPLUS = {
    **pod(
        "surplus", surplus=1, containers=[{"name": "m", "image": "p", "foo": 1, "resources": {"request": {}}}]
    ),
    "extra": 1,
}
STRAY = {**application("stray", surplus=1), "extra": 1}

REQUESTS: list[Request] = [
    _wrong("text for a number", priority="high"),
    _wrong("a number for text", nodeName=5),
    _wrong("a list for a map", nodeSelector=[1]),
    _wrong("a map for a list", containers={"a": 1}),
    _wrong("a fraction for a whole number", terminationGracePeriodSeconds=1.5),
    _wrong("a number too large", priority=99999999999),
    _wrong("text for a flag", hostNetwork="true"),
    _wrong("text for a structure", securityContext="x"),
    _wrong("a number for a map's value", nodeSelector={"a": 1}),
    _wrong("text for a number in a list", tolerations=[{"tolerationSeconds": "5"}]),
    _wrong("nothing for a container", containers=[None]),
    _contained("text for a port", ports=[{"containerPort": "80"}]),
    _contained("a number for a variable", env=[{"name": "A", "value": 1}]),
    _contained("a list for a quantity", resources={"requests": {"cpu": [1]}}),
    _contained("text that is no quantity", resources={"requests": {"cpu": "lots"}}),
    post(
        "a pod with a number for a quantity",
        f"{PODS}?{DRY}",
        pod("fine", containers=[{"name": "m", "image": "p", "resources": {"requests": {"cpu": 1}}}]),
        look=("code", "spec.containers.0.resources"),
    ),
    post(
        "a pod with nothing where something may be",
        f"{PODS}?{DRY}",
        {**pod("fine", nodeSelector=None, priority=None), "status": None},
        look=("code", "spec.nodeSelector", "spec.priority"),
    ),
    post("a label that is a number", f"{MAPS}?{DRY}", {"metadata": {"name": "a", "labels": {"a": 1}}}),
    post(
        "a time that is none", f"{MAPS}?{DRY}", {"metadata": {"name": "a", "creationTimestamp": "yesterday"}}
    ),
    post("metadata that is text", f"{MAPS}?{DRY}", {"metadata": "x"}),
    post("data that is a number", f"{MAPS}?{DRY}", {"metadata": {"name": "a"}, "data": {"a": 1}}),
    post(
        "a quota that is a map",
        f"{OWN}/resourcequotas?{DRY}",
        {"metadata": {"name": "a"}, "spec": {"hard": {"cpu": {}}}},
    ),
    post(
        "a secret that is not encoded",
        f"{OWN}/secrets?{DRY}",
        {"metadata": {"name": "a"}, "data": {"a": "!!"}},
    ),
    post(
        "an application with a label that is a number",
        f"{APPS}?{DRY}",
        {**application("a"), "metadata": {"name": "a", "labels": {"a": 1}}},
        look=("code", "reason"),
    ),
    post("unknown fields, strictly", f"{PODS}?{DRY}&fieldValidation=Strict", SURPLUS),
    post(
        "unknown fields, with a warning",
        f"{PODS}?{DRY}&fieldValidation=Warn",
        SURPLUS,
        look=("code", "spec.containers"),
    ),
    post("unknown fields, by default", f"{PODS}?{DRY}", SURPLUS, look=("code", "spec.surplus")),
    post(
        "unknown fields, ignored",
        f"{PODS}?{DRY}&fieldValidation=Ignore",
        SURPLUS,
        look=("code", "spec.surplus"),
    ),
    post("unknown fields, in a way that is none", f"{PODS}?{DRY}&fieldValidation=Never", SURPLUS),
    post("unknown fields of an application, strictly", f"{APPS}?{DRY}&fieldValidation=Strict", STRAY),
    post(
        "unknown fields of an application, with a warning",
        f"{APPS}?{DRY}",
        STRAY,
        look=("code", "spec.surplus"),
    ),
    post(
        "unknown fields of an application's metadata",
        f"{APPS}?{DRY}&fieldValidation=Strict",
        {**application("a"), "metadata": {"name": "a", "nope": 1}},
    ),
    post(
        "doubled fields, strictly",
        f"{MAPS}?{DRY}&fieldValidation=Strict",
        '{"metadata":{"name":"d","name":"e"},"data":{"a":"1","a":"2"}}',
    ),
    post(
        "doubled fields, with a warning",
        f"{MAPS}?{DRY}",
        '{"metadata":{"name":"d","name":"e"},"data":{"a":"1","a":"2"}}',
        look=("code", "metadata.name", "data"),
    ),
    post("a body that is a list", f"{MAPS}?{DRY}", "[1]", look=("code", "reason")),
    post("a body that is text", f"{MAPS}?{DRY}", '"a"', look=("code", "reason")),
    post("a body that is empty", f"{MAPS}?{DRY}", "", look=("code", "reason")),
    post(
        "a body in YAML",
        f"{MAPS}?{DRY}",
        "metadata: {name: yaml}\ndata: {a: '1'}\n",
        content_type="application/yaml",
        look=("code", "metadata.name", "data"),
    ),
    post(
        "a body that is no YAML",
        f"{MAPS}?{DRY}",
        "metadata: {name: yaml",
        content_type="application/yaml",
        look=("code", "reason"),
    ),
    post(
        "a body of an unknown kind", f"{MAPS}?{DRY}", '{"metadata":{"name":"a"}}', content_type="text/plain"
    ),
    post("a body too large", f"{MAPS}?{DRY}", config_map("large", a=TOO_LARGE)),
    post("a config map too large", f"{MAPS}?{DRY}", config_map("large", a=LARGE)),
    post(
        "a secret too large",
        f"{OWN}/secrets?{DRY}",
        {"metadata": {"name": "large"}, "stringData": {"a": LARGE}},
    ),
    post("something to change", MAPS, config_map("a", v="1"), compared=False),
    patch(
        "a merge with an unknown field, strictly",
        f"{MAPS}/a?fieldValidation=Strict",
        {"dat": {}},
        MERGE,
        look=("code", "reason"),
    ),
    patch("a merge with an unknown field", f"{MAPS}/a?{DRY}", {"dat": {}}, MERGE, look=("code", "data")),
    patch(
        "a merge with a wrong type",
        f"{MAPS}/a",
        {"data": {"v": 1}},
        MERGE,
        look=("code", "reason", "details.causes.0.field"),
    ),
    patch(
        "a strategic merge with an unknown field, strictly",
        f"{MAPS}/a?fieldValidation=Strict",
        {"dat": {}},
        STRATEGIC,
        look=("code", "reason"),
    ),
    patch(
        "a strategic merge with a wrong type",
        f"{MAPS}/a",
        {"data": {"v": 1}},
        STRATEGIC,
        look=("code", "reason", "details.causes.0.field"),
    ),
    put(
        "a replacement with an unknown field, strictly",
        f"{MAPS}/a?fieldValidation=Strict",
        {**config_map("a"), "dat": {}},
    ),
    put(
        "a replacement of another kind",
        f"{MAPS}/a",
        {**config_map("a"), "kind": "Secret"},
        look=("code", "reason"),
    ),
    _method("create at a status", "POST", f"{PODS}/a/status", {}),
    _method("delete a status", "DELETE", f"{PODS}/a/status"),
    _method("read a binding", "GET", f"{PODS}/a/binding"),
    _method("replace a log", "PUT", f"{PODS}/a/log", {}),
    _method("an unknown subresource", "GET", f"{PODS}/a/nothing"),
    _method("create pods of no namespace", "POST", f"{CORE}/pods", pod("a")),
    _method("delete pods of all namespaces", "DELETE", f"{CORE}/pods"),
    _method("delete all namespaces", "DELETE", f"{CORE}/namespaces"),
    _method("patch a collection", "PATCH", MAPS, {}),
    _method("ask for options", "OPTIONS", MAPS),
    _method("the head of a list", "HEAD", MAPS),
    get("read as YAML", f"{MAPS}/a", accept="application/yaml", look=("code",)),
    get(
        "an unknown version of a table",
        f"{MAPS}/a",
        accept="application/json;as=Table;v=v9;g=meta.k8s.io",
        look=("code", "reason"),
    ),
    get(
        "an unknown form",
        f"{MAPS}/a",
        accept="application/json;as=Chart;v=v1;g=meta.k8s.io",
        look=("code", "reason"),
    ),
    delete(
        "deletion options of another kind",
        f"{MAPS}/a",
        {"kind": "Pod", "apiVersion": "v1"},
        look=("code", "reason"),
    ),
    delete(
        "deletion options with a wrong type",
        f"{MAPS}/a",
        {"gracePeriodSeconds": "soon"},
        look=("code", "reason"),
    ),
]
