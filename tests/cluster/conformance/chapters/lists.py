# SPDX-License-Identifier: Apache-2.0
"""Lists: label and field selectors, pages."""

from __future__ import annotations

import base64

from tests.cluster.conformance.request import (
    APPS,
    CORE,
    OWN,
    Request,
    application,
    config_map,
    delete,
    get,
    pod,
    post,
)

MAPS = f"{OWN}/configmaps"
PODS = f"{OWN}/pods"


def _token(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


FIRST = '{"v":"meta.k8s.io/v1","rv":1,"start":"/a\\u0000"}'
NAMES = (
    "code",
    "kind",
    "message",
    "items.0.metadata.name",
    "items.1.metadata.name",
    "items.2.metadata.name",
    "metadata.remainingItemCount",
)


def _selected(selector: str) -> Request:
    return get(
        f"labels {selector}",
        f"{MAPS}?labelSelector={selector.replace('=', '%3D').replace('!', '%21')}",
        look=NAMES,
    )


def _fields(selector: str, path: str = PODS) -> Request:
    return get(
        f"fields {selector}{'' if path is PODS else ' of ' + path.rsplit('/', 1)[1]}",
        f"{path}?fieldSelector={selector.replace('=', '%3D').replace('!', '%21')}",
        look=NAMES,
    )


REQUESTS: list[Request] = [
    post("one", MAPS, config_map("one", {"app": "a", "tier": "back", "size": "3"}), compared=False),
    post("two", MAPS, config_map("two", {"app": "b", "tier": "front", "size": "10"}), compared=False),
    post("three", MAPS, config_map("three", {"x": "y"}), compared=False),
    *(
        _selected(text)
        for text in (
            "app=a",
            "app==a",
            "app=a,tier=back",
            "app in (a,b)",
            "app in (a, b),tier!=back",
            "app notin (a),app",
            "tier",
            "!tier,x",
            "x=",
            "app in ()",
            "app=a=b",
            "app in a",
            "size>5",
            "size<5",
            "-a=b",
            "app=a b",
            "=a",
            "a/b/c=d",
            "app,",
        )
    ),
    post("p1", PODS, pod("p1"), compared=False),
    post("p2", PODS, pod("p2", nodeName="no-such-node"), compared=False),
    _fields("metadata.name=p1"),
    _fields("spec.nodeName="),
    _fields("spec.nodeName=no-such-node"),
    _fields("status.phase=Pending,metadata.name!=p1"),
    _fields("spec.schedulerName=nobody"),
    _fields("spec.what=1"),
    _fields("nonsense"),
    _fields("metadata.name=a,,"),
    _fields("data=1", MAPS),
    _fields("metadata.name=one", MAPS),
    _fields("metadata.namespace={ns}", f"{CORE}/pods"),
    post("app", APPS, application("app"), compared=False),
    _fields("metadata.name=app", APPS),
    _fields("spec.type=Scala", APPS),
    get(
        "a whole list",
        f"{PODS}?limit=500",
        look=(
            "kind",
            "apiVersion",
            "metadata",
            "items.0.apiVersion",
            "items.0.kind",
            "items.0.metadata.name",
        ),
    ),
    get(
        "a first page",
        f"{MAPS}?limit=1&labelSelector=app",
        look=(*NAMES, "metadata"),
        keep={"next": "metadata.continue"},
    ),
    get("a second page", f"{MAPS}?limit=1&labelSelector=app&continue={{next}}", look=(*NAMES, "metadata")),
    get(
        "a first page without selector",
        f"{PODS}?limit=1",
        look=(*NAMES, "metadata"),
        keep={"more": "metadata.continue"},
    ),
    get("its last page", f"{PODS}?limit=5&continue={{more}}", look=(*NAMES, "metadata")),
    get(
        "a first page of three",
        f"{MAPS}?limit=2&labelSelector=app",
        look=NAMES,
        keep={"state": "metadata.resourceVersion"},
    ),
    get(
        "a first page to go on from",
        f"{MAPS}?limit=1&labelSelector=app",
        look=NAMES,
        keep={"then": "metadata.continue", "state": "metadata.resourceVersion"},
    ),
    post("four", MAPS, config_map("zfour", {"app": "z"}), compared=False),
    delete("two goes", f"{MAPS}/two", compared=False),
    get("the rest is as it was", f"{MAPS}?limit=5&labelSelector=app&continue={{then}}", look=NAMES),
    get(
        "the state of that moment",
        f"{MAPS}?labelSelector=app&resourceVersion={{state}}&resourceVersionMatch=Exact",
        look=NAMES,
    ),
    get(
        "the first page of that moment",
        f"{MAPS}?limit=1&labelSelector=app&resourceVersion={{state}}",
        look=(*NAMES, "metadata"),
    ),
    get(
        "not older than that moment",
        f"{MAPS}?labelSelector=app&resourceVersion={{state}}&resourceVersionMatch=NotOlderThan",
        look=NAMES,
    ),
    get("a state too old", f"{MAPS}?resourceVersion=1&resourceVersionMatch=Exact"),
    get("a state to come", f"{MAPS}?resourceVersion=99999999999999", look=("code", "reason", "details")),
    get("a page too old", f"{MAPS}?limit=1&continue={_token(FIRST)}", keep={"late": "metadata.continue"}),
    get("goes on in the state of now", f"{MAPS}?labelSelector=app&continue={{late}}", look=NAMES),
    *(
        get(f"a token {title}", f"{MAPS}?limit=1&continue={_token(content)}")
        for title, content in (
            ("of nothing", "{}"),
            ("without a start", '{"v":"meta.k8s.io/v1","rv":5}'),
            ("of another version", '{"v":"v0","rv":5,"start":"/a"}'),
            ("without a state", '{"v":"meta.k8s.io/v1","rv":0,"start":"/a"}'),
        )
    ),
    get("a page of a state", f"{MAPS}?limit=1&continue={{then}}&resourceVersion=1"),
    get(
        "a page matching a state",
        f"{MAPS}?limit=1&continue={{then}}&resourceVersion=1&resourceVersionMatch=Exact",
    ),
    get("an exact state of any time", f"{MAPS}?resourceVersion=0&resourceVersionMatch=Exact"),
    get("an unknown match", f"{MAPS}?resourceVersion=1&resourceVersionMatch=Perhaps"),
    get("initial events of a list", f"{MAPS}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
    get("a negative limit", f"{MAPS}?limit=-1&labelSelector=app", look=NAMES),
    get("a timeout that is none", f"{MAPS}?timeoutSeconds=soon", look=("code", "reason")),
    get("a page that is none", f"{MAPS}?limit=1&continue=nonsense", look=("code", "reason", "message")),
    get("a limit that is none", f"{MAPS}?limit=many", look=("code", "reason")),
    get("from the cache", f"{PODS}?resourceVersion=0", look=NAMES),
    get("a version that is none", f"{PODS}?resourceVersion=abc", look=("code", "reason", "message")),
    get(
        "an exact match without a version",
        f"{PODS}?resourceVersionMatch=Exact",
        look=("code", "reason", "message"),
    ),
    get("all namespaces", f"{CORE}/pods?fieldSelector=metadata.namespace%3D{{ns}}&limit=10", look=NAMES),
    get("an empty list", f"{OWN}/services"),
    get(
        "a list in a namespace that is not there",
        f"{CORE}/namespaces/no-such-place/pods",
        look=("kind", "items"),
    ),
]
