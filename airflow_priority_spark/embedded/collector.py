# SPDX-License-Identifier: Apache-2.0
"""Removes what its owner leaves behind: dependents, the content of deleted namespaces, old events.

Ownership is by uid, as in Kubernetes: an object whose last owner is gone goes too.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from functools import partial

from airflow_priority_spark.embedded.client import LocalClient
from airflow_priority_spark.embedded.deletion import FOREGROUND, ORPHAN
from airflow_priority_spark.embedded.kinds import EVENTS, NAMESPACES, Kind
from airflow_priority_spark.embedded.objects import Object, is_terminating

# The API server's ``--event-ttl``.
EVENT_SECONDS = 3600.0


@dataclass(frozen=True)
class Task:
    """What is to be done about an owner: its dependents were left behind, or it waits for them itself."""

    uid: str
    left_behind: bool


class Collector:
    """Follows ownership and namespaces; sleeps until something is deleted."""

    def __init__(self, client: LocalClient, kinds: tuple[Kind, ...]) -> None:
        self._client = client
        self._kinds = [kind for kind in kinds if kind.namespaced]
        self._dependents: dict[str, dict[str, tuple[Kind, Object]]] = defaultdict(dict)
        self._owners: set[str] = set()
        self._emptying: set[str] = set()
        self._expiring: set[asyncio.Future[None]] = set()
        self._held: dict[str, tuple[Kind, Object]] = {}
        # A name is a namespace to empty.
        self._tasks: asyncio.Queue[Task | str] = asyncio.Queue()
        for kind in kinds:
            client.listen(kind, partial(self._on_change, kind))

    def follow(self, kind: Kind) -> None:
        """Collect objects of a kind that was defined later, too."""
        self._kinds.append(kind)
        self._client.listen(kind, partial(self._on_change, kind))

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            task = await self._tasks.get()
            if isinstance(task, str):
                await self._empty(task)
            elif task.left_behind:
                await self._collect(task.uid)
            else:
                await self._release(task.uid)

    async def _collect(self, owner: str) -> None:
        """Delete what belonged to an owner that is gone, and to nobody else."""
        for kind, obj in list(self._dependents.get(owner, {}).values()):
            if not any(one["uid"] in self._owners for one in obj["metadata"]["ownerReferences"]):
                await self._client.delete(kind, obj)
        if owner not in self._owners:
            self._dependents.pop(owner, None)

    async def _release(self, uid: str) -> None:
        """Carry out the policy an owner is deleted with, then let it go."""
        if uid not in self._held:
            return
        kind, owner = self._held[uid]
        finalizers = owner["metadata"].get("finalizers") or []
        dependents = list(self._dependents.get(uid, {}).values())
        if ORPHAN in finalizers:
            for child_kind, child in dependents:
                kept = [one for one in child["metadata"]["ownerReferences"] if one["uid"] != uid]
                await self._client.set_metadata(child_kind, child, {"ownerReferences": kept or None})
        elif FOREGROUND in finalizers:
            for child_kind, child in dependents:
                if not is_terminating(child):
                    await self._client.delete(child_kind, child)
            if any(_blocks(child, uid) for _, child in self._dependents.get(uid, {}).values()):
                return
        self._held.pop(uid, None)
        kept = [name for name in finalizers if name not in (ORPHAN, FOREGROUND)]
        await self._client.set_metadata(kind, owner, {"finalizers": kept or None})

    def _on_change(self, kind: Kind, change: str, obj: Object, before: Object | None) -> None:
        metadata = obj["metadata"]
        uid = metadata["uid"]
        references = [owner["uid"] for owner in metadata.get("ownerReferences") or ()]
        for owner in (before or obj)["metadata"].get("ownerReferences") or ():
            if change == "DELETED" or owner["uid"] not in references:
                self._dependents[owner["uid"]].pop(uid, None)
                if owner["uid"] in self._held:
                    self._tasks.put_nowait(Task(owner["uid"], left_behind=False))
        if change == "DELETED":
            self._forget(uid, metadata.get("namespace", ""))
            return
        self._owners.add(uid)
        for owner_uid in references:
            self._dependents[owner_uid][uid] = (kind, obj)
            if owner_uid not in self._owners:
                self._tasks.put_nowait(Task(owner_uid, left_behind=True))
        if is_terminating(obj) and {ORPHAN, FOREGROUND} & set(metadata.get("finalizers") or ()):
            self._held[uid] = kind, obj
            self._tasks.put_nowait(Task(uid, left_behind=False))
        if kind is NAMESPACES and is_terminating(obj):
            self._tasks.put_nowait(metadata["name"])
        if kind is EVENTS and change == "ADDED":
            asyncio.get_running_loop().call_later(EVENT_SECONDS, self._expire, obj)

    def _forget(self, uid: str, namespace: str) -> None:
        self._owners.discard(uid)
        self._held.pop(uid, None)
        if uid in self._dependents:
            self._tasks.put_nowait(Task(uid, left_behind=True))
        if namespace in self._emptying:
            self._tasks.put_nowait(namespace)

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


def _blocks(child: Object, owner: str) -> bool:
    references = child["metadata"].get("ownerReferences") or ()
    return any(one["uid"] == owner and one.get("blockOwnerDeletion") for one in references)
