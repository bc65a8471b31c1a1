# SPDX-License-Identifier: Apache-2.0
"""Namespaces, nodes, priority classes, runtime classes, definitions."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import CORE, OWN, STRATEGIC, Request, delete, get, patch, pod, post

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/{ns}.example.com/v1/namespaces/{ns}/things"

_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1},
                "colour": {"type": "string", "enum": ["red", "blue"]},
            },
        }
    },
}


def _crd(plural: str, **version: Any) -> dict[str, Any]:
    names = {"plural": plural, "singular": plural.rstrip("s"), "kind": plural.rstrip("s").title()}
    shape = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": _SCHEMA}, **version}
    return {
        "metadata": {"name": f"{plural}.{{ns}}.example.com"},
        "spec": {"group": "{ns}.example.com", "scope": "Namespaced", "names": names, "versions": [shape]},
    }


REQUESTS: list[Request] = [
    get("the own namespace", f"{CORE}/namespaces/{{ns}}"),
    post("a namespace with a dot", f"{CORE}/namespaces", {"metadata": {"name": "a.b"}}),
    post(
        "a node",
        f"{CORE}/nodes",
        {"metadata": {"name": "{ns}-node", "labels": {"a": "1"}}, "spec": {"unschedulable": True}},
        look=("kind", "metadata.labels", "spec"),
    ),
    patch(
        "the status of a node",
        f"{CORE}/nodes/{{ns}}-node/status",
        {
            "status": {
                "capacity": {"cpu": "4", "memory": "8Gi"},
                "conditions": [{"type": "Ready", "status": "True"}],
            }
        },
        STRATEGIC,
        look=("status.capacity", "status.allocatable", "status.conditions"),
    ),
    patch(
        "a taint",
        f"{CORE}/nodes/{{ns}}-node",
        {"spec": {"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]}},
        STRATEGIC,
        look=("code",),
    ),
    patch(
        "a taint of no effect",
        f"{CORE}/nodes/{{ns}}-node",
        {"spec": {"taints": [{"key": "a", "value": "b", "effect": "Never"}]}},
        look=("code", "message"),
    ),
    get(
        "nodes that take no pods",
        f"{CORE}/nodes?fieldSelector=spec.unschedulable%3Dtrue,metadata.name%3D{{ns}}-node",
        look=("items.0.metadata.name",),
    ),
    delete("a node goes", f"{CORE}/nodes/{{ns}}-node"),
    post("a priority class", CLASSES, {"metadata": {"name": "{ns}-p"}, "value": 100, "description": "d"}),
    post("a priority class too high", CLASSES, {"metadata": {"name": "{ns}-q"}, "value": 2000000000}),
    post("a priority class with a system name", CLASSES, {"metadata": {"name": "system-{ns}"}, "value": 1}),
    patch("the value of a priority class may not change", f"{CLASSES}/{{ns}}-p", {"value": 5}),
    post(
        "a policy that is none",
        CLASSES,
        {"metadata": {"name": "{ns}-r"}, "value": 5, "preemptionPolicy": "Sometimes"},
    ),
    post(
        "a pod with the class",
        f"{OWN}/pods",
        pod("p", priorityClassName="{ns}-p"),
        look=("spec.priority", "spec.preemptionPolicy"),
    ),
    post(
        "a pod with the class and another value",
        f"{OWN}/pods",
        pod("q", priorityClassName="{ns}-p", priority=5),
    ),
    post(
        "a runtime class",
        RUNTIMES,
        {
            "metadata": {"name": "{ns}-r"},
            "handler": "kata",
            "overhead": {"podFixed": {"cpu": "250m", "memory": "64Mi"}},
        },
    ),
    post("a runtime class without a handler", RUNTIMES, {"metadata": {"name": "{ns}-s"}}),
    post(
        "a pod with overhead",
        f"{OWN}/pods",
        pod("r", runtimeClassName="{ns}-r"),
        look=("spec.overhead", "spec.runtimeClassName"),
    ),
    post(
        "a pod with another overhead",
        f"{OWN}/pods",
        pod("s", runtimeClassName="{ns}-r", overhead={"cpu": "1"}),
    ),
    post(
        "a definition",
        CRDS,
        _crd("things"),
        look=("kind", "spec.conversion", "spec.names", "spec.scope", "metadata.name"),
    ),
    get(
        "it is established",
        f"{CRDS}/things.{{ns}}.example.com",
        until=("status.conditions.1.status", "True"),
        look=(
            "status.conditions.0.type",
            "status.conditions.1.type",
            "status.acceptedNames",
            "status.storedVersions",
        ),
    ),
    get("and served", THINGS, until=("code", 200), look=("kind", "apiVersion", "items")),
    post(
        "an object of it",
        THINGS,
        {
            "apiVersion": "{ns}.example.com/v1",
            "kind": "Thing",
            "metadata": {"name": "t"},
            "spec": {"size": 1, "surplus": 2},
        },
    ),
    post(
        "an object that does not fit",
        THINGS,
        {
            "apiVersion": "{ns}.example.com/v1",
            "kind": "Thing",
            "metadata": {"name": "u"},
            "spec": {"size": 0, "colour": "green"},
        },
    ),
    post("an object without a kind", THINGS, {"metadata": {"name": "u"}}, look=("code", "reason")),
    post(
        "a definition whose name does not fit",
        CRDS,
        {**_crd("things"), "metadata": {"name": "other.{ns}.example.com"}},
        look=("code", "reason", "details.causes.0.field"),
    ),
    post("a definition without a schema", CRDS, _crd("bares", schema=None), look=("code", "reason")),
    delete("a definition goes", f"{CRDS}/things.{{ns}}.example.com", look=("code",)),
    get("with its objects", THINGS, until=("code", 404), look=("code",)),
]
