# SPDX-License-Identifier: Apache-2.0
"""Deletion: preconditions, grace, finalizers, ownership, collections, namespaces."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import CORE, OWN, Request, config_map, delete, get, patch, pod, post

MAPS = f"{OWN}/configmaps"
PODS = f"{OWN}/pods"
OTHER = "11111111-1111-1111-1111-111111111111"


def _owned(name: str, owner: str, **reference: Any) -> dict[str, Any]:
    body = config_map(name)
    own = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": "{uid}", **reference}
    body["metadata"]["ownerReferences"] = [own]
    return body


def _family(policy: str, **reference: Any) -> list[Request]:
    owner, child = f"{policy.lower()}-owner", f"{policy.lower()}-child"
    return [
        post(f"{policy}: owner", MAPS, config_map(owner), keep={"uid": "metadata.uid"}, compared=False),
        post(
            f"{policy}: dependent",
            MAPS,
            _owned(child, owner, **reference),
            look=("metadata.ownerReferences",),
        ),
        delete(
            f"{policy}: delete the owner",
            f"{MAPS}/{owner}",
            {"propagationPolicy": policy},
            look=("kind", "status", "metadata.finalizers", "details.kind"),
        ),
        get(f"{policy}: the owner goes", f"{MAPS}/{owner}", until=("code", 404), look=("code",)),
    ]


REQUESTS: list[Request] = [
    post(
        "a pod",
        PODS,
        pod("p", terminationGracePeriodSeconds=40),
        keep={"uid": "metadata.uid", "rv": "metadata.resourceVersion"},
        compared=False,
    ),
    delete("with another uid", f"{PODS}/p", {"preconditions": {"uid": OTHER}}),
    delete(
        "with another version",
        f"{PODS}/p",
        {"preconditions": {"resourceVersion": "1"}},
        look=("code", "reason", "details"),
    ),
    delete(
        "without doing it",
        f"{PODS}/p",
        {"dryRun": ["All"]},
        look=("kind", "metadata.name", "metadata.deletionGracePeriodSeconds"),
    ),
    delete("with an unknown policy", f"{PODS}/p", {"propagationPolicy": "Later"}),
    delete(
        "with a policy in two ways",
        f"{PODS}/p",
        {"propagationPolicy": "Orphan", "orphanDependents": True},
        look=("code", "reason", "message"),
    ),
    delete(
        "a negative grace",
        f"{PODS}/p",
        {"gracePeriodSeconds": -1},
        look=("code", "kind", "status", "metadata.deletionGracePeriodSeconds"),
    ),
    post(
        "a pod bound",
        PODS,
        pod("bound", nodeName="no-such-node", terminationGracePeriodSeconds=40),
        look=("spec.nodeName", "metadata.name"),
    ),
    delete(
        "a bound pod gets its grace",
        f"{PODS}/bound",
        look=("kind", "metadata.deletionGracePeriodSeconds", "metadata.deletionTimestamp"),
    ),
    get("and is still there", f"{PODS}/bound", look=("metadata.deletionGracePeriodSeconds", "status.phase")),
    delete(
        "a longer grace changes nothing",
        f"{PODS}/bound",
        {"gracePeriodSeconds": 60},
        look=("metadata.deletionGracePeriodSeconds",),
    ),
    delete(
        "a shorter one does",
        f"{PODS}/bound",
        {"gracePeriodSeconds": 5},
        look=("metadata.deletionGracePeriodSeconds",),
    ),
    delete(
        "none at all",
        f"{PODS}/bound?gracePeriodSeconds=0",
        look=("kind", "metadata.deletionGracePeriodSeconds"),
    ),
    get("gone", f"{PODS}/bound"),
    post(
        "a pod with a finalizer",
        PODS,
        {**pod("held"), "metadata": {"name": "held", "finalizers": ["example.com/hold"]}},
        compared=False,
    ),
    delete("is held", f"{PODS}/held", look=("kind", "metadata.finalizers", "metadata.deletionTimestamp")),
    delete("is held a second time", f"{PODS}/held", look=("kind", "metadata.finalizers")),
    patch(
        "a finalizer is not added any more",
        f"{PODS}/held",
        {"metadata": {"finalizers": ["example.com/hold", "example.com/new"]}},
    ),
    patch(
        "until it is let go",
        f"{PODS}/held",
        {"metadata": {"finalizers": None}},
        look=("kind", "metadata.name", "metadata.finalizers"),
    ),
    get("and is gone", f"{PODS}/held"),
    post(
        "a config map with a finalizer",
        MAPS,
        {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}},
        compared=False,
    ),
    delete(
        "config map held",
        f"{MAPS}/held",
        look=("kind", "metadata.name", "metadata.finalizers", "metadata.deletionGracePeriodSeconds"),
    ),
    patch(
        "config map let go", f"{MAPS}/held", {"metadata": {"finalizers": []}}, look=("kind", "metadata.name")
    ),
    get("config map gone", f"{MAPS}/held", look=("code", "reason")),
    *_family("Background"),
    get("Background: the dependent goes", f"{MAPS}/background-child", until=("code", 404), look=("code",)),
    *_family("Foreground", blockOwnerDeletion=True),
    get("Foreground: the dependent went", f"{MAPS}/foreground-child", look=("code",)),
    *_family("Orphan"),
    get("Orphan: the dependent stays", f"{MAPS}/orphan-child", look=("code", "metadata.ownerReferences")),
    post("an owner that is none", MAPS, _owned("lost", "nobody", uid=""), look=("code", "message")),
    post(
        "two controllers",
        MAPS,
        {
            "metadata": {
                "name": "two",
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": n, "uid": n, "controller": True}
                    for n in ("a", "b")
                ],
            }
        },
        look=("code", "message"),
    ),
    post(
        "an orphan from the start",
        MAPS,
        {
            "metadata": {
                "name": "waif",
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": OTHER}
                ],
            }
        },
        compared=False,
    ),
    get("is collected", f"{MAPS}/waif", until=("code", 404), look=("code",)),
    post("keep", MAPS, config_map("keep", {"keep": "yes"}), compared=False),
    post("drop", MAPS, config_map("drop", {"keep": "no"}), compared=False),
    delete(
        "a collection by selector",
        f"{MAPS}?labelSelector=keep%3Dno",
        look=("kind", "items.0.metadata.name", "items.1.metadata.name"),
    ),
    get(
        "what is kept", f"{MAPS}?labelSelector=keep", look=("items.0.metadata.name", "items.1.metadata.name")
    ),
    post("a namespace", f"{CORE}/namespaces", {"metadata": {"name": "{ns}-x"}}),
    post(
        "a pod in it",
        f"{CORE}/namespaces/{{ns}}-x/pods",
        {**pod("stays"), "metadata": {"name": "stays", "finalizers": ["example.com/hold"]}},
        compared=False,
    ),
    delete(
        "a namespace goes",
        f"{CORE}/namespaces/{{ns}}-x",
        look=("kind", "status", "metadata.deletionTimestamp", "spec"),
    ),
    post("nothing new in it", f"{CORE}/namespaces/{{ns}}-x/configmaps", config_map("late")),
    get(
        "its pod is told",
        f"{CORE}/namespaces/{{ns}}-x/pods/stays",
        until=("metadata.deletionTimestamp", None),
        look=("metadata.finalizers",),
    ),
    delete("deleted twice", f"{CORE}/namespaces/{{ns}}-x", look=("code", "kind", "reason", "message")),
    patch(
        "its last object",
        f"{CORE}/namespaces/{{ns}}-x/pods/stays",
        {"metadata": {"finalizers": None}},
        compared=False,
    ),
    get("then it is gone", f"{CORE}/namespaces/{{ns}}-x", until=("code", 404), look=("code", "reason")),
    delete("a namespace that is not there", f"{CORE}/namespaces/no-such-place"),
]
