# SPDX-License-Identifier: Apache-2.0
"""Keeps a copy of all objects of one kind and tells of every change, as ``Store.listen`` does.

The controllers were written for a store that tells them of a write before the write returns. Over HTTP the
watch tells a moment later, and a controller that has just created a driver would look for it in vain. So what
a write is answered with enters the copy at once (``wrote``), and the watch's own news of it is then none.
Versions are compared as numbers, which Kubernetes allows since 1.35 for one kind of one cluster.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import aiohttp

from airflow_priority_spark.embedded.client import Listener
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import Kind
from airflow_priority_spark.embedded.objects import Object
from airflow_priority_spark.embedded.remote.api import RemoteApi, path_of

PAGE = 500
WATCH_SECONDS = 300
# Bookmarks come every minute: so long a silence means that the connection is dead.
SILENCE_SECONDS = 120.0
RETRY_SECONDS = 1.0
Key = tuple[str, str]
_log = logging.getLogger(__name__)


class _Expired(Exception):
    """The watch cannot go on from its version; a new list can."""


class Mirror:
    """One list+watch; ``synced`` once the first list has been told."""

    def __init__(self, api: RemoteApi, kind: Kind) -> None:
        self.synced = asyncio.Event()
        self._api = api
        self._kind = kind
        self._objects: dict[Key, Object] = {}
        self._listeners: list[Listener] = []
        # What the watch has told up to; an older answer to a write is news from the past.
        self._seen = 0

    def listen(self, listener: Listener) -> None:
        """Tell a listener of every change; objects that exist already are told as ``ADDED``."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """List and watch until cancelled; a fault is said once, when it begins."""
        said = False
        listed = False
        while True:
            try:
                if not listed:
                    await self._list()
                    listed = True
                await self._watch()
                said = False
            except _Expired:
                listed = False
            except (ApiError, aiohttp.ClientError, TimeoutError, ValueError) as error:
                listed = not isinstance(error, ApiError) and listed
                if not said:
                    _log.warning("watch of %s lost: %s", self._kind.resource, error or type(error).__name__)
                said = True
                await asyncio.sleep(RETRY_SECONDS)

    def wrote(self, obj: Object) -> None:
        """Take in what a write was answered with."""
        if _version(obj) > self._seen:
            self._take(obj)

    async def _list(self) -> None:
        items: list[Object] = []
        query = {"limit": str(PAGE)}
        while True:
            page = await self._api.request("GET", path_of(self._kind), query=query)
            items += page["items"]
            following = page["metadata"].get("continue")
            if not following:
                break
            query["continue"] = following
        version = int(page["metadata"]["resourceVersion"])
        found = {_key(item) for item in items}
        for key, known in list(self._objects.items()):
            if key not in found and _version(known) <= version:
                self._drop(known)
        for item in items:
            # Items of a list carry neither apiVersion nor kind.
            self._take({"apiVersion": self._kind.api_version, "kind": self._kind.kind, **item})
        self._seen = max(self._seen, version)
        self.synced.set()

    async def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(self._seen),
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        try:
            lines = await self._api.stream(path_of(self._kind), query, SILENCE_SECONDS)
        except ApiError as error:
            if error.code == 410:
                raise _Expired from error
            raise
        async for line in _lines(lines):
            self._event(json.loads(line))

    def _event(self, event: dict[str, Object]) -> None:
        obj = event["object"]
        if event["type"] == "ERROR":
            raise _Expired
        if event["type"] == "DELETED":
            self._drop(obj)
        elif event["type"] != "BOOKMARK":
            self._take(obj)
        self._seen = max(self._seen, _version(obj))

    def _take(self, obj: Object) -> None:
        before = self._objects.get(_key(obj))
        if before is not None and _version(before) >= _version(obj):
            return
        if before is not None and before["metadata"]["uid"] != obj["metadata"]["uid"]:
            self._drop(before)
            before = None
        self._objects[_key(obj)] = obj
        self._tell("MODIFIED" if before else "ADDED", obj, before)

    def _drop(self, obj: Object) -> None:
        before = self._objects.get(_key(obj))
        if before is not None and before["metadata"]["uid"] == obj["metadata"]["uid"]:
            del self._objects[_key(obj)]
            self._tell("DELETED", obj, before)

    def _tell(self, change: str, obj: Object, before: Object | None) -> None:
        for listener in self._listeners:
            listener(change, obj, before)


async def _lines(reader: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split the stream at line ends; an object may be longer than the reader's own limit for a line."""
    rest = b""
    async for piece in reader.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in filter(None, lines):
            yield line


def _key(obj: Object) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
