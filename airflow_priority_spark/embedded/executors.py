# SPDX-License-Identifier: Apache-2.0
"""The part of a Spark driver that creates executors.

As Spark does: only once the driver itself runs, in rounds of at most ten, trying again every second when the
API server refuses. Drivers that fill a quota therefore wait for ever for executors nobody can create: the
deadlock this project exists to prevent. Source: Spark ``ExecutorPodsAllocator.scala``.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import PODS
from airflow_priority_spark.embedded.logbook import ContainerLog
from airflow_priority_spark.embedded.objects import Object, is_finished, is_terminating, labels_of
from airflow_priority_spark.embedded.spark_pods import ROLE, SELECTOR, executor_pod
from airflow_priority_spark.embedded.spark_requests import executor_count

BATCH_SIZE = 10
RETRY_SECONDS = 1.0
STARVED_SECONDS = 15.0
_STARVED = (
    "WARN TaskSchedulerImpl: Initial job has not accepted any resources; check your cluster UI to ensure "
    "that workers are registered and have sufficient resources"
)


class ExecutorBoard:
    """The executor pods of every application, by their ``spark-app-selector``, kept by one listener."""

    def __init__(self, client: ClusterClient) -> None:
        self._pods: dict[str, dict[str, Object]] = defaultdict(dict)
        self._changed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        client.listen(PODS, self._on_pod)

    def live(self, selector: str) -> list[Object]:
        """Return an application's executors that run or may yet."""
        pods = self._pods.get(selector, {}).values()
        return [pod for pod in pods if not is_finished(pod) and not is_terminating(pod)]

    def all(self, selector: str) -> list[Object]:
        """Return an application's executors that exist."""
        return list(self._pods.get(selector, {}).values())

    async def change(self, selector: str, timeout: float | None) -> None:
        """Wait until an executor of an application changes, for at most ``timeout`` seconds."""
        event = self._changed[selector]
        event.clear()
        try:
            await asyncio.wait_for(event.wait(), timeout)
        except TimeoutError:
            return

    def forget(self, selector: str) -> None:
        """Drop an application whose driver has ended."""
        self._changed.pop(selector, None)

    def _on_pod(self, change: str, pod: Object, _: Object | None) -> None:
        labels = labels_of(pod)
        if labels.get(ROLE) != "executor" or SELECTOR not in labels:
            return
        selector, uid = labels[SELECTOR], pod["metadata"]["uid"]
        if change == "DELETED":
            self._pods[selector].pop(uid, None)
            if not self._pods[selector]:
                del self._pods[selector]
        else:
            self._pods[selector][uid] = pod
        if selector in self._changed:
            self._changed[selector].set()


class ExecutorAllocator:
    """Keeps one application's executors at the number it asked for."""

    def __init__(
        self, client: ClusterClient, board: ExecutorBoard, app: Object, driver: Object, log: ContainerLog
    ) -> None:
        self._client = client
        self._board = board
        self._app = app
        self._driver = driver
        self._log = log
        self._wanted = executor_count(app["spec"])
        self._selector = labels_of(driver)[SELECTOR]
        self._number = 0
        self._refusal = ""

    async def until_running(self) -> None:
        """Create executors until all run; for ever when there is no room."""
        self._log.write(
            f"INFO ExecutorPodsAllocator: Going to request {self._wanted} executors from Kubernetes."
        )
        waited = 0.0
        loop = asyncio.get_running_loop()
        while not self._complete():
            began = loop.time()
            await self._step()
            waited += loop.time() - began
            if waited >= STARVED_SECONDS and not self._complete():
                self._log.write(_STARVED)
                waited = 0.0

    async def keep(self) -> None:
        """Replace executors that are lost while the application runs, until cancelled."""
        while True:
            await self._step()

    async def until_ended(self) -> None:
        """Wait, for a moment at most, until no executor runs any more."""
        for _ in range(self._wanted + BATCH_SIZE):
            if not any(pod["status"].get("phase") == "Running" for pod in self._board.live(self._selector)):
                return
            await self._board.change(self._selector, RETRY_SECONDS)

    async def dismiss(self) -> None:
        """Delete all executors, as a driver does when its application has ended unless it is to keep them."""
        if (self._app["spec"].get("executor") or {}).get("deleteOnTermination", True):
            for pod in self._board.all(self._selector):
                await self._client.delete(PODS, pod)
        self._board.forget(self._selector)

    def _complete(self) -> bool:
        live = self._board.live(self._selector)
        return len(live) >= self._wanted and all(pod["status"].get("phase") == "Running" for pod in live)

    async def _step(self) -> None:
        """Request what is missing; then wait for news, unless this step made the set complete."""
        was_complete = self._complete()
        missing = self._wanted - len(self._board.live(self._selector))
        if missing > 0:
            await self._request(min(missing, BATCH_SIZE))
        missing = self._wanted - len(self._board.live(self._selector))
        if was_complete or not self._complete():
            await self._board.change(self._selector, RETRY_SECONDS if missing > 0 else STARVED_SECONDS)

    async def _request(self, count: int) -> None:
        for _ in range(count):
            self._number += 1
            pod = executor_pod(self._app, self._driver, self._number)
            try:
                await self._client.create(PODS, self._driver["metadata"]["namespace"], pod)
            except ApiError as error:
                self._report(error.message)
                return

    def _report(self, message: str) -> None:
        """Write a refusal once, not every second; executor numbers go up all the same, as in Spark."""
        refusal = message.partition(" is forbidden: ")[2] or message
        if refusal != self._refusal:
            self._refusal = refusal
            self._log.write(
                "WARN ExecutorPodsSnapshotsStoreImpl: Exception when notifying snapshot subscriber."
            )
            self._log.write(f"io.fabric8.kubernetes.client.KubernetesClientException: Message: {message}")
