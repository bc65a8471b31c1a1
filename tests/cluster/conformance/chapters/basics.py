# SPDX-License-Identifier: Apache-2.0
"""Create, read, replace, delete and the errors every kind shares."""

from __future__ import annotations

from tests.cluster.conformance.request import CORE, OWN, Request, config_map, delete, get, patch, post, put

MAPS = f"{OWN}/configmaps"

REQUESTS: list[Request] = [
    get("health", "/readyz"),
    get("the versions of the core API", "/api", look=("kind", "versions")),
    get("an unknown path", "/nothing"),
    get("an unknown resource of a known group", f"{OWN}/nothings"),
    get("an unknown group", "/apis/nothing.example.com/v1/things"),
    get("no token", MAPS, token=""),
    get("an unknown token", MAPS, token="Bearer nobody"),
    post(
        "create a config map",
        MAPS,
        config_map("a", v="1"),
        keep={"uid": "metadata.uid", "rv": "metadata.resourceVersion"},
    ),
    post("create it again", MAPS, config_map("a", v="1")),
    post("create without a name", MAPS, {"apiVersion": "v1", "kind": "ConfigMap"}),
    post("create with a generated name", MAPS, {"metadata": {"generateName": "made-"}}),
    post("create with an upper-case name", MAPS, config_map("Upper")),
    post(
        "create with a name too long",
        MAPS,
        config_map("a" * 254),
        look=("code", "reason", "details.causes.0.field"),
    ),
    post("create with an invalid label", MAPS, config_map("bad-label", {"a b": "c"})),
    post("create with an invalid label value", MAPS, config_map("bad-value", {"a": "-c-"})),
    post(
        "create in another namespace than the path says",
        MAPS,
        {"metadata": {"name": "b", "namespace": "other"}},
    ),
    post(
        "create in a namespace that is not there",
        f"{CORE}/namespaces/no-such-place/configmaps",
        config_map("b"),
    ),
    post(
        "create another kind than the path says",
        MAPS,
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}},
    ),
    post("create with a resource version", MAPS, {"metadata": {"name": "b", "resourceVersion": "5"}}),
    post("create from text that is no JSON", MAPS, "{nonsense", look=("code", "reason", "status")),
    post("create at a path with a name", f"{MAPS}/a", config_map("a")),
    post("create without storing", f"{MAPS}?dryRun=All", config_map("dry", v="1")),
    get("what was not stored is not there", f"{MAPS}/dry"),
    post("dry-run with an unknown value", f"{MAPS}?dryRun=Some", config_map("dry")),
    post("data with a key that is none", MAPS, config_map("bad-key", None, **{"a b": "c"})),
    get("read", f"{MAPS}/a"),
    get("read what is not there", f"{MAPS}/none"),
    put("replace", f"{MAPS}/a", config_map("a", v="2")),
    put(
        "replace with a stale version",
        f"{MAPS}/a",
        {"metadata": {"name": "a", "resourceVersion": "{rv}"}, "data": {"v": "3"}},
    ),
    put(
        "replace with another uid",
        f"{MAPS}/a",
        {"metadata": {"name": "a", "uid": "11111111-1111-1111-1111-111111111111"}},
    ),
    put("replace with another name", f"{MAPS}/a", config_map("b")),
    put("replace without storing", f"{MAPS}/a?dryRun=All", config_map("a", v="9")),
    put("replace what is not there", f"{MAPS}/none", config_map("none")),
    put("replace a collection", MAPS, config_map("a")),
    delete("delete without doing it", f"{MAPS}/a?dryRun=All"),
    get("it is still as it was", f"{MAPS}/a"),
    delete("delete", f"{MAPS}/a"),
    delete("delete again", f"{MAPS}/a"),
    post("an immutable config map", MAPS, {**config_map("fixed", v="1"), "immutable": True}),
    put("changing an immutable config map", f"{MAPS}/fixed", config_map("fixed", v="2")),
    post(
        "a strict creation names unknown fields",
        f"{MAPS}?fieldValidation=Strict",
        {**config_map("strict"), "surplus": 1},
    ),
    post("an unknown field is dropped", MAPS, {**config_map("loose"), "surplus": 1}),
    post("a service account", f"{OWN}/serviceaccounts", {"metadata": {"name": "spark"}}),
    post(
        "a role",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
        {
            "metadata": {"name": "spark"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}],
        },
    ),
    post(
        "a headless service",
        f"{OWN}/services",
        {
            "metadata": {"name": "driver-svc"},
            "spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"name": "rpc", "port": 7078}]},
        },
    ),
    post(
        "a service name that begins with a digit",
        f"{OWN}/services",
        {"metadata": {"name": "1driver"}, "spec": {"clusterIP": "None", "ports": [{"port": 7078}]}},
    ),
    post("a service without ports", f"{OWN}/services", {"metadata": {"name": "noports"}, "spec": {}}),
    post(
        "an event",
        f"{OWN}/events",
        {
            "metadata": {"name": "e1"},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "{ns}"},
            "reason": "Tested",
            "message": "m",
            "type": "Normal",
        },
    ),
    post(
        "an event about another namespace",
        f"{OWN}/events",
        {
            "metadata": {"name": "e2"},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "other"},
            "reason": "Tested",
            "message": "m",
            "type": "Normal",
        },
    ),
    post(
        "a lease",
        "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
        {
            "metadata": {"name": "l"},
            "spec": {
                "holderIdentity": "me",
                "leaseDurationSeconds": 15,
                "renewTime": "2026-01-01T00:00:00.000000Z",
            },
        },
        keep={"seen": "metadata.resourceVersion"},
    ),
    put(
        "a lease renewed by its holder",
        "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l",
        {
            "metadata": {"name": "l", "resourceVersion": "{seen}"},
            "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 1},
        },
        look=("code", "spec"),
    ),
    put(
        "a lease taken by who has seen too little",
        "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l",
        {
            "metadata": {"name": "l", "resourceVersion": "{seen}"},
            "spec": {"holderIdentity": "you", "leaseDurationSeconds": 15},
        },
    ),
    post(
        "a secret",
        f"{OWN}/secrets",
        {"metadata": {"name": "s"}, "stringData": {"a": "1"}, "data": {"a": "Mg==", "b": "MQ=="}},
    ),
    patch(
        "a secret in plain words",
        f"{OWN}/secrets/s",
        {"stringData": {"a": "3"}},
        look=("code", "data", "stringData", "type"),
    ),
    post(
        "a secret with a key that is none",
        f"{OWN}/secrets",
        {"metadata": {"name": "t"}, "data": {"a b": "MQ=="}},
    ),
    post(
        "a generated name with a prefix too long",
        f"{MAPS}?dryRun=All",
        {"metadata": {"generateName": "a" * 250}},
        look=("code", "reason"),
    ),
    post(
        "a generated name that is none",
        f"{MAPS}?dryRun=All",
        {"metadata": {"generateName": "A_"}},
        look=("code", "reason"),
    ),
    post(
        "a lease of no duration",
        "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
        {"metadata": {"name": "l0"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 0}},
    ),
    post(
        "a claim",
        f"{OWN}/persistentvolumeclaims",
        {
            "metadata": {"name": "c"},
            "spec": {
                "storageClassName": "fast",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
        look=("kind", "spec", "metadata.finalizers"),
    ),
    post(
        "a claim of no size",
        f"{OWN}/persistentvolumeclaims",
        {"metadata": {"name": "c0"}, "spec": {"accessModes": ["ReadWriteOnce"]}},
    ),
]
