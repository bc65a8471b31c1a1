# SPDX-License-Identifier: Apache-2.0
"""Runs the pods that were bound to a node, and ends them when they are deleted.

A pod whose labels say Spark gets a program (``programs.Programs``); any other runs until it is deleted, like
a pause container. Images are not pulled: what a container would do is decided by its role.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Coroutine
from typing import Any, Protocol

from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.faults import FaultBoard
from airflow_priority_spark.embedded.kinds import NODES, PODS
from airflow_priority_spark.embedded.logbook import ContainerLog, LogBook
from airflow_priority_spark.embedded.objects import Object, is_finished, is_terminating, timestamp
from airflow_priority_spark.embedded.pod_faults import PodFaults

KILLED = 143
OUT_OF_MEMORY = (137, "OOMKilled")


class Programs(Protocol):
    """What containers do."""

    def program(self, pod: Object, log: ContainerLog) -> Coroutine[Any, Any, int] | None:
        """Return the pod's main program, which ends with its exit code, or ``None`` for a pause container."""


class Kubelet:
    """One kubelet for many nodes: a task per running program, none for a pause container.

    :param nodes: the only nodes it serves; ``None`` for all of the cluster. No node, no kubelet: a pod bound
        to a node that does not exist waits for it, and nobody ends it.
    """

    def __init__(
        self,
        client: ClusterClient,
        programs: Programs,
        logs: LogBook,
        nodes: Collection[str] | None = None,
        faults: FaultBoard | None = None,
    ) -> None:
        self._client = client
        self._programs = programs
        self._logs = logs
        self._every_node = nodes is None
        self._nodes: set[str] = set(nodes or ())
        self._elsewhere: dict[str, dict[str, Object]] = defaultdict(dict)
        self._faults = PodFaults(client, faults or FaultBoard())
        self._faults.on_out_of_memory(self._kill_for_memory)
        self._up: dict[str, Object] = {}
        self._killed: dict[str, tuple[int, str]] = {}
        self._known: set[str] = set()
        self._stopping: set[str] = set()
        self._running: dict[str, asyncio.Task[int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._addresses = 0
        if self._every_node:
            client.listen(NODES, self._on_node)
        client.listen(PODS, self._on_pod)

    def _on_node(self, change: str, node: Object, _: Object | None) -> None:
        name = node["metadata"]["name"]
        if change == "ADDED":
            self._nodes.add(name)
            for pod in self._elsewhere.pop(name, {}).values():
                self._on_pod("MODIFIED", pod, None)

    def _on_pod(self, change: str, pod: Object, _: Object | None) -> None:
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName", "")
        if node not in self._nodes:
            self._wait_for_node(change, pod)
        elif change == "DELETED":
            self._forget(uid)
        elif is_terminating(pod):
            if uid not in self._stopping:
                self._stopping.add(uid)
                self._spawn(self._stop(pod))
        elif uid not in self._known and not is_finished(pod):
            self._known.add(uid)
            self._spawn(self._start(pod))

    def _wait_for_node(self, change: str, pod: Object) -> None:
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName", "")
        if self._every_node and node:
            self._elsewhere[node][uid] = pod
            if change == "DELETED":
                self._elsewhere[node].pop(uid)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self, uid: str) -> None:
        if task := self._running.get(uid):
            task.cancel()
        self._up.pop(uid, None)
        self._known.discard(uid)
        self._stopping.discard(uid)
        self._logs.drop(uid)

    async def shut_down(self) -> None:
        """End every program and wait until its processes are gone."""
        programs = list(self._running.values())
        for task in programs:
            task.cancel()
        await asyncio.gather(*programs, return_exceptions=True)
        for watcher in list(self._tasks):
            watcher.cancel()

    async def _start(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        await self._faults.reach(pod)
        current = await self._client.get(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        if current is None or current["metadata"]["uid"] != uid or is_terminating(current):
            return
        current = await self._faults.pull(current)
        if current is None:
            return
        main = current["spec"]["containers"][0]["name"]
        log = self._logs.open(uid, main)
        self._addresses += 1
        await self._client.set_status(PODS, current, _running_status(current, self._addresses))
        await self._client.record_event(current, "Normal", "Started", f"Started container {main}", "kubelet")
        self._up[uid] = current
        program = self._programs.program(current, log)
        if program is not None:
            task = self._running[uid] = asyncio.ensure_future(program)
        if self._faults.out_of_memory(current):
            self._kill(uid)
        if program is None:
            return
        try:
            code = await task
        except asyncio.CancelledError:
            code = KILLED
        finally:
            self._running.pop(uid, None)
            log.end()
        await self._finish(current, code)

    def _kill_for_memory(self) -> None:
        for uid, pod in list(self._up.items()):
            if self._faults.out_of_memory(pod):
                self._kill(uid)

    def _kill(self, uid: str) -> None:
        """End a container as the kernel does when its memory is used up."""
        pod = self._up.pop(uid)
        self._killed[uid] = OUT_OF_MEMORY
        if task := self._running.get(uid):
            task.cancel()
        else:
            self._spawn(self._finish(pod, OUT_OF_MEMORY[0]))

    async def _finish(self, pod: Object, code: int) -> None:
        uid = pod["metadata"]["uid"]
        self._up.pop(uid, None)
        code, reason = self._killed.pop(uid, (code, "Completed" if code == 0 else "Error"))
        await self._faults.reach(pod)
        current = await self._client.get(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        if current is not None and not is_finished(current):
            await self._client.set_status(PODS, current, _finished_status(current, code, reason))

    async def _stop(self, pod: Object) -> None:
        """Let the program end by itself on the signal; its own grace limits how long that takes."""
        uid = pod["metadata"]["uid"]
        await self._faults.reach(pod)
        task = self._running.get(uid)
        if task is not None:
            task.cancel()
            await asyncio.wait([task], timeout=pod["metadata"].get("deletionGracePeriodSeconds", 30) + 1)
        await self._finish(pod, KILLED)
        await self._client.delete(PODS, pod, grace_seconds=0)


def _conditions(pod: Object, *, ready: bool, now: str) -> list[dict[str, Any]]:
    states = {"Initialized": True, "Ready": ready, "ContainersReady": ready}
    kept = [item for item in pod["status"].get("conditions", ()) if item["type"] not in states]
    return kept + [
        {"type": name, "status": str(state), "lastTransitionTime": now} for name, state in states.items()
    ]


def _running_status(pod: Object, number: int) -> dict[str, Any]:
    now = timestamp()
    address = f"10.244.{number // 250 % 250}.{number % 250 + 1}"
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "containerID": f"embedded://{pod['metadata']['uid']}/{container['name']}",
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
            "lastState": {},
        }
        for container in pod["spec"]["containers"]
    ]
    return {
        **pod["status"],
        "phase": "Running",
        "conditions": _conditions(pod, ready=True, now=now),
        "containerStatuses": containers,
        "hostIP": "127.0.0.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": now,
    }


def _finished_status(pod: Object, code: int, reason: str) -> dict[str, Any]:
    now = timestamp()
    containers = []
    for container in pod["status"].get("containerStatuses", ()):
        terminated = {
            "exitCode": code,
            "reason": reason,
            "startedAt": container["state"].get("running", {}).get("startedAt", now),
            "finishedAt": now,
            "containerID": container.get("containerID", ""),
        }
        containers.append(
            {**container, "ready": False, "started": False, "state": {"terminated": terminated}}
        )
    return {
        **pod["status"],
        "phase": "Succeeded" if code == 0 else "Failed",
        "conditions": _conditions(pod, ready=False, now=now),
        "containerStatuses": containers,
    }
