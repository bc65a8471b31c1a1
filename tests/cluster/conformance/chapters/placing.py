# SPDX-License-Identifier: Apache-2.0
"""Nodes, and pods that wait for the scheduler's word: what the chapter on scheduling is made of."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import (
    ABSENT,
    CORE,
    OWN,
    STRATEGIC,
    Request,
    delete,
    get,
    patch,
    pod,
    post,
)

PODS = f"{OWN}/pods"
NODES = f"{CORE}/nodes"


def node(name: str, cpu: str, memory: str, pods: str = "110", **spec: Any) -> list[Request]:
    """Make a node that is ready, unless it is to take no pods."""
    labels = {
        "zone": spec.pop("zone"),
        "disk": spec.pop("disk", "hdd"),
        "kubernetes.io/hostname": f"{{ns}}-{name}",
    }
    capacity = {"cpu": cpu, "memory": memory, "pods": pods}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": "2099-01-01T00:00:00Z",
    }
    path = f"{NODES}/{{ns}}-{name}"
    # The lifecycle controller takes the taints off that it has put on new nodes.
    until = ("spec.taints", spec.get("taints", ABSENT))
    return [
        post(
            f"node {name}",
            NODES,
            {"metadata": {"name": f"{{ns}}-{name}", "labels": labels}, "spec": spec},
            compared=False,
        ),
        patch(
            f"status of node {name}",
            f"{path}/status",
            {"status": {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}},
            STRATEGIC,
            compared=False,
        ),
        get(
            f"node {name} is ready", path, until=None if spec.get("unschedulable") else until, compared=False
        ),
    ]


def asked(
    name: str, *, labels: dict[str, str] | None = None, cpu: str = "1", memory: str = "1Gi", **spec: Any
) -> dict[str, Any]:
    """Return a pod for the scheduler."""
    body = pod(name, cpu=cpu, memory=memory, schedulerName="default-scheduler", **spec)
    body["metadata"]["labels"] = labels or {}
    return body


def refused(title: str, name: str, **spec: Any) -> list[Request]:
    """Ask for a pod that fits nowhere; the scheduler's sentence counts."""
    return [
        post(f"a pod for: {title}", PODS, asked(name, **spec), compared=False),
        get(
            title,
            f"{PODS}/{name}",
            until=("status.conditions.0.reason", "Unschedulable"),
            look=(
                "status.conditions.0.type",
                "status.conditions.0.status",
                "status.conditions.0.reason",
                "status.conditions.0.message",
                "status.phase",
            ),
        ),
        delete(f"away after: {title}", f"{PODS}/{name}?gracePeriodSeconds=0", compared=False),
    ]


def placed(title: str, name: str, *, keep: bool = False, **spec: Any) -> list[Request]:
    """Ask for a pod; the node it gets counts."""
    requests = [
        post(f"a pod for: {title}", PODS, asked(name, **spec), compared=False),
        get(title, f"{PODS}/{name}", until=("spec.nodeName", None), look=("spec.nodeName",)),
    ]
    return (
        requests
        if keep
        else [
            *requests,
            delete(f"away after: {title}", f"{PODS}/{name}?gracePeriodSeconds=0", compared=False),
        ]
    )
