# SPDX-License-Identifier: Apache-2.0
"""What a kubelet asks the faults: is my node lost, can this image be pulled, is this memory used up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.faults import Fault, FaultBoard
from airflow_priority_spark.embedded.kinds import PODS
from airflow_priority_spark.embedded.objects import Object, is_terminating, labels_of
from airflow_priority_spark.embedded.spark_pods import APPLICATION, ROLE


class PodFaults:
    """The faults of pods, as their kubelet meets them."""

    def __init__(self, client: ClusterClient, board: FaultBoard) -> None:
        self._client = client
        self._board = board

    async def reach(self, pod: Object) -> None:
        """Wait while the pod's node is lost."""
        while self._lost(pod["spec"].get("nodeName", "")):
            await self._board.change()

    async def pull(self, pod: Object) -> Object | None:
        """Pull the pod's images; returns the pod as it is then, or ``None`` when it has gone meanwhile."""
        place = pod["metadata"]["namespace"], pod["metadata"]["name"]
        current: Object | None = pod
        said = False
        while self._board.strike("image-pull", _facts(pod)):
            if not said and current is not None:
                await self._say_failed_pull(current)
            said = True
            await self._board.change()
            current = await self._client.get(PODS, *place)
            if (
                current is None
                or current["metadata"]["uid"] != pod["metadata"]["uid"]
                or is_terminating(current)
            ):
                return None
        return current

    def out_of_memory(self, pod: Object) -> bool:
        """Whether the pod is to be killed now."""
        return self._board.strike("oom-killed", _facts(pod)) is not None

    def on_out_of_memory(self, act: Callable[[], None]) -> None:
        """Call ``act`` whenever memory begins to run out."""

        def heard(what: str, fault: Fault) -> None:
            if what == "added" and fault.kind == "oom-killed":
                act()

        self._board.listen(heard)

    def _lost(self, node: str) -> bool:
        return any(fault.kind == "lost-node" and fault["node"] == node for fault in self._board.active())

    async def _say_failed_pull(self, pod: Object) -> None:
        statuses = [_waiting(container) for container in pod["spec"]["containers"]]
        await self._client.set_status(PODS, pod, {**pod["status"], "containerStatuses": statuses})
        image = pod["spec"]["containers"][0]["image"]
        message = f'Failed to pull image "{image}": rpc error: code = NotFound desc = failed to pull image'
        await self._client.record_event(pod, "Warning", "Failed", message, "kubelet")
        await self._client.record_event(pod, "Warning", "Failed", "Error: ImagePullBackOff", "kubelet")


def _facts(pod: Object) -> dict[str, str]:
    labels = labels_of(pod)
    return {
        "namespace": pod["metadata"]["namespace"],
        "name": pod["metadata"]["name"],
        "app": labels.get(APPLICATION, ""),
        "role": labels.get(ROLE, ""),
    }


def _waiting(container: Mapping[str, Any]) -> dict[str, Any]:
    image = container["image"]
    waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
    return {
        "name": container["name"],
        "image": image,
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "state": {"waiting": waiting},
        "lastState": {},
    }
