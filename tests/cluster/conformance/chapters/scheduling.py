# SPDX-License-Identifier: Apache-2.0
"""The scheduler's choices and sentences, on four nodes of the chapter's own.

Sentences count all nodes of a cluster: this chapter is for clusters that have no others.
"""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.chapters.placing import NODES, PODS, asked, node, placed, refused
from tests.cluster.conformance.request import Request, delete, get, patch, post

TOLERANT = [{"key": "gpu", "operator": "Exists"}]
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


def _affinity(kind: str, rule: str, terms: Any) -> dict[str, Any]:
    return {kind: {rule: terms}}


HARD = "requiredDuringSchedulingIgnoredDuringExecution"


def _near(app: str, key: str) -> list[dict[str, Any]]:
    return [{"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}]


def _node_terms(key: str, operator: str, *values: str) -> dict[str, Any]:
    expression = {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
    return {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}


def _eviction(name: str, **options: Any) -> dict[str, Any]:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return {**body, "deleteOptions": options} if options else body


def _sidecar(cpu: str) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu}}
    return {"name": "side", "image": "p", "restartPolicy": "Always", "resources": resources}


_AWAY = {"key": "away", "operator": "Exists", "effect": "NoExecute"}
MOMENT, EVER = [{**_AWAY, "tolerationSeconds": 1}], [_AWAY]
_WHY_GONE = tuple(f"status.conditions.1.{name}" for name in ("type", "status", "reason", "message"))
OURS = {"matchLabels": {"kubernetes.io/metadata.name": "{ns}"}}
NOBODY = {"matchLabels": {"kubernetes.io/metadata.name": "nobody"}}


def _spread(key: str, when: str = "DoNotSchedule") -> list[dict[str, Any]]:
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": when,
            "labelSelector": {"matchLabels": {"app": "s"}},
        }
    ]


REQUESTS: list[Request] = [
    *refused("no nodes at all", "none"),
    *node("a", "4", "8Gi", zone="z1", disk="ssd"),
    *node("b", "4", "8Gi", zone="z2", taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]),
    *node("c", "2", "4Gi", zone="z2"),
    *node("d", "8", "16Gi", zone="z3", unschedulable=True),
    *placed("a node selector chooses", "p1", nodeSelector={"disk": "ssd"}),
    *placed("a toleration opens a node", "p2", cpu="3", nodeSelector={"zone": "z2"}, tolerations=TOLERANT),
    *placed(
        "node affinity chooses",
        "p3",
        affinity=_affinity("nodeAffinity", HARD, _node_terms("zone", "In", "z1")),
    ),
    *placed(
        "node affinity by absence",
        "p4",
        affinity=_affinity("nodeAffinity", HARD, _node_terms("zone", "NotIn", "z1", "z3")),
    ),
    *refused("too much cpu", "r1", cpu="5"),
    *refused("too much of everything", "r2", cpu="50", memory="500Gi"),
    *refused("a selector that nothing has", "r3", nodeSelector={"disk": "tape"}),
    *refused("a selector and too much cpu", "r4", cpu="5", nodeSelector={"disk": "ssd"}),
    *refused("a toleration and too much cpu", "r5", cpu="5", tolerations=TOLERANT),
    *refused(
        "an affinity that nothing has",
        "r6",
        affinity=_affinity("nodeAffinity", HARD, _node_terms("zone", "Gt", "5")),
    ),
    *refused(
        "a GPU that nobody has",
        "r7",
        nodeSelector={"zone": "z1"},
        cpu="1000m",
        containers=[{"name": "m", "image": "p", "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
    ),
    *placed("first of an app", "w1", labels={"app": "w"}, nodeSelector={"zone": "z1"}, keep=True),
    *placed(
        "affinity follows it",
        "w2",
        labels={"x": "y"},
        affinity=_affinity("podAffinity", HARD, _near("w", "zone")),
    ),
    *placed("anti-affinity avoids it", "w3", affinity=_affinity("podAntiAffinity", HARD, _near("w", "zone"))),
    *refused(
        "anti-affinity leaves nothing",
        "w4",
        nodeSelector={"zone": "z1"},
        affinity=_affinity("podAntiAffinity", HARD, _near("w", "zone")),
    ),
    *refused("affinity to nobody", "w5", affinity=_affinity("podAffinity", HARD, _near("nobody", "zone"))),
    *placed(
        "affinity to oneself",
        "w6",
        labels={"app": "self"},
        nodeSelector={"zone": "z1"},
        affinity=_affinity("podAffinity", HARD, _near("self", "zone")),
    ),
    *placed(
        "an app that wants to be alone",
        "w7",
        labels={"app": "alone"},
        nodeSelector={"zone": "z1"},
        affinity=_affinity("podAntiAffinity", HARD, _near("alone", "zone")),
        keep=True,
    ),
    *refused("is left alone", "w8", labels={"app": "alone"}, nodeSelector={"zone": "z1"}),
    *placed(
        "spread: first",
        "s1",
        labels={"app": "s"},
        nodeSelector={"zone": "z1"},
        topologySpreadConstraints=_spread("zone"),
        keep=True,
    ),
    *placed(
        "spread: second goes elsewhere",
        "s2",
        labels={"app": "s"},
        topologySpreadConstraints=_spread("zone"),
        keep=True,
    ),
    *refused(
        "spread: leaves nothing",
        "s3",
        cpu="3",
        labels={"app": "s"},
        topologySpreadConstraints=_spread("rack"),
    ),
    *placed(
        "spread: a wish only",
        "s4",
        labels={"app": "s"},
        nodeSelector={"zone": "z1"},
        topologySpreadConstraints=_spread("rack", "ScheduleAnyway"),
    ),
    *placed(
        "affinity to pods of namespaces by their labels",
        "w9",
        nodeSelector={"disk": "hdd"},
        affinity=_affinity("podAntiAffinity", HARD, [{**_near("w", "zone")[0], "namespaceSelector": {}}]),
    ),
    *refused(
        "anti-affinity to pods of chosen namespaces",
        "w10",
        nodeSelector={"zone": "z1"},
        affinity=_affinity("podAntiAffinity", HARD, [{**_near("w", "zone")[0], "namespaceSelector": OURS}]),
    ),
    *placed(
        "anti-affinity to pods of no namespace",
        "w11",
        nodeSelector={"zone": "z1"},
        affinity=_affinity("podAntiAffinity", HARD, [{**_near("w", "zone")[0], "namespaceSelector": NOBODY}]),
    ),
    *refused(
        "spread: fewer domains than asked for",
        "s5",
        labels={"app": "s"},
        nodeSelector={"zone": "z1"},
        topologySpreadConstraints=[{**_spread("zone")[0], "minDomains": 5}],
    ),
    *placed(
        "spread: apart by another label",
        "s6",
        labels={"app": "s", "turn": "2"},
        nodeSelector={"zone": "z1"},
        topologySpreadConstraints=[{**_spread("zone")[0], "matchLabelKeys": ["turn"]}],
    ),
    delete("away: w1", f"{PODS}/w1?gracePeriodSeconds=0", compared=False),
    delete("away: w7", f"{PODS}/w7?gracePeriodSeconds=0", compared=False),
    delete("away: s1", f"{PODS}/s1?gracePeriodSeconds=0", compared=False),
    delete("away: s2", f"{PODS}/s2?gracePeriodSeconds=0", compared=False),
    post("a high class", CLASSES, {"metadata": {"name": "{ns}-high"}, "value": 1000}, compared=False),
    post(
        "a class that pushes nobody out",
        CLASSES,
        {"metadata": {"name": "{ns}-polite"}, "value": 1000, "preemptionPolicy": "Never"},
        compared=False,
    ),
    *refused(
        "an init container larger than the rest",
        "i1",
        nodeSelector={"disk": "ssd"},
        initContainers=[{"name": "i", "image": "p", "resources": {"requests": {"cpu": "5"}}}],
    ),
    *placed(
        "init containers one after the other",
        "i2",
        nodeSelector={"disk": "ssd"},
        initContainers=[
            {"name": f"i{number}", "image": "p", "resources": {"requests": {"cpu": "4"}}} for number in (1, 2)
        ],
    ),
    *refused(
        "a sidecar counts with the containers",
        "i3",
        cpu="3",
        nodeSelector={"disk": "ssd"},
        initContainers=[_sidecar("2")],
    ),
    *refused(
        "a sidecar counts with later init containers",
        "i4",
        nodeSelector={"disk": "ssd"},
        initContainers=[
            _sidecar("2"),
            {"name": "i", "image": "p", "resources": {"requests": {"cpu": "3"}}},
        ],
    ),
    *placed(
        "a sidecar does not count with earlier init containers",
        "i5",
        nodeSelector={"disk": "ssd"},
        initContainers=[
            {"name": "i", "image": "p", "resources": {"requests": {"cpu": "3"}}},
            _sidecar("2"),
        ],
    ),
    post(
        "a runtime class with overhead",
        "/apis/node.k8s.io/v1/runtimeclasses",
        {
            "metadata": {"name": "{ns}-vm"},
            "handler": "vm",
            "overhead": {"podFixed": {"cpu": "1"}},
        },
        compared=False,
    ),
    *refused("overhead counts", "o1", cpu="3500m", nodeSelector={"disk": "ssd"}, runtimeClassName="{ns}-vm"),
    *placed("overhead fits", "o2", cpu="3", nodeSelector={"disk": "ssd"}, runtimeClassName="{ns}-vm"),
    patch(
        "node a would rather not",
        f"{NODES}/{{ns}}-a",
        {"spec": {"taints": [{"key": "busy", "effect": "PreferNoSchedule"}]}},
        compared=False,
    ),
    *placed("reluctance is no refusal", "t1", nodeSelector={"disk": "ssd"}),
    patch("node a does not mind", f"{NODES}/{{ns}}-a", {"spec": {"taints": None}}, compared=False),
    *placed(
        "a pod that tolerates for a moment", "t2", keep=True, nodeSelector={"disk": "ssd"}, tolerations=MOMENT
    ),
    *placed("a pod that tolerates for ever", "t3", keep=True, nodeSelector={"disk": "ssd"}, tolerations=EVER),
    *placed("a pod that does not tolerate", "t4", keep=True, nodeSelector={"disk": "ssd"}),
    patch(
        "node a throws out",
        f"{NODES}/{{ns}}-a",
        {"spec": {"taints": [{"key": "away", "effect": "NoExecute"}]}},
        compared=False,
    ),
    get("at once", f"{PODS}/t4", until=("metadata.deletionTimestamp", None), look=_WHY_GONE),
    get("after a moment", f"{PODS}/t2", until=("metadata.deletionTimestamp", None), look=_WHY_GONE),
    get("never", f"{PODS}/t3", look=("metadata.deletionTimestamp", "status.phase")),
    *[
        delete(f"away: t{number}", f"{PODS}/t{number}?gracePeriodSeconds=0", compared=False)
        for number in (2, 3, 4)
    ],
    patch("node a lets stay", f"{NODES}/{{ns}}-a", {"spec": {"taints": None}}, compared=False),
    *placed("a full node", "full", cpu="4", nodeSelector={"disk": "ssd"}, keep=True),
    *refused("no room and no priority", "v0", cpu="2", nodeSelector={"disk": "ssd"}),
    *refused(
        "no room and polite", "v1", cpu="2", nodeSelector={"disk": "ssd"}, priorityClassName="{ns}-polite"
    ),
    *refused(
        "preemption cannot help", "v2", cpu="9", nodeSelector={"disk": "ssd"}, priorityClassName="{ns}-high"
    ),
    post(
        "a pod with priority",
        PODS,
        asked("v3", cpu="2", nodeSelector={"disk": "ssd"}, priorityClassName="{ns}-high"),
        compared=False,
    ),
    get(
        "is nominated",
        f"{PODS}/v3",
        until=("status.nominatedNodeName", None),
        look=("status.nominatedNodeName", "status.conditions.0.message"),
    ),
    get(
        "its victim goes",
        f"{PODS}/full",
        until=("metadata.deletionTimestamp", None),
        look=("status.conditions.1.type", "status.conditions.1.reason", "status.conditions.1.message"),
    ),
    delete("at once", f"{PODS}/full?gracePeriodSeconds=0", compared=False),
    get("and makes room", f"{PODS}/v3", until=("spec.nodeName", None), look=("spec.nodeName",)),
    delete("away: v3", f"{PODS}/v3?gracePeriodSeconds=0", compared=False),
    post(
        "a pod behind a gate",
        PODS,
        asked("gated", schedulingGates=[{"name": "example.com/wait"}]),
        look=("spec.schedulingGates",),
    ),
    get("is gated", f"{PODS}/gated", until=("status.conditions.0.reason", None), look=("status.conditions",)),
    patch("the gate opens", f"{PODS}/gated", {"spec": {"schedulingGates": None}}, compared=False),
    get("and it is placed", f"{PODS}/gated", until=("spec.nodeName", None), look=("status.phase",)),
    post("an eviction of a pod that runs", f"{PODS}/gated/eviction", _eviction("gated", dryRun=["All"])),
    post("an eviction of nobody", f"{PODS}/nobody/eviction", _eviction("nobody")),
    post("an eviction", f"{PODS}/gated/eviction", _eviction("gated")),
    get("an evicted pod", f"{PODS}/gated", look=(*_WHY_GONE, "metadata.deletionGracePeriodSeconds")),
    delete("away: gated", f"{PODS}/gated?gracePeriodSeconds=0", compared=False),
]
