# SPDX-License-Identifier: Apache-2.0
"""Removes the pods of nodes that no longer exist.

A node that is gone takes nothing with it: its pods stay until the pod garbage collector has waited for the
node to come back. Source: kubernetes ``pkg/controller/podgc/gc_controller.go``.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from airflow_priority_spark.embedded.deletion import Deletion
from airflow_priority_spark.embedded.kinds import NODES, PODS
from airflow_priority_spark.embedded.objects import is_finished
from airflow_priority_spark.embedded.pods import disrupted
from airflow_priority_spark.embedded.store import Change
from airflow_priority_spark.embedded.verbs import Verbs

QUARANTINE_SECONDS = 40.0


class Orphans:
    """Follows nodes and pods.

    :param quarantine_seconds: how long a missing node is waited for.
    """

    def __init__(self, verbs: Verbs, quarantine_seconds: float = QUARANTINE_SECONDS) -> None:
        self._verbs = verbs
        self._seconds = quarantine_seconds
        self._pods: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._quarantined: set[str] = set()
        verbs.store.listen(NODES, self._on_node)
        verbs.store.listen(PODS, self._on_pod)

    def _on_node(self, change: Change) -> None:
        name = change.record.data["metadata"]["name"]
        if change.type == "DELETED" and self._pods.get(name):
            self._quarantine(name)

    def _on_pod(self, change: Change) -> None:
        name = change.record.data["spec"].get("nodeName")
        if not name:
            return
        if change.type == "DELETED":
            self._pods[name].discard(change.record.key)
            return
        self._pods[name].add(change.record.key)
        if self._verbs.store.get(NODES, "", name) is None:
            self._quarantine(name)

    def _quarantine(self, name: str) -> None:
        if name not in self._quarantined:
            self._quarantined.add(name)
            asyncio.get_running_loop().call_later(self._seconds, self._collect, name)

    def _collect(self, name: str) -> None:
        self._quarantined.discard(name)
        if self._verbs.store.get(NODES, "", name) is not None:
            return
        reason = "DeletionByPodGC", "PodGC: node no longer exists"
        for place in list(self._pods.pop(name, ())):
            record = self._verbs.store.get(PODS, *place)
            if record is None:
                continue
            if not is_finished(record.data):
                self._verbs.update(PODS, *place, lambda data: disrupted(_failed(data), *reason), status=True)
            self._verbs.delete(PODS, *place, Deletion(grace_seconds=0))


def _failed(pod: dict[str, Any]) -> dict[str, Any]:
    return {**pod, "status": {**pod["status"], "phase": "Failed"}}
