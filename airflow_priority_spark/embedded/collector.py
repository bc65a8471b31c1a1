# SPDX-License-Identifier: Apache-2.0
"""Removes what its owner leaves behind: dependents, the content of deleted namespaces, old events.

Ownership is by uid, as in Kubernetes: an object whose last owner is gone goes too.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import partial

from airflow_priority_spark.embedded.client import ClusterClient
from airflow_priority_spark.embedded.kinds import EVENTS, NAMESPACES, Kind
from airflow_priority_spark.embedded.objects import Object, is_terminating

# The API server's ``--event-ttl``.
EVENT_SECONDS = 3600.0


class Collector:
    """Follows ownership and namespaces; sleeps until something is deleted."""

    def __init__(self, client: ClusterClient, kinds: tuple[Kind, ...]) -> None:
        self._client = client
        self._kinds = [kind for kind in kinds if kind.namespaced]
        self._dependents: dict[str, dict[str, tuple[Kind, Object]]] = defaultdict(dict)
        self._owners: set[str] = set()
        self._emptying: set[str] = set()
        self._expiring: set[asyncio.Future[None]] = set()
        self._orphans: asyncio.Queue[str] = asyncio.Queue()
        for kind in kinds:
            client.listen(kind, partial(self._on_change, kind))

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            gone = await self._orphans.get()
            if gone.startswith("namespace/"):
                await self._empty(gone.removeprefix("namespace/"))
                continue
            for kind, obj in list(self._dependents.pop(gone, {}).values()):
                if not any(owner["uid"] in self._owners for owner in obj["metadata"]["ownerReferences"]):
                    await self._client.delete(kind, obj)

    def _on_change(self, kind: Kind, change: str, obj: Object, _: Object | None) -> None:
        metadata = obj["metadata"]
        uid = metadata["uid"]
        references = [owner["uid"] for owner in metadata.get("ownerReferences") or ()]
        if change == "DELETED":
            self._owners.discard(uid)
            for owner in references:
                self._dependents[owner].pop(uid, None)
            if uid in self._dependents:
                self._orphans.put_nowait(uid)
            self._continue_emptying(metadata.get("namespace", ""))
            return
        self._owners.add(uid)
        for owner in references:
            self._dependents[owner][uid] = (kind, obj)
            if owner not in self._owners:
                self._orphans.put_nowait(owner)
        if kind is NAMESPACES and is_terminating(obj):
            self._orphans.put_nowait(f"namespace/{metadata['name']}")
        if kind is EVENTS and change == "ADDED":
            asyncio.get_running_loop().call_later(EVENT_SECONDS, self._expire, obj)

    def _continue_emptying(self, namespace: str) -> None:
        if namespace in self._emptying:
            self._orphans.put_nowait(f"namespace/{namespace}")

    def _expire(self, event: Object) -> None:
        task = asyncio.ensure_future(self._client.delete(EVENTS, event))
        self._expiring.add(task)
        task.add_done_callback(self._expiring.discard)

    async def _empty(self, name: str) -> None:
        namespace = await self._client.get(NAMESPACES, "", name)
        if namespace is None or not is_terminating(namespace):
            return
        rest = [(kind, obj) for kind in self._kinds for obj in await self._client.list(kind, name)]
        for kind, obj in rest:
            if not is_terminating(obj):
                await self._client.delete(kind, obj)
        if any([await self._client.list(kind, name) for kind in self._kinds]):
            self._emptying.add(name)
            return
        self._emptying.discard(name)
        await self._client.remove_namespace(name)
