# SPDX-License-Identifier: Apache-2.0
"""What Spark's containers do: drivers run their application, executors stay until it has ended.

A driver's program starts when all its executors run, really or by the clock (annotation
``priority-spark/simulated-runtime`` on the SparkApplication, or a cluster without Java).
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_priority_spark.embedded import spark_submit
from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.durations import seconds
from airflow_priority_spark.embedded.executors import ExecutorAllocator, ExecutorBoard
from airflow_priority_spark.embedded.kinds import SPARK_APPLICATIONS
from airflow_priority_spark.embedded.logbook import ContainerLog
from airflow_priority_spark.embedded.objects import Object, labels_of
from airflow_priority_spark.embedded.spark_pods import APPLICATION, ROLE, SELECTOR

SIMULATED_RUNTIME = "priority-spark/simulated-runtime"
SIMULATED_EXIT_CODE = "priority-spark/simulated-exit-code"
log_ = logging.getLogger(__name__)


@dataclass(frozen=True)
class RuntimeSettings:
    """How drivers run.

    :param real: run ``spark-submit``; otherwise every application is simulated.
    :param simulated_seconds: how long a simulated application without an annotation runs.
    :param driver_start_seconds: from a driver's start to its request for executors; a JVM takes seconds, in
        which other drivers take the room its executors would have had.
    :param work_directory: where drivers run, one directory each.
    :param app_root: where ``local://`` files are looked for when they do not exist as they are named.
    """

    real: bool
    simulated_seconds: float
    driver_start_seconds: float
    work_directory: Path
    app_root: Path | None = None


class SparkPrograms:
    """The programs of driver and executor pods."""

    def __init__(self, client: ClusterClient, settings: RuntimeSettings) -> None:
        self._client = client
        self._settings = settings
        self._board = ExecutorBoard(client)
        self._ended: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def program(self, pod: Object, log: ContainerLog) -> Coroutine[Any, Any, int] | None:
        """Return the pod's main program, or ``None`` for a pod that has nothing to do with Spark."""
        labels = labels_of(pod)
        if labels.get(ROLE) == "driver" and SELECTOR in labels and APPLICATION in labels:
            return self._driver(pod, log)
        if labels.get(ROLE) == "executor" and SELECTOR in labels:
            return self._executor(labels[SELECTOR], log)
        return None

    async def _executor(self, selector: str, log: ContainerLog) -> int:
        log.write("INFO CoarseGrainedExecutorBackend: Successfully registered with driver")
        await self._ended[selector].wait()
        log.write("INFO CoarseGrainedExecutorBackend: Driver commanded a shutdown")
        return 0

    async def _driver(self, pod: Object, log: ContainerLog) -> int:
        metadata, labels = pod["metadata"], labels_of(pod)
        app = await self._client.get(SPARK_APPLICATIONS, metadata["namespace"], labels[APPLICATION])
        if app is None:
            log.write(f"ERROR SparkContext: SparkApplication {labels[APPLICATION]} not found")
            return 1
        allocator = ExecutorAllocator(self._client, self._board, app, pod, log)
        keeping: asyncio.Task[None] | None = None
        try:
            await asyncio.sleep(self._settings.driver_start_seconds)
            await allocator.until_running()
            keeping = asyncio.ensure_future(allocator.keep())
            return await self._main(app, pod, log)
        except Exception as error:  # a driver that cannot start is a failed pod, not a failed kubelet
            log_.exception("driver %s", metadata["name"])
            log.write(f"ERROR SparkContext: Error initializing SparkContext: {error}")
            return 1
        finally:
            if keeping:
                keeping.cancel()
            await self._end(labels[SELECTOR], allocator)

    async def _end(self, selector: str, allocator: ExecutorAllocator) -> None:
        """Let the executors end by themselves, then delete their pods."""
        if selector in self._ended:
            self._ended.pop(selector).set()
        await allocator.until_ended()
        await allocator.dismiss()

    async def _main(self, app: Object, pod: Object, log: ContainerLog) -> int:
        annotations = app["metadata"].get("annotations") or {}
        if not self._settings.real or SIMULATED_RUNTIME in annotations or SIMULATED_EXIT_CODE in annotations:
            return await self._simulate(annotations, log)
        directory = self._settings.work_directory / pod["metadata"]["uid"]
        return await spark_submit.run(app, pod, log, directory, self._settings.app_root)

    async def _simulate(self, annotations: Mapping[str, str], log: ContainerLog) -> int:
        given = annotations.get(SIMULATED_RUNTIME)
        try:
            duration = seconds(given) if given else self._settings.simulated_seconds
            code = int(annotations.get(SIMULATED_EXIT_CODE, "0"))
        except ValueError as error:
            log.write(
                f"ERROR simulated runtime: annotation {SIMULATED_RUNTIME} or {SIMULATED_EXIT_CODE}: {error}"
            )
            return 2
        log.write(f"INFO SparkContext: Running Spark for a simulated {duration:g} s")
        await asyncio.sleep(duration)
        log.write(f"INFO SparkContext: Successfully stopped SparkContext, exit code {code}")
        return code
