# SPDX-License-Identifier: Apache-2.0
"""A local copy of all objects of one kind, kept in step by one thread: list, then watch.

The rules follow client-go's reflector (``k8s.io/client-go tools/cache/reflector.go``), which has
met the failures that matter:

- The API server keeps a few minutes of history. Asked for older events it answers 410 (as a status
  or as an event), and the only way on is a new list. A broken connection goes on where it stopped.
- A connection may die without a word. Bookmarks come about once a minute even when nothing happens,
  so a longer silence means that nobody may be there any more: list again.
- A watch that ends at once, again and again, would turn into a busy loop: the pauses grow.
- A list is repeated now and then even when all is well, in case an event was lost on the way.

A reflector never gives up: what stops it (a missing permission, a missing CRD, a dead server) is
held as its state's ``error``, tried again with growing pauses, and forgotten once it works.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from urllib3.exceptions import HTTPError, ReadTimeoutError

from airflow_priority_spark.cluster.health import Health, WatchState
from airflow_priority_spark.cluster.kinds import Kind
from airflow_priority_spark.cluster.transport import Refused, explain, open_response, request_json, silence
from airflow_priority_spark.errors import ClusterUnavailable, PrioritySparkError

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

    from airflow_priority_spark.cluster.connections import ClusterConnection

log = logging.getLogger(__name__)

View = TypeVar("View")
Key = tuple[str, str]

_GONE: Final = 410
_NO_HISTORY: Final = "the server does not keep the events since then any more (410)"
#: A watch without any event that lives shorter than this is not a watch (client-go's "very short watch").
_VERY_SHORT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How patient a reflector is; all in seconds but the page size.

    :param watch: asked of the server as the longest life of one watch; each is shortened by up to a fifth
        at random, so that many watches do not end together.
    :param idle: silence after which a watch counts as dead; bookmarks come about every 60.
    :param resync: age of the last list after which the next one is due.
    :param retry_first: pause after the first failure, doubled with each further one up to ``retry_most``.
    :param page: objects per list request.
    """

    watch: float = 300.0
    idle: float = 120.0
    resync: float = 1800.0
    retry_first: float = 0.5
    retry_most: float = 30.0
    page: int = 500


DEFAULT_RHYTHM: Final = Rhythm()


class _ListAgain(Exception):
    """The watch cannot go on from where it is, which is no fault as long as a list answers.

    :param suspicious: it may happen again at once; the second one in a row waits.
    """

    def __init__(self, why: str, *, suspicious: bool) -> None:
        super().__init__(why)
        self.suspicious = suspicious


class Reflector(Generic[View]):
    """Keeps the objects of one kind, in one namespace or all, as converted views.

    :param convert: raw object → view; ``None`` leaves the object out.
    :param changed: called from the reflector's thread after the views or the state have changed.
    :param namespace: ``None`` for all namespaces.
    :param labels: label selector; only matching objects are listed and watched.
    :param clock: POSIX seconds.
    """

    def __init__(  # noqa: PLR0913 - what is watched, whom to tell, and what a test decides
        self,
        connection: ClusterConnection,
        kind: Kind,
        convert: Callable[[Mapping[str, Any]], View | None],
        changed: Callable[[], None],
        *,
        namespace: str | None = None,
        labels: str = "",
        rhythm: Rhythm = DEFAULT_RHYTHM,
        random: Random | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.kind, self.namespace = kind, namespace
        self._selection = {"labelSelector": labels} if labels else {}
        self._connection, self._convert, self._changed = connection, convert, changed
        self._rhythm, self._random, self._clock = rhythm, random or Random(), clock
        self._name = f"{kind.resource} in {namespace}" if namespace else kind.resource
        self._health = Health(
            self._name, str(connection), rhythm.retry_first, rhythm.retry_most, self._random, clock
        )
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._response: BaseHTTPResponse | None = None
        self._views: dict[Key, View] = {}
        self._version = 0
        self._cursor: str | None = None
        self._verb = "list"
        self._listed_at = 0.0
        self._page: int | None = rhythm.page
        self._thread = threading.Thread(target=self._run, name=f"watch {self._name}", daemon=True)

    def __str__(self) -> str:
        return self._name

    @property
    def state(self) -> WatchState:
        """The state now."""
        return self._health.state

    @property
    def version(self) -> int:
        """A number that grows with every change of the views."""
        return self._version

    def views(self) -> dict[Key, View]:
        """Return a copy of the views by (namespace, name)."""
        with self._lock:
            return dict(self._views)

    def start(self) -> None:
        """Begin to list and watch."""
        self._thread.start()

    def stop(self, wait_seconds: float = 0.5) -> None:
        """End the thread and wait that long for it.

        An open watch is interrupted. A request that still waits for its first byte is left to its own time
        limit; the thread is a daemon and calls nobody any more.
        """
        self.ask_to_stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(wait_seconds)

    def ask_to_stop(self) -> None:
        """End the thread without waiting for it."""
        self._stopped.set()
        with self._lock:
            _interrupt(self._response)

    def _run(self) -> None:
        while not self._stopped.is_set():
            pause = self._attempt()
            self._stopped.wait(pause)

    def _attempt(self) -> float:
        """List if needed and watch until the watch ends; return the pause before the next attempt."""
        try:
            if self._cursor is None or self._clock() - self._listed_at >= self._rhythm.resync:
                self._list()
            self._watch()
        except _ListAgain as reason:
            self._cursor = None
            return self._health.restarted(str(reason), suspicious=reason.suspicious)
        except Refused as refused:
            error = explain(self._connection, refused, self._verb, self.kind, self.namespace)
            return self._lose(error, refused.retry_after)
        except PrioritySparkError as error:
            return self._lose(error)
        except Exception as error:
            # An object that is not what the API promises: no picture is better than a wrong one.
            log.debug("watch of %s failed", self, exc_info=True)
            self._cursor = None
            problem = f"cannot read {self} of {self._connection}: {type(error).__name__}: {error}"
            return self._lose(ClusterUnavailable(problem))
        return 0.0

    def _lose(self, error: PrioritySparkError, retry_after: float | None = None) -> float:
        if self._stopped.is_set():
            return 0.0
        if self.state.error is not None:
            # After one failure the watch may go on where it stopped; after more, the picture is old.
            self._cursor = None
        pause, news = self._health.lose(error, retry_after)
        if news:
            self._notify()
        return pause

    def _notify(self) -> None:
        try:
            self._changed()
        except Exception:
            # The watch must outlive whoever listens to it.
            log.exception("whoever listens to the watch of %s failed", self)

    def _list(self) -> None:
        """Replace the views by what is there now; the list's version is where the watch begins."""
        self._verb = "list"
        began = self._clock()
        views: dict[Key, View] = {}
        query = {**self._selection, **({"limit": str(self._page)} if self._page else {})}
        while True:
            page = self._request_page(query)
            for raw in page.get("items") or ():
                view = self._convert(raw)
                if view is not None:
                    views[_key(raw)] = view
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                break
            query["continue"] = metadata["continue"]
        self._page = self._rhythm.page
        self._listed_at = self._clock()
        self._cursor = str(metadata.get("resourceVersion") or "")
        with self._lock:
            differs = views != self._views or not self.state.synced
            self._views = views
            self._version += differs
        self._health.listed()
        self._health.took(self._listed_at - began)
        if self._health.regain() or differs:
            self._notify()

    def _request_page(self, query: Mapping[str, str]) -> dict[str, Any]:
        try:
            return request_json(self._connection, "GET", self.kind.path(self.namespace), query=query)
        except Refused as refused:
            if refused.code == _GONE:
                # Reading page by page took longer than the history lasts: next time, all in one piece.
                self._page = None
                raise _ListAgain(_NO_HISTORY, suspicious=True) from refused
            raise

    def _watch(self) -> None:
        """Follow changes until the server ends the watch."""
        self._verb = "watch"
        began, seen = self._clock(), self.state.events
        for event in self._events(self._open()):
            self._apply(event)
        if self._stopped.is_set():
            return
        if self.state.events == seen and self._clock() - began < _VERY_SHORT_SECONDS:
            raise _ListAgain("the watch ended at once, without an event", suspicious=True)
        self._health.ended_well()

    def _open(self) -> BaseHTTPResponse:
        lifetime = self._rhythm.watch * (1 - 0.2 * self._random.random())
        query = {
            **self._selection,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._cursor or "",
            "timeoutSeconds": str(max(1, round(lifetime))),
        }
        path = self.kind.path(self.namespace)
        try:
            response = open_response(
                self._connection, "GET", path, query=query, read_seconds=self._rhythm.idle
            )
        except Refused as refused:
            if refused.code == _GONE:
                raise _ListAgain(_NO_HISTORY, suspicious=True) from refused
            raise
        if self._health.regain():
            self._notify()
        return response

    def _events(self, response: BaseHTTPResponse) -> Iterator[dict[str, Any]]:
        """Yield the events of an open watch: one JSON object per line."""
        with self._lock:
            self._response = response
        rest = b""
        try:
            if self._stopped.is_set():
                return
            for piece in response.stream(65536):
                *lines, rest = (rest + piece).split(b"\n")
                for line in filter(None, lines):
                    yield json.loads(line)
        except ReadTimeoutError as error:
            why = f"nothing came for {self._rhythm.idle:g} s, not even a bookmark"
            raise _ListAgain(why, suspicious=False) from error
        except (HTTPError, OSError) as error:
            raise silence(self._connection, error) from error
        finally:
            with self._lock:
                self._response = None
            response.close()

    def _apply(self, event: Mapping[str, Any]) -> None:
        """Take one event into the views; the next watch goes on from its version."""
        what, raw = event["type"], event["object"]
        if what == "ERROR":
            if raw.get("code") == _GONE:
                raise _ListAgain(_NO_HISTORY, suspicious=True)
            raise Refused(int(raw.get("code") or 500), str(raw.get("message") or "the watch failed"))
        changed = what != "BOOKMARK" and self._take(
            _key(raw), None if what == "DELETED" else self._convert(raw)
        )
        self._cursor = str((raw.get("metadata") or {}).get("resourceVersion") or self._cursor)
        self._health.event()
        if changed:
            self._notify()

    def _take(self, key: Key, view: View | None) -> bool:
        """Store or forget a view; return whether that changed anything."""
        with self._lock:
            if self._views.get(key) == view:
                return False
            if view is None:
                del self._views[key]
            else:
                self._views[key] = view
            self._version += 1
        return True


def _key(raw: Mapping[str, Any]) -> Key:
    metadata = raw["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def _interrupt(response: BaseHTTPResponse | None) -> None:
    """Make a blocked read of another thread return; closing alone would wait for that thread."""
    if response is None:
        return
    try:
        response.shutdown()
    except (ValueError, RuntimeError, OSError):
        log.debug("a watch had already ended when it was stopped")
