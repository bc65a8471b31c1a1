# SPDX-License-Identifier: Apache-2.0
"""PodDisruptionBudgets: how many of their pods may be evicted, and the refusal of one more (429).

Spark's pods have no controller with a number of replicas: for them only ``minAvailable`` as a number means
something. Upstream counts nothing for a budget of percentages or of ``maxUnavailable`` over such pods and
lets none go; so does this. Sources: kubernetes ``pkg/controller/disruption``,
``pkg/registry/core/pod/storage/eviction.go``.
"""

from __future__ import annotations

from typing import Any

from airflow_priority_spark.embedded.affinity import selects
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import DISRUPTION_BUDGETS, PODS
from airflow_priority_spark.embedded.objects import Object, is_finished, is_terminating, timestamp
from airflow_priority_spark.embedded.store import Change, Record, Store

Data = dict[str, Any]


class Disruptions:
    """Keeps the status of budgets, and asks them before a pod is evicted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.listen(DISRUPTION_BUDGETS, self._on_budget)
        store.listen(PODS, self._on_pod)

    def check(self, pod: Object) -> None:
        """Raise ``ApiError`` 429 when the pod's budget does not let it go, 500 when it has several.

        A pod that does not run is not asked for: nothing is disrupted.
        """
        if pod["status"].get("phase") != "Running" or is_terminating(pod):
            return
        budgets = self._budgets_of(pod)
        if len(budgets) > 1:
            why = "which the eviction subresource does not support"
            raise ApiError(500, "", f"This pod has more than one PodDisruptionBudget, {why}.")
        for record in budgets:
            status = record.data["status"]
            if status["disruptionsAllowed"] <= 0 and (_is_healthy(pod) or status["currentHealthy"] <= 0):
                raise _refusal(record.data)

    def _budgets_of(self, pod: Object) -> list[Record]:
        records = self._store.all(DISRUPTION_BUDGETS, pod["metadata"]["namespace"])
        return [record for record in records if _covers(record.data, pod)]

    def _on_budget(self, change: Change) -> None:
        if change.type != "DELETED":
            self._count(change.record)

    def _on_pod(self, change: Change) -> None:
        for record in list(self._store.all(DISRUPTION_BUDGETS, change.record.key[0])):
            if _covers(record.data, change.record.data):
                self._count(record)

    def _count(self, record: Record) -> None:
        budget = record.data
        pods = [
            found.data
            for found in self._store.all(PODS, record.key[0])
            if _covers(budget, found.data) and not is_finished(found.data)
        ]
        wanted = budget["spec"].get("minAvailable")
        counted = isinstance(wanted, int)
        healthy = sum(_is_healthy(pod) and not is_terminating(pod) for pod in pods)
        allowed = max(healthy - wanted, 0) if counted and pods else 0
        status = {
            "observedGeneration": budget["metadata"].get("generation", 1),
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy if counted else 0,
            "desiredHealthy": wanted if counted else 0,
            "expectedPods": len(pods) if counted else 0,
        }
        before = dict(budget.get("status") or {})
        conditions = before.pop("conditions", None)
        if before != status:
            now = _condition(allowed, status["observedGeneration"], conditions or [])
            body = {**budget, "metadata": dict(budget["metadata"]), "status": {**status, "conditions": [now]}}
            self._store.put(DISRUPTION_BUDGETS, body)


def _condition(allowed: int, generation: int, before: list[Data]) -> Data:
    state = str(allowed > 0)
    since = before[0]["lastTransitionTime"] if before and before[0]["status"] == state else timestamp()
    return {
        "type": "DisruptionAllowed",
        "status": state,
        "observedGeneration": generation,
        "lastTransitionTime": since,
        "reason": "SufficientPods" if allowed > 0 else "InsufficientPods",
        "message": "",
    }


def _covers(budget: Object, pod: Object) -> bool:
    selector = budget["spec"].get("selector")
    return selects(selector, pod["metadata"].get("labels") or {})


def _is_healthy(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _refusal(budget: Object) -> ApiError:
    name, status = budget["metadata"]["name"], budget["status"]
    why = f"The disruption budget {name} does not allow evicting pods currently"
    if status["expectedPods"]:
        needs = f"needs {status['desiredHealthy']} healthy pods and has {status['currentHealthy']} currently"
        why = f"The disruption budget {name} {needs}"
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return ApiError(429, "TooManyRequests", message, {"causes": causes})
