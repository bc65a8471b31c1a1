# SPDX-License-Identifier: Apache-2.0
"""The pods that wait for a node: whose turn it is, and who need not be tried before something changes.

A pod that fits nowhere is parked, and tried again when an event may help it, as upstream (kubernetes
``pkg/scheduler/backend/queue``). A job's executors are all alike: pods that ask for the same are parked
together, and an event is held against one of them only. Where that one finds a place the next one follows, so
a thousand waiting executors cost an event as much as one.

Pods that care for other pods (``Pending.alone``) have no such peers. They are tried again after a back-off,
which doubles from one second to ten; the others are not held up by it, as upstream since 1.33 while the queue
is empty.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_priority_spark.embedded.objects import Object, labels_of

FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1.0, 10.0
# ``podMaxInUnschedulablePodsDuration``: tried again although nothing happened.
FORGOTTEN_SECONDS = 300.0

_BACKING_OFF = "backing off"

Turn = tuple[int, str, int]
Entry = tuple[Turn, str]


@dataclass
class Pending:
    """A pod that waits.

    :param group: what it asks for; empty while it is not parked.
    :param alone: whether what helps another pod of its shape says nothing about it.
    :param parked_at: on the queue's clock.
    """

    pod: Object
    turn: Turn
    attempts: int = 0
    group: str = ""
    alone: bool = False
    parked_at: float = 0.0


class SchedulingQueue:
    """Active pods in their turn, parked ones by what they ask for, and those that back off.

    :param clock: seconds, for back-off only.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pending: dict[str, Pending] = {}
        self._active: list[Entry] = []
        self._backoff: list[tuple[float, int, str]] = []
        # Heaps; an entry whose pod is no longer of the group is passed over when it comes up.
        self._groups: dict[str, list[Entry]] = defaultdict(list)
        self._entries = itertools.count()

    def __contains__(self, uid: str) -> bool:
        return uid in self._pending

    def put(self, pod: Object) -> bool:
        """Take a pod in, or its new version; returns whether there is something to try."""
        uid = pod["metadata"]["uid"]
        known = self._pending.get(uid)
        if known is None:
            self._pending[uid] = Pending(pod, _turn(pod))
            self._activate(uid)
            return True
        changed = bool(known.group) and _asks(known.pod) != _asks(pod)
        known.pod = pod
        if changed:
            self._activate(uid)
        return changed

    def drop(self, uid: str) -> None:
        """Forget a pod: it has a node, or is gone."""
        self._pending.pop(uid, None)

    def pop(self) -> Object | None:
        """Return the pod whose turn it is, or ``None``; it stays known until it is parked or dropped."""
        self._end_backoffs()
        while self._active:
            _, uid = heapq.heappop(self._active)
            known = self._pending.get(uid)
            if known is not None and not known.group:
                return known.pod
        return None

    def park(self, pod: Object, group: str, *, alone: bool) -> None:
        """Set a pod aside that fits nowhere, with the others that ask for the same."""
        uid = pod["metadata"]["uid"]
        known = self._pending.get(uid)
        if known is not None:
            known.group, known.alone, known.parked_at = group, alone, self._clock()
            known.attempts += 1
            heapq.heappush(self._groups[group], (known.turn, uid))

    def retry(self, pod: Object) -> None:
        """Try a pod again after its back-off: something went wrong that is not its fault."""
        uid = pod["metadata"]["uid"]
        known = self._pending.get(uid)
        if known is not None:
            known.attempts, known.parked_at = known.attempts + 1, self._clock()
            self._back_off(uid, known)

    def heads(self) -> Iterator[tuple[str, Pending]]:
        """Return the first of every group of parked pods, with the group's name."""
        for group in list(self._groups):
            if uid := self._head(group):
                yield group, self._pending[uid]

    def wake(self, group: str) -> bool:
        """Let the first pod of a group be tried; returns whether there is one."""
        uid = self._head(group)
        if not uid:
            return False
        heapq.heappop(self._groups[group])
        known = self._pending[uid]
        if known.alone:
            self._back_off(uid, known)
        else:
            self._activate(uid)
        return True

    def wake_forgotten(self) -> None:
        """Let pods be tried that have been parked for long."""
        before = self._clock() - FORGOTTEN_SECONDS
        for group, head in self.heads():
            if head.parked_at <= before:
                self.wake(group)

    def seconds_to_next(self) -> float | None:
        """Return when the next back-off ends, in seconds from now; ``None`` when nobody backs off."""
        return max(self._backoff[0][0] - self._clock(), 0.0) if self._backoff else None

    def _head(self, group: str) -> str:
        """Return the first pod of a group; a group without any is forgotten."""
        heap = self._groups.get(group, [])
        while heap:
            uid = heap[0][1]
            if (known := self._pending.get(uid)) and known.group == group:
                return uid
            heapq.heappop(heap)
        self._groups.pop(group, None)
        return ""

    def _activate(self, uid: str) -> None:
        known = self._pending[uid]
        known.group = ""
        heapq.heappush(self._active, (known.turn, uid))

    def _back_off(self, uid: str, known: Pending) -> None:
        known.group = _BACKING_OFF
        pause = min(FIRST_BACKOFF_SECONDS * 2 ** (known.attempts - 1), LONGEST_BACKOFF_SECONDS)
        heapq.heappush(self._backoff, (known.parked_at + pause, next(self._entries), uid))

    def _end_backoffs(self) -> None:
        now = self._clock()
        while self._backoff and self._backoff[0][0] <= now:
            _, _, uid = heapq.heappop(self._backoff)
            if (known := self._pending.get(uid)) and known.group == _BACKING_OFF:
                self._activate(uid)


def _asks(pod: Object) -> tuple[object, object]:
    """Return the parts of a pod that decide where it fits and may be changed while it waits."""
    return pod["spec"], labels_of(pod)


def _turn(pod: Object) -> Turn:
    """Order of scheduling: higher pod priority first, then older (kube-scheduler's PrioritySort)."""
    metadata = pod["metadata"]
    return (
        -(pod["spec"].get("priority") or 0),
        metadata["creationTimestamp"],
        int(metadata["resourceVersion"]),
    )
