# SPDX-License-Identifier: Apache-2.0
"""Pods: what the API server fills in, checks and keeps."""

from __future__ import annotations

from tests.cluster.conformance.request import OWN, STRATEGIC, Request, get, patch, pod, post, put

PODS = f"{OWN}/pods"


def _with(**container: object) -> dict:
    body = pod("bad")
    body["spec"]["containers"][0] |= container
    return body


REQUESTS: list[Request] = [
    post("a pod and its defaults", PODS, pod("a")),
    post(
        "a pod that names only limits",
        PODS,
        {
            "metadata": {"name": "limits"},
            "spec": {
                "schedulerName": "nobody",
                "containers": [
                    {"name": "m", "image": "pause:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
                ],
            },
        },
        look=("spec.containers", "status"),
    ),
    post(
        "a pod that names nothing",
        PODS,
        {
            "metadata": {"name": "nothing"},
            "spec": {
                "schedulerName": "nobody",
                "containers": [
                    {
                        "name": "m",
                        "image": "pause:latest",
                        "env": [{"name": "A", "value": "1"}],
                        "ports": [{"containerPort": 80}],
                    }
                ],
            },
        },
        look=("spec.containers", "status"),
    ),
    post("a pod without containers", PODS, {"metadata": {"name": "bad"}, "spec": {"containers": []}}),
    post("a pod without a spec", PODS, {"metadata": {"name": "bad"}}),
    post("a container without an image", PODS, _with(image="")),
    post("a container without a name", PODS, _with(name="")),
    post("a container name that is none", PODS, _with(name="A_b")),
    post(
        "two containers of a name",
        PODS,
        {
            "metadata": {"name": "bad"},
            "spec": {"containers": [{"name": "m", "image": "p"}, {"name": "m", "image": "p"}]},
        },
    ),
    post(
        "a request above its limit", PODS, _with(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})
    ),
    post("a request that is no quantity", PODS, _with(resources={"requests": {"cpu": "lots"}})),
    post("a negative request", PODS, _with(resources={"requests": {"cpu": "-1"}})),
    post("a GPU request without a limit", PODS, _with(resources={"requests": {"nvidia.com/gpu": "1"}})),
    post("a resource that is none", PODS, _with(resources={"requests": {"gpus": "1"}})),
    post("a restart policy that is none", PODS, pod("bad", restartPolicy="Sometimes")),
    post("a node selector that is none", PODS, pod("bad", nodeSelector={"a b": "c"})),
    post(
        "a toleration that is none",
        PODS,
        pod("bad", tolerations=[{"key": "a", "operator": "Exists", "value": "x"}]),
    ),
    post("a negative grace", PODS, pod("bad", terminationGracePeriodSeconds=-5), look=("code", "message")),
    post("a pod with a wrong type", PODS, pod("bad", priority="high"), look=("code", "reason")),
    post("a pod with an unknown priority class", PODS, pod("bad", priorityClassName="none-such")),
    post("a pod with a priority of its own", PODS, pod("bad", priority=5)),
    post("a pod with an unknown runtime class", PODS, pod("bad", runtimeClassName="none-such")),
    post(
        "a pod with a system priority",
        PODS,
        pod("bad", priorityClassName="system-node-critical"),
        look=("spec.priority", "spec.preemptionPolicy", "spec.priorityClassName"),
    ),
    post(
        "a pod generated",
        PODS,
        {**pod(""), "metadata": {"generateName": "exec-", "labels": {"role": "x"}}},
        look=("metadata.name", "metadata.generateName"),
    ),
    get("the log of a pod that has no node", f"{PODS}/a/log", look=("code", "message")),
    get("the log of a pod that is not there", f"{PODS}/none/log"),
    patch(
        "labels may change",
        f"{PODS}/a",
        {"metadata": {"labels": {"x": "1"}}},
        STRATEGIC,
        look=("metadata.labels",),
    ),
    patch(
        "an image may change",
        f"{PODS}/a",
        {"spec": {"containers": [{"name": "main", "image": "other"}]}},
        STRATEGIC,
        look=("spec.containers.0.image", "spec.containers.0.resources"),
    ),
    patch(
        "requests may not change",
        f"{PODS}/a",
        {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "2"}}}]}},
        STRATEGIC,
        look=("reason", "details.causes.0.field", "details.causes.0.reason"),
    ),
    patch(
        "the node may not change",
        f"{PODS}/a",
        {"spec": {"nodeName": "n"}},
        STRATEGIC,
        look=("reason", "details.causes.0.field", "details.causes.0.reason"),
    ),
    patch(
        "a toleration may be added",
        f"{PODS}/a",
        {"spec": {"tolerations": [{"key": "a", "operator": "Exists"}]}},
        STRATEGIC,
        look=("spec.tolerations",),
    ),
    patch(
        "status is not written with the rest",
        f"{PODS}/a",
        {"status": {"phase": "Running"}},
        look=("status.phase",),
    ),
    patch(
        "status is written on its own path",
        f"{PODS}/a/status",
        {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
        STRATEGIC,
        look=("status.conditions", "status.phase"),
    ),
    patch(
        "the spec is not written with status",
        f"{PODS}/a/status",
        {"spec": {"nodeName": "n"}},
        look=("spec.nodeName",),
    ),
    get("status alone", f"{PODS}/a/status", look=("kind", "metadata.name")),
    post(
        "a binding",
        f"{PODS}/a/binding",
        {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "a"},
            "target": {"apiVersion": "v1", "kind": "Node", "name": "no-such-node"},
        },
    ),
    get("a bound pod", f"{PODS}/a", look=("spec.nodeName", "status.conditions")),
    post(
        "a second binding",
        f"{PODS}/a/binding",
        {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "a"},
            "target": {"kind": "Node", "name": "other"},
        },
    ),
    post(
        "a binding of what is not there",
        f"{PODS}/none/binding",
        {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "none"},
            "target": {"kind": "Node", "name": "n"},
        },
    ),
    post(
        "a binding without a target",
        f"{PODS}/nothing/binding",
        {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "nothing"}, "target": {}},
    ),
    put(
        "the status of a pod replaced",
        f"{PODS}/nothing/status",
        {**pod("nothing"), "status": {"phase": "Failed", "reason": "Evicted", "message": "m"}},
        look=("status.phase", "status.reason", "status.message"),
    ),
]
