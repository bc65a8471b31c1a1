# SPDX-License-Identifier: Apache-2.0
"""Lets a claim that is being deleted go once no pod uses it any more.

Source: kubernetes ``pkg/controller/volume/pvcprotection``.
"""

from __future__ import annotations

from typing import Any

from airflow_priority_spark.embedded.deletion import PROTECTED_CLAIM, is_mounted
from airflow_priority_spark.embedded.kinds import CLAIMS, PODS
from airflow_priority_spark.embedded.objects import is_finished, is_terminating
from airflow_priority_spark.embedded.store import Change, Store
from airflow_priority_spark.embedded.verbs import Verbs


class ClaimProtection:
    """Follows the pods that end or go."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._store: Store = verbs.store
        self._store.listen(PODS, self._on_pod)

    def _on_pod(self, change: Change) -> None:
        pod = change.record.data
        if change.type != "DELETED" and not is_finished(pod):
            return
        for volume in pod["spec"].get("volumes") or ():
            if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
                self._release(pod["metadata"]["namespace"], name)

    def _release(self, namespace: str, name: str) -> None:
        record = self._store.get(CLAIMS, namespace, name)
        if record is None or not is_terminating(record.data) or is_mounted(self._store, record.data):
            return

        def released(data: dict[str, Any]) -> dict[str, Any]:
            names = [one for one in data["metadata"].get("finalizers") or () if one != PROTECTED_CLAIM]
            return {**data, "metadata": {**data["metadata"], "finalizers": names}}

        self._verbs.update(CLAIMS, namespace, name, released)
