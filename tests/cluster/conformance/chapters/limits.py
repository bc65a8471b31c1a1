# SPDX-License-Identifier: Apache-2.0
"""LimitRange: defaults, minima, maxima, ratios; before the quota."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import OWN, Request, delete, get, pod, post, quota

RANGES = f"{OWN}/limitranges"
PODS = f"{OWN}/pods"


def _range(name: str, *limits: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"limits": list(limits)}}


def _pod(name: str, **resources: Any) -> dict[str, Any]:
    body = pod(name)
    body["spec"]["containers"][0]["resources"] = resources
    return body


LOOK = ("code", "spec.containers.0.resources", "metadata.annotations", "status.qosClass")

REQUESTS: list[Request] = [
    post(
        "a limit range and its defaults",
        RANGES,
        _range(
            "a",
            {
                "type": "Container",
                "max": {"cpu": "4", "memory": "8Gi"},
                "min": {"cpu": "100m"},
                "default": {"cpu": "2", "memory": "2Gi"},
                "defaultRequest": {"cpu": "500m"},
            },
        ),
    ),
    post(
        "a maximum alone becomes the default",
        RANGES,
        _range("b", {"type": "Container", "max": {"ephemeral-storage": "1Gi"}}),
    ),
    post(
        "a limit range whose minimum is above its maximum",
        RANGES,
        _range("bad", {"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"}}),
    ),
    post(
        "a limit range with a default for pods",
        RANGES,
        _range("bad", {"type": "Pod", "default": {"cpu": "1"}}),
    ),
    post("a limit range of no type", RANGES, _range("bad", {"max": {"cpu": "1"}})),
    post(
        "a limit range with a ratio below one",
        RANGES,
        _range("bad", {"type": "Container", "maxLimitRequestRatio": {"cpu": "500m"}}),
    ),
    get("read a limit range", f"{RANGES}/a"),
    post("a pod gets the defaults", PODS, _pod("p1"), look=LOOK),
    post("a pod with a request gets the limit", PODS, _pod("p2", requests={"cpu": "1"}), look=LOOK),
    post("a pod with limits keeps them", PODS, _pod("p3", limits={"cpu": "1", "memory": "1Gi"}), look=LOOK),
    post("a pod above the maximum", PODS, _pod("p4", limits={"cpu": "5"}, requests={"cpu": "1"})),
    post("a pod below the minimum", PODS, _pod("p5", requests={"cpu": "50m"})),
    post("a request above the default limit", PODS, _pod("p6", requests={"cpu": "3"})),
    post(
        "everything wrong at once",
        PODS,
        _pod("p7", limits={"cpu": "5", "memory": "9Gi"}, requests={"cpu": "10m"}),
    ),
    delete("without it", f"{RANGES}/a", compared=False),
    delete("and without the other", f"{RANGES}/b", compared=False),
    post(
        "limits for whole pods and ratios",
        RANGES,
        _range(
            "c",
            {"type": "Pod", "max": {"cpu": "2"}},
            {"type": "Container", "maxLimitRequestRatio": {"memory": "2"}},
        ),
    ),
    post("a pod as a whole too large", PODS, _pod("q1", limits={"cpu": "3", "memory": "1Gi"})),
    post("a pod without the limit that counts", PODS, _pod("q2", requests={"cpu": "1"})),
    post(
        "a ratio too high", PODS, _pod("q3", limits={"cpu": "1", "memory": "3Gi"}, requests={"memory": "1Gi"})
    ),
    post(
        "all within",
        PODS,
        _pod("q4", limits={"cpu": "1", "memory": "2Gi"}, requests={"memory": "1Gi"}),
        look=LOOK,
    ),
    post(
        "claims between bounds",
        RANGES,
        _range("d", {"type": "PersistentVolumeClaim", "max": {"storage": "2Gi"}, "min": {"storage": "1Gi"}}),
    ),
    post(
        "a claim too large",
        f"{OWN}/persistentvolumeclaims",
        {
            "metadata": {"name": "big"},
            "spec": {
                "storageClassName": "x",
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "3Gi"}},
            },
        },
    ),
    delete("without the ratios", f"{RANGES}/c", compared=False),
    post(
        "defaults again",
        RANGES,
        _range("e", {"type": "Container", "default": {"cpu": "2"}, "defaultRequest": {"cpu": "2"}}),
        compared=False,
    ),
    post("and a quota", f"{OWN}/resourcequotas", quota("q", {"requests.cpu": "1"}), compared=False),
    get("that is counted", f"{OWN}/resourcequotas/q", until=("status.used", None), compared=False),
    post("the quota counts what the limit range filled in", PODS, _pod("r1")),
]
