# SPDX-License-Identifier: Apache-2.0
"""One watch over the SparkApplications and Spark pods of a namespace, for every task that waits there.

The watches themselves are the cluster room's: threads that list, watch and recover. Here their changes
become snapshots in the event loop. A whole snapshot is sent each time, and again every few seconds:
a task that begins to listen late has missed nothing. The stream never ends and never raises, because
Airflow would then fail every task that listens to it.

Pods are a help, not a need: where they may not be watched, a task still learns how its application ended.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Final

from asgiref.sync import sync_to_async

from airflow_priority_spark.cluster.connections import ClusterConnection, resolve
from airflow_priority_spark.cluster.kinds import PODS, SPARK_APPLICATIONS
from airflow_priority_spark.cluster.reflector import Reflector
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.triggers.following import (
    SELECTOR,
    FailureBook,
    Followed,
    PodsKey,
    SparkPod,
    followed,
)

#: Seconds after which an unchanged picture is sent again.
REPEAT_SECONDS: Final = 2.0
#: Seconds between two pictures at least, so that a burst of changes is one picture.
SETTLE_SECONDS: Final = 0.2
#: Seconds before a connection that cannot be read is read again.
RETRY_SECONDS: Final = 10.0

PodsByKey = Mapping[PodsKey, tuple[SparkPod, ...]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All applications of a namespace, and all Spark pods of ours, at one moment.

    :param synced: the picture of the applications is complete; else an absent one means nothing.
    :param error: why the watch of the applications is out of step, empty when it is not.
    :param connection: the way to the cluster, to look at a single object.
    :param pods: by job and admission.
    :param failures: executors that have failed, by job and admission; most of them are gone.
    :param pods_synced: the picture of the pods is complete.
    :param pods_error: why pods cannot be watched, empty when they can.
    """

    applications: Mapping[str, Followed] = field(default_factory=dict)
    synced: bool = False
    error: str = ""
    connection: ClusterConnection | None = None
    pods: PodsByKey = field(default_factory=dict)
    failures: PodsByKey = field(default_factory=dict)
    pods_synced: bool = False
    pods_error: str = ""


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
        # The loop may be closing while a watch's thread still runs.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(changed.set)

    watches = _Watches(connection, namespace, tell)
    watches.start()
    try:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), REPEAT_SECONDS)
            changed.clear()
            yield watches.snapshot()
            await asyncio.sleep(SETTLE_SECONDS)
    finally:
        watches.ask_to_stop()
        connection.close()


class _Watches:
    """The two watches of one namespace."""

    def __init__(self, connection: ClusterConnection, namespace: str, tell: Callable[[], None]) -> None:
        self._connection = connection
        self._book = FailureBook()
        self._applications = Reflector(connection, SPARK_APPLICATIONS, followed, tell, namespace=namespace)
        self._pods = Reflector(
            connection, PODS, self._book.convert, tell, namespace=namespace, labels=SELECTOR
        )

    def start(self) -> None:
        self._applications.start()
        self._pods.start()

    def ask_to_stop(self) -> None:
        self._applications.ask_to_stop()
        self._pods.ask_to_stop()

    def snapshot(self) -> Snapshot:
        state, pods = self._applications.state, self._pods.state
        error = str(state.error) if state.error else ""
        pods_error = str(pods.error) if pods.error else ""
        return Snapshot(
            applications={name: item for (_, name), item in self._applications.views().items()},
            synced=state.synced and not error,
            error=error,
            connection=self._connection,
            pods=by_key(self._pods.views().values()),
            failures=by_key(self._book.failures()),
            pods_synced=pods.synced and not pods_error,
            pods_error=pods_error,
        )


def by_key(pods: Iterable[SparkPod]) -> PodsByKey:
    """Sort pods by job and admission."""
    found: dict[PodsKey, list[SparkPod]] = defaultdict(list)
    for pod in pods:
        found[pod.key].append(pod)
    return {key: tuple(sorted(items, key=lambda pod: pod.name)) for key, items in found.items()}
