# SPDX-License-Identifier: Apache-2.0
"""Asks pods to go from nodes whose ``NoExecute`` taints they do not tolerate, or no longer.

Every pod tolerates a lost node for five minutes (``admission``). A pod on a node that is lost is asked to go
but does not: nobody there hears it. Source: kubernetes ``pkg/controller/tainteviction/taint_eviction.go``.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable

from airflow_priority_spark.embedded.deletion import Deletion
from airflow_priority_spark.embedded.kinds import NODES, PODS
from airflow_priority_spark.embedded.objects import Object, is_finished, is_terminating
from airflow_priority_spark.embedded.placement import tolerates
from airflow_priority_spark.embedded.pods import disrupted
from airflow_priority_spark.embedded.reporting import record_event
from airflow_priority_spark.embedded.store import Change
from airflow_priority_spark.embedded.verbs import Verbs

COMPONENT = "taint-eviction-controller"


class TaintEviction:
    """Follows nodes and pods; a timer for every pod that is to go."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._taints: dict[str, list[Object]] = {}
        self._pods: dict[str, dict[str, Object]] = defaultdict(dict)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        verbs.store.listen(NODES, self._on_node)
        verbs.store.listen(PODS, self._on_pod)

    def _on_node(self, change: Change) -> None:
        node = change.record.data
        name, gone = node["metadata"]["name"], change.type == "DELETED"
        taints = (
            [] if gone else [one for one in node["spec"].get("taints") or () if one["effect"] == "NoExecute"]
        )
        if taints == self._taints.get(name, []):
            return
        self._taints[name] = taints
        for pod in list(self._pods[name].values()):
            self._consider(pod)

    def _on_pod(self, change: Change) -> None:
        pod = change.record.data
        name, uid = pod["spec"].get("nodeName"), pod["metadata"]["uid"]
        if change.type == "DELETED" or is_finished(pod) or is_terminating(pod):
            self._pods[name].pop(uid, None)
            self._cancel(uid)
        elif name:
            self._pods[name][uid] = pod
            self._consider(pod)

    def _consider(self, pod: Object) -> None:
        """Let a pod go at its time, which the first look at these taints has set."""
        uid, taints = pod["metadata"]["uid"], self._taints.get(pod["spec"]["nodeName"], [])
        seconds = tolerated_seconds(pod, taints)
        if math.isinf(seconds):
            self._cancel(uid)
        elif uid not in self._timers:
            self._timers[uid] = asyncio.get_running_loop().call_later(seconds, self._evict, pod)
        elif seconds <= 0:
            self._cancel(uid)
            self._evict(pod)

    def _cancel(self, uid: str) -> None:
        if timer := self._timers.pop(uid, None):
            timer.cancel()

    def _evict(self, pod: Object) -> None:
        place = pod["metadata"]["namespace"], pod["metadata"]["name"]
        record = self._verbs.store.get(PODS, *place)
        self._timers.pop(pod["metadata"]["uid"], None)
        if record is None or record.data["metadata"]["uid"] != pod["metadata"]["uid"]:
            return
        message = f"Marking for deletion Pod {'/'.join(place)}"
        record_event(self._verbs, pod, "Normal", "TaintManagerEviction", message, COMPONENT)
        reason = "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"
        self._verbs.update(PODS, *place, lambda data: disrupted(data, *reason), status=True)
        self._verbs.delete(PODS, *place, Deletion(uid=pod["metadata"]["uid"]))


def tolerated_seconds(pod: Object, taints: Iterable[Object]) -> float:
    """Return how long a pod may stay with these taints: zero, some seconds, or for ever."""
    seconds = math.inf
    for taint in taints:
        tolerations = [one for one in pod["spec"].get("tolerations") or () if tolerates(one, taint)]
        if not tolerations:
            return 0.0
        limits = [one["tolerationSeconds"] for one in tolerations if one.get("tolerationSeconds") is not None]
        seconds = min([seconds, *(max(limit, 0) for limit in limits)])
    return seconds
