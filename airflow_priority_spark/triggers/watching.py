# SPDX-License-Identifier: Apache-2.0
"""One watch over the SparkApplications of a namespace, for every task in this triggerer that waits there.

The watch itself is the cluster room's: a thread that lists, watches and recovers. Here its changes
become snapshots in the event loop. A whole snapshot is sent each time, and again every few seconds:
a task that begins to listen late has missed nothing. The stream never ends and never raises, because
Airflow would then fail every task that listens to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final

from asgiref.sync import sync_to_async

from airflow_priority_spark.cluster.applications import ApplicationView, application
from airflow_priority_spark.cluster.connections import ClusterConnection, resolve
from airflow_priority_spark.cluster.kinds import SPARK_APPLICATIONS
from airflow_priority_spark.cluster.reflector import Reflector
from airflow_priority_spark.spark.request import ConnectionRef

#: Seconds after which an unchanged picture is sent again.
REPEAT_SECONDS: Final = 2.0
#: Seconds between two pictures at least, so that a burst of changes is one picture.
SETTLE_SECONDS: Final = 0.2
#: Seconds before a connection that cannot be read is read again.
RETRY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All applications of a namespace at one moment.

    :param synced: the picture is complete; else an absent application means nothing.
    :param error: why the watch is out of step, empty when it is not.
    :param connection: the way to the cluster, to look at a single application.
    """

    applications: Mapping[str, ApplicationView] = field(default_factory=dict)
    synced: bool = False
    error: str = ""
    connection: ClusterConnection | None = None


async def connect(ref: ConnectionRef) -> ClusterConnection:
    """Resolve a connection off the event loop.

    :raises InvalidInput: when there is no such connection or it is unusable.
    """
    return await sync_to_async(resolve, thread_sensitive=False)(ref)


async def follow(ref: ConnectionRef, namespace: str) -> AsyncGenerator[Snapshot, None]:
    """Yield snapshots for ever."""
    while True:
        try:
            connection = await connect(ref)
        except Exception as error:
            # Whatever is wrong with the connection may be mended while the tasks wait.
            yield Snapshot(error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
            continue
        async with aclosing(_watch(connection, namespace)) as snapshots:
            async for snapshot in snapshots:
                yield snapshot


async def _watch(connection: ClusterConnection, namespace: str) -> AsyncGenerator[Snapshot, None]:
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        # The loop may be closing while the watch's thread still runs.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(changed.set)

    reflector = Reflector(connection, SPARK_APPLICATIONS, application, tell, namespace=namespace)
    reflector.start()
    try:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), REPEAT_SECONDS)
            changed.clear()
            state = reflector.state
            views = {name: view for (_, name), view in reflector.views().items()}
            error = str(state.error) if state.error else ""
            yield Snapshot(views, state.synced and not error, error, connection)
            await asyncio.sleep(SETTLE_SECONDS)
    finally:
        reflector.ask_to_stop()
        connection.close()
