# SPDX-License-Identifier: Apache-2.0
"""A pod of every DaemonSet on each node that takes it: the overhead that real nodes carry.

A node's agents for logs, network and metrics take their share before any job does. The pods are placed by the
scheduler, bound to their node by affinity. Source: kubernetes ``pkg/controller/daemon``. Without rolling
updates: pods that are there stay as they are.
"""

from __future__ import annotations

import asyncio
import copy
from collections import defaultdict
from typing import Any

from airflow_priority_spark.embedded.affinity import REQUIRED, matches_node_affinity
from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import DAEMON_SETS, NODES, PODS
from airflow_priority_spark.embedded.objects import Object, is_finished, is_terminating, owner_reference
from airflow_priority_spark.embedded.placement import tolerates

#: What every pod of a DaemonSet tolerates (``AddOrUpdateDaemonPodTolerations``).
_TOLERATED = (
    *(("node.kubernetes.io/" + name, "NoExecute") for name in ("not-ready", "unreachable")),
    *(
        ("node.kubernetes.io/" + name, "NoSchedule")
        for name in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
    ),
)
_RETRY_SECONDS = 1.0


class Daemons:
    """Follows DaemonSets, nodes and their pods; sleeps until one of them changes."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._sets: dict[str, Object] = {}
        self._nodes: dict[str, Object] = {}
        # By DaemonSet, then by node.
        self._pods: dict[str, dict[str, Object]] = defaultdict(dict)
        self._due: dict[tuple[str, str], None] = {}
        self._wake = asyncio.Event()
        client.listen(DAEMON_SETS, self._on_set)
        client.listen(NODES, self._on_node)
        client.listen(PODS, self._on_pod)

    async def run(self) -> None:
        """Keep the pods as they should be until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            touched = dict.fromkeys(uid for uid, _ in self._due)
            while self._due:
                uid, name = self._due.popitem()[0]
                await self._sync(uid, name)
            for uid in touched:
                await self._report(uid)

    def _on_set(self, change: str, data: Object, before: Object | None) -> None:
        uid = data["metadata"]["uid"]
        if change == "DELETED" or is_terminating(data):
            self._sets.pop(uid, None)
            return
        self._sets[uid] = data
        if before is None or before["spec"] != data["spec"]:
            self._mark([uid], list(self._nodes))

    def _on_node(self, change: str, data: Object, before: Object | None) -> None:
        name = data["metadata"]["name"]
        if change == "DELETED":
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = data
        if before is None or change == "DELETED" or before["spec"] != data["spec"]:
            self._mark(list(self._sets), [name])

    def _on_pod(self, change: str, pod: Object, _: Object | None) -> None:
        uid = next(
            (one["uid"] for one in pod["metadata"].get("ownerReferences") or () if one.get("controller")), ""
        )
        name = _node_of(pod)
        if uid not in self._sets or not name:
            return
        if change == "DELETED":
            if self._pods[uid].get(name, pod)["metadata"]["uid"] == pod["metadata"]["uid"]:
                self._pods[uid].pop(name, None)
        else:
            self._pods[uid][name] = pod
        self._mark([uid], [name])

    def _mark(self, uids: list[str], names: list[str]) -> None:
        self._due |= dict.fromkeys((uid, name) for uid in uids for name in names)
        self._wake.set()

    async def _sync(self, uid: str, name: str) -> None:
        """Create or delete the pod of one DaemonSet on one node."""
        owner, node, pod = self._sets.get(uid), self._nodes.get(name), self._pods[uid].get(name)
        if owner is None or node is None:
            return
        body = daemon_pod(owner, name)
        repelled = _repelled(body, node)
        wanted = takes(body, node)
        if pod is not None and (is_finished(pod) or (not wanted and "NoExecute" in repelled)):
            if not is_terminating(pod):
                await self._client.delete(PODS, pod)
        elif pod is None and wanted:
            try:
                await self._client.create(PODS, owner["metadata"]["namespace"], body)
            except ApiError:
                # A quota, mostly: the namespace may have room later.
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._mark, [uid], [name])

    async def _report(self, uid: str) -> None:
        """Write the numbers of pods into a DaemonSet's status."""
        owner = self._sets.get(uid)
        if owner is None:
            return
        wanted = sum(takes(daemon_pod(owner, name), node) for name, node in self._nodes.items())
        pods = [pod for pod in self._pods[uid].values() if not is_terminating(pod)]
        ready = sum(pod["status"].get("phase") == "Running" for pod in pods)
        numbers = {
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": len(pods),
            "updatedNumberScheduled": len(pods),
            "numberReady": ready,
            "numberAvailable": ready,
            "numberUnavailable": max(wanted - ready, 0),
            "numberMisscheduled": 0,
            "observedGeneration": owner["metadata"].get("generation", 1),
        }
        if owner.get("status") != numbers:
            await self._client.set_status(DAEMON_SETS, owner, numbers)


def daemon_pod(owner: Object, node: str) -> dict[str, Any]:
    """Return the pod of a DaemonSet for a node."""
    template = copy.deepcopy(owner["spec"]["template"])
    spec = template["spec"]
    affinity = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = affinity.setdefault(REQUIRED, {}).get("nodeSelectorTerms") or [{}]
    affinity[REQUIRED]["nodeSelectorTerms"] = [{**term, "matchFields": [field]} for term in terms]
    spec["tolerations"] = [
        *(spec.get("tolerations") or ()),
        *({"key": key, "operator": "Exists", "effect": effect} for key, effect in _TOLERATED),
    ]
    metadata = {
        "generateName": f"{owner['metadata']['name']}-",
        "labels": (template.get("metadata") or {}).get("labels") or {},
        "annotations": (template.get("metadata") or {}).get("annotations") or {},
        "ownerReferences": [owner_reference(owner)],
    }
    return {"metadata": metadata, "spec": spec}


def belongs_to_daemon_set(pod: Object) -> bool:
    """Whether a pod is on its node because the node is there."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return any(owner["kind"] == DAEMON_SETS.kind and owner.get("controller") for owner in owners)


def takes(pod: Object, node: Object) -> bool:
    """Whether a node is to have a DaemonSet's pod."""
    return matches_node_affinity(pod, node) and not _repelled(pod, node) & {"NoSchedule", "NoExecute"}


def _repelled(pod: Object, node: Object) -> set[str]:
    """Return the effects of the taints that a pod does not tolerate."""
    return {
        taint["effect"]
        for taint in node["spec"].get("taints") or ()
        if not any(tolerates(one, taint) for one in pod["spec"].get("tolerations") or ())
    }


def _node_of(pod: Object) -> str:
    if name := pod["spec"].get("nodeName"):
        return str(name)
    terms = pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get(REQUIRED, {}).get(
        "nodeSelectorTerms"
    ) or [{}]
    fields = terms[0].get("matchFields") or [{}]
    return str((fields[0].get("values") or [""])[0])
