# SPDX-License-Identifier: Apache-2.0
"""One look at the tables for all who follow along in an API process, however many they are.

A thread, not a task of an event loop: looking waits for the database, and must not keep others waiting. It
runs while somebody listens. Whoever is too slow to take what happens is told to read everything anew.

Before sessions are closed from outside, as Airflow does when a process ends, the thread has to be over: a
SQLite connection that is closed while another thread reads from it takes the whole process down.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy.orm import Session

from airflow_priority_spark.store import changes
from airflow_priority_spark.store.session import SessionFactory

log = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 1.0
#: Changes that are kept for a listener who does not take them.
_BACKLOG: Final = 1000
MOST_LISTENERS: Final = 500


@dataclass(frozen=True, slots=True)
class Change:
    """What listeners are told.

    :param kind: what has changed; ``all``: more than can be told.
    :param id: of the job or queue; ``None``: any of them, or of the arbiter.
    :param dag_id: whose job it is; only who may read it is told.
    :param event_id: where a listener that comes back goes on.
    """

    kind: Literal["job", "queue", "arbiter", "all"]
    id: str | int | None
    at: datetime.datetime
    event_id: int
    dag_id: str | None = None


class Listener:
    """Takes changes from the thread into the event loop of one who listens."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changes: asyncio.Queue[Change] = asyncio.Queue(_BACKLOG)

    def push(self, found: Sequence[Change]) -> None:
        """Hand over changes; called in the thread of the feed."""
        with contextlib.suppress(RuntimeError):  # its loop has ended with its server
            self._loop.call_soon_threadsafe(self._put, found)

    def _put(self, found: Sequence[Change]) -> None:
        for change in found:
            if self._changes.full():
                while not self._changes.empty():
                    self._changes.get_nowait()
                self._changes.put_nowait(Change("all", None, change.at, change.event_id))
                return
            self._changes.put_nowait(change)

    async def next(self, seconds: float) -> Change | None:
        """Return the next change, ``None`` when there is none for so long."""
        try:
            return await asyncio.wait_for(self._changes.get(), seconds)
        except TimeoutError:
            return None


class Feed:
    """Looks while somebody listens.

    :param sessions: opens a session.
    :param clock: tells the time.
    """

    def __init__(
        self,
        sessions: SessionFactory,
        clock: Callable[[], datetime.datetime],
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self._sessions, self._clock, self._interval = sessions, clock, interval
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._thread: threading.Thread | None = None
        #: Threads that were told to stop and may still be looking.
        self._ending: list[threading.Thread] = []
        self._stop = threading.Event()

    @property
    def full(self) -> bool:
        """Tell whether nobody else can listen in this process."""
        return len(self._listeners) >= MOST_LISTENERS

    @contextlib.contextmanager
    def listening(self) -> Iterator[Listener]:
        """Give a listener that is told everything from now on."""
        listener = Listener()
        with self._lock:
            self._listeners.add(listener)
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._watch, args=(self._stop,), name="priority-spark-feed", daemon=True
                )
                self._thread.start()
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)
                if not self._listeners:
                    self._end()

    def close(self, seconds: float = 5.0) -> None:
        """Stop looking, and wait for it to be over.

        :param seconds: longest wait.
        """
        with self._lock:
            self._end()
            ending = tuple(self._ending)
        end = time.monotonic() + seconds
        for thread in ending:
            thread.join(max(0.0, end - time.monotonic()))

    def _end(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._ending = [*(each for each in self._ending if each.is_alive()), self._thread]
            self._thread = None

    def _watch(self, stop: threading.Event) -> None:
        look: _Look | None = None
        while not stop.is_set():
            try:
                with self._sessions() as session:
                    found, look = _look(session, look, self._clock())
            except Exception:
                # The database may be away for a while; what happened meanwhile is seen afterwards.
                log.warning("could not look for changes", exc_info=True)
                found = []
            if found:
                with self._lock:
                    listeners = tuple(self._listeners)
                for listener in listeners:
                    listener.push(found)
            stop.wait(self._interval)


@dataclass(frozen=True, slots=True)
class _Look:
    mark: changes.Mark
    queues: changes.QueueLooks


def _look(session: Session, before: _Look | None, now: datetime.datetime) -> tuple[list[Change], _Look]:
    """Return what has changed since the last look; nothing at the first."""
    mark = changes.mark(session, now)
    if before is None:
        return [], _Look(mark, changes.queue_looks(session))
    if mark == before.mark:
        return [], before
    queues = changes.queue_looks(session)
    events = changes.events_since(session, before.mark.event_id, mark.event_id)
    found = told(events, mark.event_id, now)
    touched = dict.fromkeys(event.queue_id for event in events)
    touched |= dict.fromkeys(changes.differing(before.queues, queues))
    found += [Change("queue", queue_id, now, mark.event_id) for queue_id in touched]
    if mark.arbiter != before.mark.arbiter:
        found.append(Change("arbiter", None, now, mark.event_id))
    return found, _Look(mark, queues)


def told(events: Sequence[changes.JobEvent], until: int, now: datetime.datetime) -> list[Change]:
    """Return what listeners are told about events of jobs: of each job once, of too many only that."""
    if len(events) > changes.MOST:
        return [Change("all", None, now, until)]
    last = {event.job_id: event for event in events}
    return [Change("job", event.job_id, event.at, event.event_id, event.dag_id) for event in last.values()]
