# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota: what it counts, what it refuses, and its scopes."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import (
    APPS,
    CORE,
    MERGE,
    OWN,
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

QUOTAS = f"{OWN}/resourcequotas"
PODS = f"{OWN}/pods"


def _limited(name: str, **spec: Any) -> dict[str, Any]:
    body = pod(name, **spec)
    body["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1", "memory": "1Gi"}}
    return body


def _best_effort(name: str, **spec: Any) -> dict[str, Any]:
    body = pod(name, **spec)
    del body["spec"]["containers"][0]["resources"]
    return body


def _until_used(title: str, name: str, key: str, value: str, *look: str, **options: Any) -> Request:
    return get(
        title, f"{QUOTAS}/{name}", until=(f"status.used.{key}", value), look=look or ("status",), **options
    )


def _class_is(operator: str) -> dict[str, Any]:
    values = {} if operator == "Exists" else {"values": ["{ns}-high"]}
    return {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, **values}]}


def _nosy(**term: Any) -> dict[str, Any]:
    near = {
        "labelSelector": {"matchLabels": {"app": "x"}},
        "topologyKey": "zone",
        "namespaces": ["other"],
        **term,
    }
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near]}}


def _service(name: str, kind: str, ports: int) -> dict[str, Any]:
    doors = [{"name": f"p{number}", "port": number} for number in range(1, ports + 1)]
    return {"metadata": {"name": name}, "spec": {"type": kind, "ports": doors}}


SIZE = "count/sparkapplications.sparkoperator.k8s.io"

REQUESTS: list[Request] = [
    post("a quota", QUOTAS, quota("a", {"cpu": "2", "requests.memory": "4Gi", "pods": "3"})),
    get("its usage", f"{QUOTAS}/a", until=("status.used.pods", "0"), look=("status", "spec")),
    post("a pod within", PODS, pod("p1", cpu="1500m"), look=("code", "metadata.name")),
    _until_used("its usage with a pod", "a", "pods", "1"),
    post("a pod above", PODS, pod("p2", memory="4Gi")),
    post("a pod above that is not stored", f"{PODS}?dryRun=All", pod("p2")),
    post("a pod that does not say", PODS, _best_effort("p2")),
    post("a pod with limits only", PODS, _limited("p2")),
    post("a quota that is no quantity", QUOTAS, quota("bad", {"cpu": "lots"})),
    post("a negative quota", QUOTAS, quota("bad", {"cpu": "-1"})),
    post("a quota of a fraction of a pod", QUOTAS, quota("bad", {"pods": "1500m"})),
    post("a quota on what is none", QUOTAS, quota("bad", {"nonsense": "1"})),
    post("a quota with an unknown scope", QUOTAS, quota("bad", {"pods": "1"}, scopes=["Sometimes"])),
    post(
        "a quota with scopes that contradict",
        QUOTAS,
        quota("bad", {"pods": "1"}, scopes=["BestEffort", "NotBestEffort"]),
    ),
    post("a quota on cpu for best-effort pods", QUOTAS, quota("bad", {"cpu": "1"}, scopes=["BestEffort"])),
    patch("a quota made larger", f"{QUOTAS}/a", {"spec": {"hard": {"cpu": "3"}}}, MERGE, look=("spec",)),
    get("status follows", f"{QUOTAS}/a", until=("status.hard.cpu", "3"), look=("status",)),
    patch("the scopes of a quota may not change", f"{QUOTAS}/a", {"spec": {"scopes": ["Terminating"]}}),
    patch("a pod that has ended", f"{PODS}/p1/status", {"status": {"phase": "Succeeded"}}, compared=False),
    _until_used("gives its share back", "a", "pods", "0"),
    delete("without this quota", f"{QUOTAS}/a", compared=False),
    post("a quota for best-effort pods", QUOTAS, quota("best", {"pods": "1"}, scopes=["BestEffort"])),
    post(
        "a quota for pods with a deadline",
        QUOTAS,
        quota("ending", {"pods": "1", "requests.cpu": "1"}, scopes=["Terminating"]),
    ),
    post("a quota for pods without one", QUOTAS, quota("lasting", {"pods": "5"}, scopes=["NotTerminating"])),
    post(
        "a priority class",
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        {"metadata": {"name": "{ns}-high"}, "value": 1000},
        compared=False,
    ),
    post(
        "a quota for a priority class",
        QUOTAS,
        quota(
            "high",
            {"pods": "1"},
            scopeSelector={
                "matchExpressions": [
                    {"scopeName": "PriorityClass", "operator": "In", "values": ["{ns}-high"]}
                ]
            },
        ),
    ),
    get("best is counted", f"{QUOTAS}/best", until=("status.used.pods", "0"), look=("status",)),
    get("ending is counted", f"{QUOTAS}/ending", until=("status.used.pods", "0"), look=("status",)),
    get("lasting is counted", f"{QUOTAS}/lasting", until=("status.used.pods", None), look=("status.hard",)),
    get("high is counted", f"{QUOTAS}/high", until=("status.used.pods", "0"), look=("status",)),
    post("a best-effort pod", PODS, _best_effort("be1"), look=("code", "status.qosClass")),
    post("a second best-effort pod", PODS, _best_effort("be2")),
    post(
        "a pod with a deadline",
        PODS,
        pod("t1", activeDeadlineSeconds=600),
        look=("code", "spec.activeDeadlineSeconds"),
    ),
    post("a second pod with a deadline", PODS, pod("t2", activeDeadlineSeconds=600)),
    post("a pod with a deadline that does not say", PODS, _best_effort("t3", activeDeadlineSeconds=600)),
    post(
        "a high pod",
        PODS,
        pod("h1", priorityClassName="{ns}-high"),
        look=("spec.priority", "spec.priorityClassName", "spec.preemptionPolicy"),
    ),
    post("a second high pod", PODS, pod("h2", priorityClassName="{ns}-high")),
    post("a pod without class is not counted there", PODS, pod("n1"), look=("code", "metadata.name")),
    _until_used("the usage of best", "best", "pods", "1"),
    _until_used("the usage of ending", "ending", "pods", "1"),
    _until_used("the usage of high", "high", "pods", "1"),
    post(
        "a quota for pods without that class",
        QUOTAS,
        quota("others", {"pods": "1"}, scopeSelector=_class_is("NotIn")),
    ),
    post(
        "a quota for pods with a class",
        QUOTAS,
        quota("classy", {"pods": "9"}, scopeSelector=_class_is("Exists")),
    ),
    post(
        "a quota for pods that look at other namespaces",
        QUOTAS,
        quota("nosy", {"pods": "0"}, scopes=["CrossNamespacePodAffinity"]),
    ),
    post(
        "a quota for pods that ask", QUOTAS, quota("asking", {"requests.cpu": "20"}, scopes=["NotBestEffort"])
    ),
    _until_used("others are counted", "others", "pods", "3"),
    _until_used("those with a class are counted", "classy", "pods", "1"),
    _until_used("nosy ones are counted", "nosy", "pods", "0"),
    get(
        "asking ones are counted",
        f"{QUOTAS}/asking",
        until=("status.used", {"requests.cpu": "3"}),
        look=("status",),
    ),
    post("a pod without that class above", PODS, pod("n2")),
    delete("without the quota for others", f"{QUOTAS}/others", compared=False),
    post("a nosy pod", PODS, pod("n3", affinity=_nosy())),
    post(
        "a pod that looks at its own namespace only",
        PODS,
        pod("n4", affinity=_nosy(namespaces=None)),
        look=("code", "metadata.name"),
    ),
    post(
        "a pod whose init container asks for more",
        PODS,
        pod(
            "n5",
            initContainers=[
                {"name": "i", "image": "p", "resources": {"requests": {"cpu": "4", "memory": "1Gi"}}}
            ],
        ),
        look=("code", "metadata.name"),
    ),
    get(
        "the larger of both is counted",
        f"{QUOTAS}/asking",
        until=("status.used", {"requests.cpu": "8"}),
        look=("status",),
    ),
    # Which of the two is named is up to the order of a Go map.
    post(
        "a pod that two quotas do not let in",
        PODS,
        pod("h3", cpu="90", priorityClassName="{ns}-high"),
        look=("code", "reason"),
    ),
    post(
        "a quota on doors",
        QUOTAS,
        quota("doors", {"services.nodeports": "1", "services.loadbalancers": "0"}),
    ),
    get(
        "doors are counted",
        f"{QUOTAS}/doors",
        until=("status.used", {"services.nodeports": "0", "services.loadbalancers": "0"}),
        look=("status",),
    ),
    post("a service with two doors", f"{OWN}/services", _service("d1", "NodePort", 2)),
    post("a balanced service", f"{OWN}/services", _service("d2", "LoadBalancer", 1)),
    delete("without the quota on doors", f"{QUOTAS}/doors", compared=False),
    post(
        "a quota on objects",
        QUOTAS,
        quota(
            "objects",
            {
                "count/configmaps": "9",
                "services": "1",
                SIZE: "1",
                "persistentvolumeclaims": "1",
                "requests.storage": "10Gi",
                "fast.storageclass.storage.k8s.io/requests.storage": "5Gi",
            },
        ),
    ),
    get(
        "objects are counted", f"{QUOTAS}/objects", until=("status.used.services", "0"), look=("status.hard",)
    ),
    post("a config map within", f"{OWN}/configmaps", config_map("c1"), look=("code", "metadata.name")),
    # A real quota controller looks for new kinds every half a minute.
    post(
        "an application within",
        APPS,
        application("a1"),
        until=("code", 201),
        look=("metadata.name",),
    ),
    post("an application above", APPS, application("a2")),
    post(
        "a service within",
        f"{OWN}/services",
        {"metadata": {"name": "s1"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}},
        look=("code", "metadata.name"),
    ),
    post(
        "a service above",
        f"{OWN}/services",
        {"metadata": {"name": "s2"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}},
    ),
    post(
        "a claim above its class",
        f"{OWN}/persistentvolumeclaims",
        {
            "metadata": {"name": "v1"},
            "spec": {
                "storageClassName": "fast",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "6Gi"}},
            },
        },
    ),
    post(
        "a claim within",
        f"{OWN}/persistentvolumeclaims",
        {
            "metadata": {"name": "v2"},
            "spec": {
                "storageClassName": "slow",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "6Gi"}},
            },
        },
        look=("code", "metadata.name"),
    ),
    post(
        "a second claim",
        f"{OWN}/persistentvolumeclaims",
        {
            "metadata": {"name": "v3"},
            "spec": {
                "storageClassName": "slow",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "6Gi"}},
            },
        },
    ),
    get(
        "the quotas of all namespaces that a person may list",
        f"{CORE}/resourcequotas?fieldSelector=metadata.namespace={{ns}}",
        look=("kind", "items.0.metadata.name", "items.1.metadata.name"),
    ),
]
