# SPDX-License-Identifier: Apache-2.0
"""Objects in memory, their versions, and the bounded window of past events that watches resume from.

One counter gives every write its ``resourceVersion``, as etcd does. It begins at the clock's milliseconds, so
that a version handed out before a restart is older than the window (410: list again), never from the future.
A stored object is never changed in place: watchers and controllers share it.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_priority_spark.embedded.errors import gone
from airflow_priority_spark.embedded.kinds import Kind

DEFAULT_WINDOW = 10_000


class Record:
    """One version of one object; encoded at most once, however many watches deliver it."""

    def __init__(self, data: dict[str, Any], version: int) -> None:
        self.data = data
        self.version = version

    @cached_property
    def encoded(self) -> bytes:
        """The object as JSON."""
        return json.dumps(self.data, separators=(",", ":")).encode()

    @property
    def key(self) -> tuple[str, str]:
        """Namespace (empty for cluster-scoped objects) and name."""
        metadata = self.data["metadata"]
        return metadata.get("namespace", ""), metadata["name"]


@dataclass(frozen=True)
class Change:
    """A write: ``ADDED``, ``MODIFIED`` or ``DELETED``, the object after it and the one before."""

    type: str
    record: Record
    previous: Record | None


Listener = Callable[[Change], None]


@dataclass
class _Shelf:
    """Everything about one kind."""

    objects: dict[str, dict[str, Record]] = field(default_factory=lambda: defaultdict(dict))
    history: deque[Change] = field(default_factory=deque)
    forgotten: int = 0
    listeners: dict[int, Listener] = field(default_factory=dict)


class Store:
    """The objects of the cluster.

    :param window: how many past events per kind a watch can resume over; older versions get 410.
    :param first_version: where versions begin.
    """

    def __init__(self, window: int = DEFAULT_WINDOW, first_version: int | None = None) -> None:
        self.window = window
        self.version = time.time_ns() // 1_000_000 if first_version is None else first_version
        self._born = self.version
        self._shelves: dict[Kind, _Shelf] = defaultdict(_Shelf)
        self._next_listener = 0
        self._unheard: deque[tuple[_Shelf, Change]] = deque()
        self._telling = False

    def get(self, kind: Kind, namespace: str, name: str) -> Record | None:
        """Return the current version of an object."""
        return self._shelves[kind].objects[namespace].get(name)

    def all(self, kind: Kind, namespace: str = "") -> Iterator[Record]:
        """Iterate over a namespace's objects, or all when none is given, by namespace and name."""
        shelves = self._shelves[kind].objects
        for place in [namespace] if namespace else sorted(shelves):
            yield from (shelves[place][name] for name in sorted(shelves[place]))

    def as_of(self, kind: Kind, namespace: str, version: int) -> list[Record]:
        """Return what ``all`` returned at a version; raises ``ApiError`` 410 when that is no longer known."""
        found = {record.key: record for record in self.all(kind, namespace)}
        for change in reversed(self.since(kind, version)):
            if namespace and change.record.key[0] != namespace:
                continue
            found.pop(change.record.key, None)
            if change.previous is not None:
                found[change.record.key] = change.previous
        return [found[key] for key in sorted(found)]

    def put(self, kind: Kind, data: dict[str, Any]) -> Record:
        """Write a new version of an object and tell everyone."""
        self.version += 1
        data["metadata"]["resourceVersion"] = str(self.version)
        record = Record(data, self.version)
        namespace, name = record.key
        previous = self._shelves[kind].objects[namespace].get(name)
        self._shelves[kind].objects[namespace][name] = record
        self._publish(kind, Change("MODIFIED" if previous else "ADDED", record, previous))
        return record

    def remove(self, kind: Kind, record: Record) -> Record:
        """Drop an object; its last version carries the version of the deletion, as in Kubernetes."""
        self.version += 1
        metadata = {**record.data["metadata"], "resourceVersion": str(self.version)}
        last = Record({**record.data, "metadata": metadata}, self.version)
        namespace, name = record.key
        del self._shelves[kind].objects[namespace][name]
        self._publish(kind, Change("DELETED", last, record))
        return last

    def since(self, kind: Kind, version: int) -> list[Change]:
        """Return the events after ``version``; raises ``ApiError`` 410 when some are no longer kept."""
        shelf = self._shelves[kind]
        oldest = max(shelf.forgotten, self._born)
        if version < oldest:
            raise gone(version, oldest)
        changes: list[Change] = []
        for change in reversed(shelf.history):
            if change.record.version <= version:
                break
            changes.append(change)
        return changes[::-1]

    def listen(self, kind: Kind, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` for every write to ``kind`` from now on, until the returned function is."""
        self._next_listener += 1
        number = self._next_listener
        listeners = self._shelves[kind].listeners
        listeners[number] = listener

        def stop() -> None:
            listeners.pop(number, None)

        return stop

    def _publish(self, kind: Kind, change: Change) -> None:
        shelf = self._shelves[kind]
        shelf.history.append(change)
        while len(shelf.history) > self.window:
            shelf.forgotten = shelf.history.popleft().record.version
        self._unheard.append((shelf, change))
        if self._telling:
            return
        # A listener may write (the quota controller does). Its change is told after this one has been told
        # to everybody: whoever watches must see the versions in their order.
        self._telling = True
        try:
            while self._unheard:
                told_shelf, told = self._unheard.popleft()
                for listener in list(told_shelf.listeners.values()):
                    listener(told)
        finally:
            self._telling = False
