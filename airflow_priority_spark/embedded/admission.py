# SPDX-License-Identifier: Apache-2.0
"""What the API server's admission plugins do to a new object, in their order.

LimitRanger, Priority, RuntimeClass and DefaultTolerationSeconds may change a pod; then it is checked, and
only then counted by its quotas. Source: kubernetes ``pkg/kubeapiserver/options/plugins.go``.
"""

from __future__ import annotations

from typing import Any

from airflow_priority_spark.embedded import limitranges
from airflow_priority_spark.embedded.errors import forbidden
from airflow_priority_spark.embedded.kinds import (
    CLAIMS,
    LIMIT_RANGES,
    PODS,
    PRIORITY_CLASSES,
    RUNTIME_CLASSES,
    Kind,
)
from airflow_priority_spark.embedded.quantities import parse_all
from airflow_priority_spark.embedded.store import Store

Data = dict[str, Any]

SYSTEM_PRIORITIES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
_TOLERATED_SECONDS = 300
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class Admission:
    """The plugins that change a new object or refuse it, before the quota does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def change(self, kind: Kind, data: Data) -> None:
        """Fill in what the cluster decides for a new object; raises ``ApiError`` 403."""
        if kind is not PODS:
            return
        for limits in self._limits(data):
            limitranges.apply_defaults(data, limits)
        self._give_priority(data)
        self._add_overhead(data)
        tolerate_lost_nodes(data["spec"])

    def check(self, kind: Kind, data: Data) -> None:
        """Raise ``ApiError`` 403 when a LimitRange of the namespace does not let an object in."""
        if kind not in (PODS, CLAIMS):
            return
        judge = limitranges.pod_violations if kind is PODS else limitranges.claim_violations
        for limits in self._limits(data):
            if found := judge(data, limits):
                sentence = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
                raise forbidden(kind, data["metadata"]["name"], sentence)

    def _limits(self, data: Data) -> list[list[Data]]:
        records = self._store.all(LIMIT_RANGES, data["metadata"]["namespace"])
        return [record.data["spec"].get("limits") or [] for record in records]

    def _give_priority(self, pod: Data) -> None:
        spec, name = pod["spec"], pod["metadata"]["name"]
        class_name = spec.get("priorityClassName") or self._default_class()
        value, policy = 0, "PreemptLowerPriority"
        if class_name in SYSTEM_PRIORITIES:
            value = SYSTEM_PRIORITIES[class_name]
        elif class_name:
            record = self._store.get(PRIORITY_CLASSES, "", class_name)
            if record is None:
                raise forbidden(PODS, name, f"no PriorityClass with name {class_name} was found")
            value, policy = record.data["value"], record.data.get("preemptionPolicy", policy)
        if spec.get("priority") not in (None, value):
            why = (
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name"
            )
            raise forbidden(PODS, name, why)
        spec["priority"], spec["preemptionPolicy"] = value, policy
        if class_name:
            spec["priorityClassName"] = class_name

    def _default_class(self) -> str:
        found = [
            record.data for record in self._store.all(PRIORITY_CLASSES) if record.data.get("globalDefault")
        ]
        return min(found, key=lambda data: data["value"])["metadata"]["name"] if found else ""

    def _add_overhead(self, pod: Data) -> None:
        spec, name = pod["spec"], pod["metadata"]["name"]
        class_name = spec.get("runtimeClassName")
        if not class_name:
            return
        record = self._store.get(RUNTIME_CLASSES, "", class_name)
        if record is None:
            raise forbidden(PODS, name, f'pod rejected: RuntimeClass "{class_name}" not found')
        fixed = (record.data.get("overhead") or {}).get("podFixed")
        if spec.get("overhead") and parse_all(spec["overhead"]) != parse_all(fixed):
            why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            raise forbidden(PODS, name, why)
        if fixed:
            spec["overhead"] = dict(fixed)
        scheduling = record.data.get("scheduling") or {}
        if scheduling.get("nodeSelector"):
            spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), **scheduling["nodeSelector"]}
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *(scheduling.get("tolerations") or ())]


def tolerate_lost_nodes(spec: Data) -> None:
    """Give a pod five minutes on a node that is lost, unless it says otherwise."""
    tolerations = list(spec.get("tolerations") or ())
    for key in _TOLERATED:
        if not any(
            toleration.get("key", "") in ("", key) and toleration.get("effect", "") in ("", "NoExecute")
            for toleration in tolerations
        ):
            tolerations.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _TOLERATED_SECONDS,
                }
            )
    spec["tolerations"] = tolerations
