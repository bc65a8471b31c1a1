# SPDX-License-Identifier: Apache-2.0
"""One list and one watch of SparkApplications for all tasks of a triggerer that share a namespace.

Polling each application every few seconds is what makes an API server slow when hundreds of jobs run.
Here one watch feeds everybody. What is broadcast is always the whole picture (application name → status),
never a single change, so that a task that joins late misses nothing: the picture is repeated every few
seconds. The loop never ends and never raises, because either would fail every task that listens.

Source of the contract: ``airflow/triggers/shared_stream.py`` and ``BaseEventTrigger.open_shared_stream``.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

from airflow_priority_spark.spark.identity import LABEL_JOB
from airflow_priority_spark.spark.manifest import GROUP, PLURAL, VERSION
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.spark.states import ApplicationStatus, read_status

log = logging.getLogger(__name__)


#: Late joiners wait at most so long for the picture (seconds).
REPEAT_SECONDS: Final = 2.0
#: One watch request lasts so long; then a fresh list repairs whatever was missed (seconds).
WATCH_SECONDS: Final = 240
MAX_BACKOFF: Final = 30.0

Picture = Mapping[str, ApplicationStatus]


def async_hook(ref: ConnectionRef) -> Any:
    """Return the stock provider's asynchronous hook for a connection."""
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook

    return AsyncKubernetesHook(
        conn_id=ref.conn_id,
        cluster_context=ref.cluster_context,
        config_file=ref.config_file,
        in_cluster=ref.in_cluster,
    )


class ApplicationsWatch:
    """The applications of one namespace, kept in step by a background task.

    :param hook: asynchronous Kubernetes hook.
    """

    def __init__(self, hook: Any, namespace: str) -> None:
        self._hook, self._namespace = hook, namespace
        self._items: dict[str, ApplicationStatus] = {}
        self._synced = False
        self._fault = ""
        self.changed = asyncio.Event()

    def picture(self) -> Picture | None:
        """Return what is known, ``None`` before the first list."""
        return dict(self._items) if self._synced else None

    async def keep(self) -> None:
        """List and watch for ever, with growing pauses while the API does not answer."""
        failures = 0
        while True:
            try:
                await self._list_and_watch()
                failures = 0
            except asyncio.CancelledError:
                raise
            except Exception as error:
                failures += 1
                self._report(error)
                await asyncio.sleep(min(MAX_BACKOFF, 0.5 * 2 ** min(failures, 6)))

    def _report(self, error: Exception) -> None:
        """Log a fault when it is new; a fault that stays says nothing new."""
        text = f"{type(error).__name__}: {getattr(error, 'reason', None) or error}"
        if text != self._fault:
            log.warning("Lost sight of the SparkApplications in %s, trying again: %s", self._namespace, text)
            self._fault = text

    async def _list_and_watch(self) -> None:
        from kubernetes_asyncio.client import CustomObjectsApi

        async with self._hook.get_conn() as client:
            api = CustomObjectsApi(client)
            found = await api.list_namespaced_custom_object(
                GROUP, VERSION, self._namespace, PLURAL, label_selector=LABEL_JOB
            )
            self._items = {item["metadata"]["name"]: read_status(item) for item in found["items"]}
            self._synced = True
            if self._fault:
                log.info("The SparkApplications in %s are in sight again", self._namespace)
                self._fault = ""
            self.changed.set()
            await self._watch(api, found["metadata"]["resourceVersion"])

    async def _watch(self, api: Any, version: str) -> None:
        response = await api.list_namespaced_custom_object(
            GROUP,
            VERSION,
            self._namespace,
            PLURAL,
            label_selector=LABEL_JOB,
            resource_version=version,
            allow_watch_bookmarks=True,
            watch=True,
            timeout_seconds=WATCH_SECONDS,
            _request_timeout=WATCH_SECONDS + 30,
            _preload_content=False,
        )
        try:
            async for line in response.content:
                if line.strip() and not self._take(json.loads(line)):
                    return
        finally:
            response.close()

    def _take(self, event: Mapping[str, Any]) -> bool:
        """Take a change in; false when only a fresh list helps (410 and other errors)."""
        kind, item = event["type"], event["object"]
        if kind == "ERROR":
            return False
        if kind == "BOOKMARK":
            return True
        name = item["metadata"]["name"]
        if kind == "DELETED":
            self._items.pop(name, None)
        else:
            self._items[name] = read_status(item)
        self.changed.set()
        return True


async def pictures(ref: ConnectionRef, namespace: str) -> AsyncIterator[Picture]:
    """Yield the namespace's applications whenever they change and every few seconds; for ever."""
    watch = ApplicationsWatch(async_hook(ref), namespace)
    keeper = asyncio.create_task(watch.keep())
    try:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(watch.changed.wait(), REPEAT_SECONDS)
            watch.changed.clear()
            picture = watch.picture()
            if picture is not None:
                yield picture
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
