# SPDX-License-Identifier: Apache-2.0
"""Watches: initial objects or missed events, then live ones, bookmarks, and an end in time.

An object that begins or ceases to match the selectors is told as ``ADDED`` or ``DELETED``, as upstream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import PODS, Kind
from airflow_priority_spark.embedded.selectors import Predicate
from airflow_priority_spark.embedded.store import Change, Record, Store

BOOKMARK_SECONDS = 60.0
LAST_BOOKMARK_SECONDS = 2.0
DEFAULT_SECONDS = 1800.0


@dataclass(frozen=True)
class WatchRequest:
    """What a client wants to see.

    :param version: resume after this ``resourceVersion``; ``None`` or 0 begins with the current objects.
    :param initial: begin with the current objects and tell with a bookmark that they are complete.
    :param seconds: when the server ends the watch.
    """

    kind: Kind
    namespace: str
    matches: Predicate
    version: int | None
    bookmarks: bool
    initial: bool = False
    seconds: float = DEFAULT_SECONDS


class _Backlog:
    """Changes not yet sent; a client that cannot keep up loses its watch, and resumes or lists again."""

    def __init__(self, limit: int) -> None:
        self._changes: asyncio.Queue[Change] = asyncio.Queue()
        self._limit = limit
        self.overrun = False

    def put(self, change: Change) -> None:
        self.overrun = self.overrun or self._changes.qsize() >= self._limit
        if not self.overrun:
            self._changes.put_nowait(change)

    async def next(self, timeout: float) -> Change | None:
        try:
            return self._changes.get_nowait()
        except asyncio.QueueEmpty:
            pass
        try:
            return await asyncio.wait_for(self._changes.get(), timeout)
        except TimeoutError:
            return None


async def watch(store: Store, request: WatchRequest) -> AsyncIterator[bytes]:
    """Yield the watch's lines; a version that is too old ends it with an ``ERROR`` event of code 410."""
    backlog = _Backlog(store.window)
    stop = store.listen(request.kind, backlog.put)
    try:
        for line in _beginning(store, request):
            yield line
        async for line in _live(store, request, backlog):
            yield line
    except ApiError as error:
        yield _line("ERROR", json.dumps(error.status()).encode())
    finally:
        stop()


def _beginning(store: Store, request: WatchRequest) -> Iterator[bytes]:
    if request.version and not request.initial:
        for change in store.since(request.kind, request.version):
            yield from _told(request, change)
        return
    for record in list(store.all(request.kind, request.namespace)):
        if request.matches(record.data):
            yield _line("ADDED", record.encoded)
    if request.initial and request.bookmarks:
        yield _line("BOOKMARK", _bookmark(request.kind, store.version, complete=True))


async def _live(store: Store, request: WatchRequest, backlog: _Backlog) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    end = clock() + request.seconds
    bookmark = _next_bookmark(clock(), end)
    while clock() < end and not backlog.overrun:
        change = await backlog.next(max(min(end, bookmark) - clock(), 0))
        if change is not None:
            for line in _told(request, change):
                yield line
        elif request.bookmarks and clock() < end:
            bookmark = _next_bookmark(clock(), end)
            yield _line("BOOKMARK", _bookmark(request.kind, store.version))
        else:
            bookmark = end


def _next_bookmark(now: float, end: float) -> float:
    """Return when the next bookmark is due: every minute, and once shortly before the watch ends."""
    last = end - LAST_BOOKMARK_SECONDS
    return min(last, now + BOOKMARK_SECONDS) if now < last else end


def _told(request: WatchRequest, change: Change) -> Iterator[bytes]:
    if request.namespace and change.record.key[0] != request.namespace:
        return
    now = change.type != "DELETED" and request.matches(change.record.data)
    before = change.previous is not None and request.matches(change.previous.data)
    if now:
        yield _line("MODIFIED" if before else "ADDED", change.record.encoded)
    elif before:
        yield _line("DELETED", _last_seen(change).encoded)


def _last_seen(change: Change) -> Record:
    """Show an object that ceases to match as it was, with the version of the change (upstream cacher)."""
    if change.type == "DELETED" or change.previous is None:
        return change.record
    before = change.previous.data
    metadata = {**before["metadata"], "resourceVersion": str(change.record.version)}
    return Record({**before, "metadata": metadata}, change.record.version)


def _bookmark(kind: Kind, version: int, *, complete: bool = False) -> bytes:
    metadata: dict[str, object] = {"resourceVersion": str(version)}
    if complete:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    body: dict[str, object] = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
    if kind is PODS:
        body |= {"spec": {"containers": None}, "status": {}}
    return json.dumps(body).encode()


def _line(event: str, encoded: bytes) -> bytes:
    return b'{"type":"' + event.encode() + b'","object":' + encoded + b"}\n"
