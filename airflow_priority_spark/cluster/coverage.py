# SPDX-License-Identifier: Apache-2.0
"""One kind, seen as widely as the cluster lets us: everywhere at once, else namespace by namespace.

Many sites give an Airflow installation a Role per namespace and no ClusterRole. The cluster-wide
watch is then refused; the namespaces of the queues are watched one by one instead. The refused
watch goes on asking with long pauses, so that a permission granted later is noticed, and the
namespaced watches end when it succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from airflow_priority_spark.cluster.health import WatchState
from airflow_priority_spark.cluster.reflector import Key, Reflector
from airflow_priority_spark.errors import PermissionMissing

View = TypeVar("View")


class Complaint(NamedTuple):
    """A watch that makes the picture stale.

    :param seconds: out of step for so long; ``None`` when it has never been in step.
    :param error: why, empty while the first list is under way.
    """

    watch: str
    seconds: float | None
    error: str


class Trouble(NamedTuple):
    """A watch that is out of step, or that only ever begins again.

    :param since: POSIX seconds.
    """

    watch: str
    since: float
    why: str


class Coverage(Generic[View]):
    """The reflectors of one kind; used by one thread.

    :param make: namespace (``None``: all) → a reflector that is not started yet.
    :param fallback: watch namespace by namespace when the cluster-wide watch is refused.
    """

    def __init__(self, make: Callable[[str | None], Reflector[View]], *, fallback: bool) -> None:
        self._make, self._fallback = make, fallback
        self._wide = make(None)
        self._narrow: dict[str, Reflector[View]] = {}
        self._versions: object = None
        self._views: Mapping[Key, View] = {}
        self._refused = False

    def __str__(self) -> str:
        return self._wide.kind.resource

    def start(self) -> None:
        """Begin to watch, cluster-wide at first."""
        self._wide.start()

    @property
    def refused(self) -> bool:
        """The cluster-wide watch may not be had; true until it works, whatever else fails meanwhile."""
        state = self._wide.state
        if isinstance(state.error, PermissionMissing):
            self._refused = True
        elif state.synced and state.lost_since is None:
            self._refused = False
        return self._refused

    @property
    def namespaced(self) -> bool:
        """Only some namespaces are seen."""
        return bool(self._narrow)

    def follow(self, namespaces: Iterable[str]) -> None:
        """Watch these namespaces one by one if the cluster-wide watch is refused; else stop doing so."""
        wanted = set(namespaces) if self._fallback and self.refused else set()
        for namespace in wanted - self._narrow.keys():
            self._narrow[namespace] = self._make(namespace)
            self._narrow[namespace].start()
        for namespace in self._narrow.keys() - wanted:
            self._narrow.pop(namespace).ask_to_stop()

    def reflectors(self) -> list[Reflector[View]]:
        """Return the reflectors that make up the picture: the cluster-wide one or the namespaced ones."""
        return list(self._narrow.values()) or [self._wide]

    def complaints(self, now: float, patience: float) -> list[Complaint]:
        """Say what is missing: not read yet, or out of step for longer than ``patience`` seconds."""
        said = (_complaint(str(item), item.state, now, patience) for item in self.reflectors())
        return [complaint for complaint in said if complaint]

    def troubles(self) -> list[Trouble]:
        """Say which watches are out of step; one that may not be had at all is no trouble."""
        states = [
            (str(item), item.state) for item in self.reflectors() if not (self.refused and item is self._wide)
        ]
        return [
            *(
                Trouble(name, state.lost_since, str(state.error))
                for name, state in states
                if state.lost_since is not None
            ),
            *(
                Trouble(name, state.unsteady_since, f"begins again and again with a list: {state.unsteady}")
                for name, state in states
                if state.unsteady_since is not None and state.lost_since is None
            ),
        ]

    def version(self) -> object:
        """Return a value that differs whenever the views may differ."""
        return tuple((id(item), item.version) for item in self.reflectors())

    def views(self) -> Mapping[Key, View]:
        """Return all views by (namespace, name), sorted; the same object while nothing has changed."""
        version = self.version()
        if version != self._versions:
            merged: dict[Key, View] = {}
            for item in self.reflectors():
                merged.update(item.views())
            self._views = {key: merged[key] for key in sorted(merged)}
            self._versions = version
        return self._views

    def states(self) -> dict[str, WatchState]:
        """Return every reflector's state by its name, the refused cluster-wide one included."""
        return {str(item): item.state for item in [self._wide, *self._narrow.values()]}

    def ask_to_stop(self) -> list[Reflector[View]]:
        """Ask all reflectors to end and return them."""
        every = [self._wide, *self._narrow.values()]
        for item in every:
            item.ask_to_stop()
        return every


def _complaint(name: str, state: WatchState, now: float, patience: float) -> Complaint | None:
    error = str(state.error or "")
    if not state.synced:
        return Complaint(name, None, error)
    if state.lost_since is None or now - state.lost_since <= patience:
        return None
    return Complaint(name, now - state.lost_since, error)


def describe_troubles(troubles: Iterable[Trouble]) -> str:
    """Say all troubles, one clause for those that share a reason; empty when there are none."""
    by_reason: dict[str, list[str]] = {}
    for trouble in troubles:
        by_reason.setdefault(trouble.why, []).append(trouble.watch)
    return "; ".join(f"{', '.join(watches)}: {why.rstrip('.')}" for why, watches in by_reason.items())


def describe_complaints(complaints: Iterable[Complaint]) -> str:
    """Say all complaints, one clause for those that share a reason; empty when there are none."""
    by_error: dict[str, list[Complaint]] = {}
    for complaint in complaints:
        by_error.setdefault(complaint.error, []).append(complaint)
    clauses = []
    for error, group in by_error.items():
        watches = ", ".join(complaint.watch for complaint in group)
        ages = [complaint.seconds for complaint in group if complaint.seconds is not None]
        state = f"out of step for {max(ages):.0f} s" if ages else "not read yet"
        clauses.append(f"{watches}: {state}" + (f": {error.rstrip('.')}" if error else ""))
    return "; ".join(clauses)
