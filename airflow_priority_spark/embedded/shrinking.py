# SPDX-License-Identifier: Apache-2.0
"""Takes the autoscaler's nodes away that nobody has needed for a while.

A node without pods becomes a candidate, marked so that the scheduler prefers others; after the pool's idle
time nothing may come any more, and it goes. Pods of DaemonSets do not make a node needed. Source: autoscaler
``cluster-autoscaler/core/scaledown`` and the FAQ on what prevents a removal.
"""

from __future__ import annotations

import time
from typing import Any

from airflow_priority_spark.embedded import autoscaler_status as status
from airflow_priority_spark.embedded.daemons import belongs_to_daemon_set
from airflow_priority_spark.embedded.deletion import Deletion
from airflow_priority_spark.embedded.kinds import NODES, PODS
from airflow_priority_spark.embedded.objects import Object
from airflow_priority_spark.embedded.placement import Node
from airflow_priority_spark.embedded.pools import Pool
from airflow_priority_spark.embedded.reporting import record_event
from airflow_priority_spark.embedded.verbs import Verbs

COMPONENT = "cluster-autoscaler"


class Shrinking:
    """Remembers since when each node of the pool has been empty."""

    def __init__(self, verbs: Verbs, pool: Pool) -> None:
        self._verbs = verbs
        self._pool = pool
        self._since: dict[str, float] = {}

    @property
    def candidates(self) -> int:
        """How many nodes are empty."""
        return len(self._since)

    def look(self, nodes: list[Node]) -> float | None:
        """Mark and remove empty nodes; returns the seconds until the next is due, ``None`` without any."""
        now = time.monotonic()
        empty = {node.name: node for node in nodes if _is_unneeded(node)}
        for name in [name for name in self._since if name not in empty]:
            del self._since[name]
            self._unmark(name)
        for name, node in empty.items():
            since = self._since.setdefault(name, now)
            if now - since >= self._pool.idle_seconds:
                self._remove(node)
            elif since == now:
                self._mark(name, status.CANDIDATE_TAINT, "PreferNoSchedule")
        due = [since + self._pool.idle_seconds - now for since in self._since.values()]
        return max(min(due), 0.0) if due else None

    def _mark(self, name: str, key: str, effect: str) -> None:
        taint = {"key": key, "value": str(int(time.time())), "effect": effect}
        self._write_taints(name, lambda taints: [*(one for one in taints if one["key"] != key), taint])

    def _unmark(self, name: str) -> None:
        if self._verbs.store.get(NODES, "", name) is not None:
            self._write_taints(
                name, lambda taints: [one for one in taints if one["key"] != status.CANDIDATE_TAINT]
            )

    def _write_taints(self, name: str, change: Any) -> None:
        def mutation(node: dict[str, Any]) -> dict[str, Any]:
            return {**node, "spec": {**node["spec"], "taints": change(node["spec"].get("taints") or [])}}

        self._verbs.update(NODES, "", name, mutation)

    def _remove(self, node: Node) -> None:
        """Let nothing come any more, see that nothing has come, then delete the node."""
        self._since.pop(node.name)
        self._mark(node.name, status.DOOMED_TAINT, "NoSchedule")
        message = "node removed by cluster autoscaler"
        record_event(self._verbs, node.data, "Normal", "ScaleDown", message, COMPONENT)
        for pod in [pod for pod in node.pods.values() if not belongs_to_daemon_set(pod)]:
            self._verbs.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], Deletion())
        self._verbs.delete(NODES, "", node.name, Deletion())


def _is_unneeded(node: Node) -> bool:
    if status.is_annotated(node.data, status.KEEP_NODE):
        return False
    return all(_may_go(pod) for pod in node.pods.values())


def _may_go(pod: Object) -> bool:
    """Whether a pod does not keep its node: one of a DaemonSet, or one that says so, unless it says no."""
    if status.is_annotated(pod, status.KEEP_POD):
        return False
    return belongs_to_daemon_set(pod) or status.is_annotated(pod, status.LET_POD_GO)
