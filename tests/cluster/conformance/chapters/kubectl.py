# SPDX-License-Identifier: Apache-2.0
"""What ``kubectl`` (1.36) sends for ``apply``, ``get``, ``describe``, ``logs`` and ``delete``."""

from __future__ import annotations

import json
from typing import Any

from tests.cluster.conformance.request import (
    APPLY,
    APPS,
    CORE,
    MERGE,
    METADATA,
    OWN,
    STRATEGIC,
    TABLE,
    Request,
    application,
    config_map,
    delete,
    get,
    patch,
    pod,
    post,
    quota,
)

MAPS = f"{OWN}/configmaps"
PODS = f"{OWN}/pods"
LAST = "kubectl.kubernetes.io/last-applied-configuration"
APPLIED = "fieldManager=kubectl-client-side-apply&fieldValidation=Strict"
SERVER_SIDE = "fieldManager=kubectl&fieldValidation=Strict&force=false"
GONE = {"propagationPolicy": "Background"}


def _applied(body: dict[str, Any]) -> dict[str, Any]:
    """Return an object as ``kubectl apply`` creates it: with itself as an annotation."""
    metadata = {**body["metadata"], "namespace": "{ns}"}
    text = json.dumps({**body, "metadata": {**metadata, "annotations": {}}}, separators=(",", ":"))
    return {**body, "metadata": {**metadata, "annotations": {LAST: f"{text}\n"}}}


def _events(**fields: str) -> str:
    chosen = ",".join(f"involvedObject.{name}={value}" for name, value in fields.items())
    return f"{OWN}/events?fieldSelector={chosen.replace('=', '%3D').replace(',', '%2C')}&limit=500"


_TWO = [
    {"name": "main", "image": "busybox", "ports": [{"containerPort": 80}, {"containerPort": 81}]},
    {"name": "side", "image": "busybox", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
]
_RBAC = "/apis/rbac.authorization.k8s.io/v1"

REQUESTS: list[Request] = [
    get("apply asks where fields are told", "/openapi/v3", look=("code",)),
    get("apply looks first", f"{MAPS}/c", look=("code", "reason", "message")),
    get("apply looks for the namespace", f"{CORE}/namespaces/{{ns}}", look=("kind", "status")),
    post("apply creates a config map", f"{MAPS}?{APPLIED}", _applied(config_map("c", a="1", b="2"))),
    patch(
        "apply changes it",
        f"{MAPS}/c?{APPLIED}",
        {"data": {"a": "9", "b": None}, "metadata": {"annotations": {LAST: "changed"}}},
        STRATEGIC,
    ),
    post(
        "apply creates a pod",
        f"{PODS}?{APPLIED}",
        _applied(pod("p", containers=_TWO)),
        look=("code", "spec.containers"),
    ),
    patch(
        "apply changes an image",
        f"{PODS}/p?{APPLIED}",
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "main"}, {"name": "side"}],
                "containers": [{"name": "side", "image": "busybox:1"}],
            }
        },
        STRATEGIC,
        look=(
            "code",
            "spec.containers.0.name",
            "spec.containers.1.name",
            "spec.containers.1.image",
            "spec.containers.1.env",
        ),
    ),
    patch(
        "apply cannot change a variable",
        f"{PODS}/p?{APPLIED}",
        {
            "spec": {
                "$setElementOrder/containers": [{"name": "main"}, {"name": "side"}],
                "containers": [
                    {
                        "name": "side",
                        "$setElementOrder/env": [{"name": "B"}],
                        "env": [{"name": "A", "$patch": "delete"}, {"name": "B", "value": "3"}],
                    }
                ],
            }
        },
        STRATEGIC,
        look=("code", "reason", "details.causes.0.field"),
    ),
    post(
        "apply creates an application",
        f"{APPS}?{APPLIED}",
        _applied(application("a")),
        look=("code", "metadata", "spec.driver"),
    ),
    patch(
        "apply changes an application",
        f"{APPS}/a?{APPLIED}",
        {"spec": {"executor": {"instances": 3}}, "metadata": {"annotations": {LAST: "changed"}}},
        MERGE,
        look=("code", "metadata.generation", "spec.executor"),
    ),
    patch(
        "apply with a field misspelt",
        f"{APPS}/a?{APPLIED}",
        {"spec": {"executor": {"instnces": 3}}},
        MERGE,
        look=("code", "reason"),
    ),
    post(
        "create with a field misspelt",
        f"{PODS}?fieldManager=kubectl-create&fieldValidation=Strict",
        pod("q", contaners=[]),
    ),
    patch(
        "apply on the server creates",
        f"{MAPS}/s?{SERVER_SIDE}",
        _applied(config_map("s", a="1")),
        APPLY,
        look=("code", "data"),
    ),
    patch(
        "apply on the server changes",
        f"{MAPS}/s?{SERVER_SIDE}",
        config_map("s", a="2"),
        APPLY,
        look=("code", "data", "metadata.annotations"),
    ),
    patch(
        "apply on the server, a pod with ports",
        f"{PODS}/sp?{SERVER_SIDE}",
        pod(
            "sp",
            containers=[
                {
                    "name": "m",
                    "image": "p",
                    "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
                }
            ],
        ),
        APPLY,
        look=("code", "spec.containers.0.ports"),
    ),
    patch(
        "another joins its finalizers",
        f"{PODS}/sp?fieldManager=other&force=false",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "sp", "finalizers": ["example.com/a"], "labels": {"x": "1"}},
        },
        APPLY,
        look=("code", "metadata.finalizers", "metadata.labels"),
    ),
    patch(
        "and takes them away by naming them no more",
        f"{PODS}/sp?fieldManager=other&force=false",
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sp", "labels": {"x": "2"}}},
        APPLY,
        look=("code", "metadata.finalizers", "metadata.labels"),
    ),
    patch(
        "apply on the server, unknown field", f"{MAPS}/s?{SERVER_SIDE}", {**config_map("s"), "dat": {}}, APPLY
    ),
    patch("apply on the server, wrong type", f"{PODS}/st?{SERVER_SIDE}", pod("st", priority="high"), APPLY),
    patch(
        "apply on the server, an application",
        f"{APPS}/sa?{SERVER_SIDE}",
        application("sa"),
        APPLY,
        look=("code", "spec.executor"),
    ),
    patch(
        "another conflicts over its executors",
        f"{APPS}/sa?fieldManager=other",
        application("sa", executor={"instances": 5}),
        APPLY,
    ),
    patch(
        "an application, unknown field",
        f"{APPS}/sa?{SERVER_SIDE}",
        application("sa", surplus=1),
        APPLY,
        look=("code", "message"),
    ),
    get("get shows pods", f"{PODS}?limit=500", accept=TABLE, look=("kind", "rows.0.cells", "rows.1.cells")),
    get("get of an application", f"{APPS}/a", accept=TABLE, look=("kind", "rows.0.cells")),
    get(
        "get with a selector",
        f"{PODS}?labelSelector=x%3D2&limit=500",
        accept=TABLE,
        look=("kind", "rows.0.object.metadata.name", "rows.1"),
    ),
    get(
        "get and watch",
        f"{PODS}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dsp",
        accept=TABLE,
        look=("0.type", "0.object.kind"),
    ),
    get("get the metadata of one", f"{PODS}/sp", accept=METADATA, look=("kind", "metadata.labels")),
    get("describe asks for a pod's events", _events(name="p", namespace="{ns}"), look=("kind", "items")),
    get(
        "describe asks for a node's pods",
        f"{CORE}/pods?fieldSelector=spec.nodeName%3Dnone%2Cstatus.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed&limit=500",
        look=("kind", "items"),
    ),
    get(
        "describe asks for a node's lease",
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/none",
        look=("code", "message"),
    ),
    get(
        "describe asks for a node's devices",
        "/apis/nothing.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dnone",
        look=("code",),
    ),
    post("a quota to describe", f"{OWN}/resourcequotas", quota("q", {"pods": "9"}), compared=False),
    get(
        "describe asks for a namespace's quotas",
        f"{OWN}/resourcequotas?limit=500",
        until=("items.0.status.used.pods", "2"),
        look=("kind", "items.0.status"),
    ),
    get("logs asks for the pod", f"{PODS}/p", look=("kind", "metadata.name")),
    get("logs of a pod that waits", f"{PODS}/p/log?container=main&tailLines=3", look=("code", "message")),
    get("logs of an unknown container", f"{PODS}/p/log?container=nothing"),
    get("logs without saying which container", f"{PODS}/p/log"),
    patch(
        "label",
        f"{PODS}/p?fieldManager=kubectl-label",
        {"metadata": {"labels": {"l": "1"}}},
        MERGE,
        look=("metadata.labels",),
    ),
    patch(
        "annotate",
        f"{PODS}/p?fieldManager=kubectl-annotate",
        {"metadata": {"annotations": {"k": "v"}}},
        MERGE,
        look=("metadata.annotations.k",),
    ),
    delete("delete a pod", f"{PODS}/p", GONE, look=("code", "kind", "metadata.name")),
    delete("delete an application", f"{APPS}/a", GONE),
    get("delete waits until it is gone", f"{APPS}/a", until=("code", 404), look=("code",)),
    delete("delete by label", f"{PODS}?labelSelector=x%3D2", GONE, look=("kind", "items.0.metadata.name")),
    get("auth can-i asks for roles", f"{_RBAC}/namespaces/{{ns}}/roles?limit=500", look=("kind", "items")),
]
