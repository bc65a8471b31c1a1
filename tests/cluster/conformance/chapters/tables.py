# SPDX-License-Identifier: Apache-2.0
"""What ``kubectl get`` asks for: tables and metadata alone."""

from __future__ import annotations

from tests.cluster.conformance.request import (
    APPS,
    CORE,
    METADATA,
    METADATA_LIST,
    OWN,
    TABLE,
    Request,
    application,
    config_map,
    get,
    pod,
    post,
    quota,
)

RBAC = "/apis/rbac.authorization.k8s.io/v1"
LOOK = ("kind", "apiVersion", "columnDefinitions", "rows.0.cells", "rows.1", "rows.0.object.kind")


def _table(kind: str, path: str) -> Request:
    return get(f"{kind} as a table", path, accept=TABLE, look=LOOK)


REQUESTS: list[Request] = [
    post("a pod", f"{OWN}/pods", pod("p"), compared=False),
    post("a config map", f"{OWN}/configmaps", config_map("c", {"t": "1"}, a="1", b="2"), compared=False),
    post(
        "a quota",
        f"{OWN}/resourcequotas",
        quota("q", {"pods": "5", "requests.cpu": "4", "limits.cpu": "8"}),
        compared=False,
    ),
    get("counted", f"{OWN}/resourcequotas/q", until=("status.used.pods", "1"), compared=False),
    post("an application", APPS, application("a"), compared=False),
    post(
        "a service",
        f"{OWN}/services",
        {"metadata": {"name": "s"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}},
        compared=False,
    ),
    post(
        "an event",
        f"{OWN}/events",
        {
            "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "{ns}"},
            "reason": "R",
            "message": "m",
            "type": "Normal",
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "count": 1,
        },
        compared=False,
    ),
    post(
        "a lease",
        "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
        {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}},
        compared=False,
    ),
    post(
        "a limit range",
        f"{OWN}/limitranges",
        {"metadata": {"name": "lr"}, "spec": {"limits": [{"type": "Container", "max": {"cpu": "50"}}]}},
        compared=False,
    ),
    post(
        "a claim",
        f"{OWN}/persistentvolumeclaims",
        {
            "metadata": {"name": "v"},
            "spec": {
                "storageClassName": "x",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
        compared=False,
    ),
    post(
        "a role",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
        {"metadata": {"name": "r"}, "rules": []},
        compared=False,
    ),
    post("an account", f"{OWN}/serviceaccounts", {"metadata": {"name": "sa"}}, compared=False),
    post(
        "a priority class",
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        {"metadata": {"name": "{ns}-pc"}, "value": 5},
        compared=False,
    ),
    post(
        "a node",
        f"{CORE}/nodes",
        {"metadata": {"name": "{ns}-n"}, "spec": {"unschedulable": True}},
        compared=False,
    ),
    post("a secret", f"{OWN}/secrets", {"metadata": {"name": "s"}, "stringData": {"a": "1"}}, compared=False),
    post(
        "a binding",
        f"{RBAC}/namespaces/{{ns}}/rolebindings",
        {
            "metadata": {"name": "b"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [
                {"kind": "User", "name": "ann"},
                {"kind": "ServiceAccount", "name": "spark", "namespace": "x"},
                {"kind": "Group", "name": "all"},
                {"kind": "User", "name": "bob"},
            ],
        },
        compared=False,
    ),
    post(
        "a budget",
        "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets",
        {"metadata": {"name": "d"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"no": "ne"}}}},
        compared=False,
    ),
    post(
        "a runtime class",
        "/apis/node.k8s.io/v1/runtimeclasses",
        {"metadata": {"name": "{ns}-rc"}, "handler": "kata"},
        compared=False,
    ),
    post(
        "a cluster role",
        f"{RBAC}/clusterroles",
        {"metadata": {"name": "{ns}-cr"}, "rules": []},
        compared=False,
    ),
    _table("pods", f"{OWN}/pods"),
    _table("secrets", f"{OWN}/secrets"),
    _table("role bindings", f"{RBAC}/namespaces/{{ns}}/rolebindings"),
    _table("budgets", "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets"),
    _table("runtime classes", "/apis/node.k8s.io/v1/runtimeclasses/{ns}-rc"),
    _table("cluster roles", f"{RBAC}/clusterroles/{{ns}}-cr"),
    _table(
        "definitions",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sparkapplications.sparkoperator.k8s.io",
    ),
    _table("daemon sets", "/apis/apps/v1/namespaces/{ns}/daemonsets"),
    _table("one pod", f"{OWN}/pods/p"),
    _table("config maps", f"{OWN}/configmaps?labelSelector=t"),
    _table("quotas", f"{OWN}/resourcequotas"),
    _table("applications", APPS),
    _table("services", f"{OWN}/services"),
    _table("events", f"{OWN}/events?fieldSelector=reason%3DR"),
    _table("leases", "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases"),
    _table("limit ranges", f"{OWN}/limitranges"),
    _table("claims", f"{OWN}/persistentvolumeclaims"),
    _table("roles", "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles"),
    _table("accounts", f"{OWN}/serviceaccounts/sa"),
    _table("namespaces", f"{CORE}/namespaces/{{ns}}"),
    _table("nodes", f"{CORE}/nodes/{{ns}}-n"),
    _table("priority classes", "/apis/scheduling.k8s.io/v1/priorityclasses/{ns}-pc"),
    get(
        "a table with whole objects",
        f"{OWN}/pods?includeObject=Object",
        accept=TABLE,
        look=("rows.0.object.kind", "rows.0.object.metadata.name", "rows.0.object.spec.schedulerName"),
    ),
    get("a table without objects", f"{OWN}/pods?includeObject=None", accept=TABLE, look=("rows.0.object",)),
    get("an empty table", f"{OWN}/pods?labelSelector=none", accept=TABLE, look=("kind", "rows")),
    get("metadata of one", f"{OWN}/configmaps/c", accept=METADATA),
    get("metadata of a list", f"{OWN}/configmaps?labelSelector=t", accept=METADATA_LIST),
    get("an error is a status", f"{OWN}/pods/none", accept=TABLE),
    get("an answer nobody can give", f"{OWN}/pods", accept="text/html", look=("code", "reason", "message")),
]
