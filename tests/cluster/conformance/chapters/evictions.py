# SPDX-License-Identifier: Apache-2.0
"""Evictions, and the disruption budgets that refuse them (429)."""

from __future__ import annotations

from typing import Any

from tests.cluster.conformance.request import OWN, STRATEGIC, Request, delete, get, patch, pod, post

PODS = f"{OWN}/pods"
BUDGETS = "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets"


def _budget(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "a"}}, **spec}}


def _running(name: str) -> list[Request]:
    body = {**pod(name, nodeName="no-such-node"), "metadata": {"name": name, "labels": {"app": "a"}}}
    ready = {"type": "Ready", "status": "True"}
    status = {"status": {"phase": "Running", "conditions": [ready]}}
    return [
        post(f"pod {name}", PODS, body, compared=False),
        patch(f"pod {name} runs", f"{PODS}/{name}/status", status, STRATEGIC, compared=False),
    ]


def _evict(title: str, name: str, query: str = "", **options: Any) -> Request:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return post(title, f"{PODS}/{name}/eviction{query}", {**body, **options})


REQUESTS: list[Request] = [
    post("a budget", BUDGETS, _budget("b", minAvailable=1)),
    post(
        "a budget with two bounds",
        BUDGETS,
        _budget("c", minAvailable=1, maxUnavailable=1),
        look=("code", "reason", "details.causes.0.field"),
    ),
    post("a budget that is no share", BUDGETS, _budget("c", minAvailable="x%")),
    post("a budget below nothing", BUDGETS, _budget("c", maxUnavailable=-1)),
    post(
        "a waiting pod", PODS, {**pod("w"), "metadata": {"name": "w", "labels": {"app": "a"}}}, compared=False
    ),
    _evict("a waiting pod may be evicted", "w"),
    get("it is gone", f"{PODS}/w", until=("code", 404), look=("code",)),
    *_running("p1"),
    *_running("p2"),
    get("the budget counts them", f"{BUDGETS}/b", until=("status.disruptionsAllowed", 1), look=("status",)),
    _evict("without doing it", "p1", "?dryRun=All"),
    _evict("of what is not there", "none"),
    post(
        "under another name",
        f"{PODS}/p1/eviction",
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p2"}},
    ),
    _evict("the first", "p1", deleteOptions={"gracePeriodSeconds": 60}),
    get(
        "goes with a reason",
        f"{PODS}/p1",
        look=(
            "metadata.deletionGracePeriodSeconds",
            "status.conditions.1.type",
            "status.conditions.1.status",
            "status.conditions.1.reason",
            "status.conditions.1.message",
        ),
    ),
    get(
        "the budget is used up",
        f"{BUDGETS}/b",
        until=("status.disruptionsAllowed", 0),
        look=("status.currentHealthy", "status.desiredHealthy"),
    ),
    _evict("the second is refused", "p2"),
    _evict("the first once more", "p1"),
    post("a budget of a share", BUDGETS, _budget("share", maxUnavailable="50%"), compared=False),
    get(
        "that counts nothing",
        f"{BUDGETS}/share",
        until=("status.observedGeneration", 1),
        look=("status.disruptionsAllowed",),
    ),
    _evict("two budgets are one too many", "p2"),
    delete("the first budget goes", f"{BUDGETS}/b", compared=False),
    _evict("a budget that counts nothing lets nothing go", "p2"),
    delete("the second goes", f"{BUDGETS}/share", compared=False),
    _evict("without budgets", "p2"),
    delete("away: p1", f"{PODS}/p1?gracePeriodSeconds=0", compared=False),
    delete("away: p2", f"{PODS}/p2?gracePeriodSeconds=0", compared=False),
]
