# SPDX-License-Identifier: Apache-2.0
"""Queues that a look leaves out because nothing has happened to them since they were last looked at.

``scheduling.resting`` tells which queues a decision on the others does not concern, and until when. Here is
kept what that followed from, so that the next look knows whether it still holds:

- *jobs and grants*: whatever changes them writes an event, so the queues of new events wake;
- *the namespace*: its quotas, limit ranges, pods and applications; parts of a picture that have not changed
  are the same objects, which makes comparing cheap;
- *everything else* (nodes, modes, rules, a new queue, an act of a person) wakes all.

As with ``standstill``, none of this is trusted for long: in slices, all queues are read and looked at again
within ``FULL_PASS_SECONDS``, so that a thousand of them make no cycle much longer.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.applications import Applications
from airflow_priority_spark.arbiter.reconcile import FULL_PASS_SECONDS
from airflow_priority_spark.arbiter.standstill import LONGEST_SECONDS
from airflow_priority_spark.scheduling.model import ClusterView, Decisions, QueueKey, Snapshot
from airflow_priority_spark.scheduling.resting import resting
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.changes import newest_event, queues_of_events
from airflow_priority_spark.store.leadership import Marks
from airflow_priority_spark.store.queue_table import (
    NO_QUEUES,
    QueueTable,
    number_of_queues,
    read_queues,
    with_states,
)

#: So many queues are looked at again together, so that ordinary sites are looked at as a whole.
SLICE: Final = 40

#: Cluster and namespace.
_Space = tuple[str, str]


class Rest:
    """Remembers which queues rest, and the table of queues."""

    def __init__(self) -> None:
        self._until: dict[QueueKey, float] = {}
        self._queues = NO_QUEUES
        self._views: Mapping[str, ClusterView] = {}
        self._applications: dict[_Space, list[Any]] = {}
        #: All that holds for every queue: who leads, how often people acted, what the site has set.
        self._site: tuple[int | None, int, Settings] | None = None
        self._begun: tuple[int | None, int, Settings] | None = None
        #: When the next slice of queues is due (POSIX seconds), and the id of the last queue of the last one.
        self._slice_at, self._after = math.inf, 0
        #: The newest event there was when the rows of the last look were read.
        self._event = 0

    @property
    def next_instant(self) -> float:
        """When a queue has to be looked at next: by the clock of a head, or as part of a slice."""
        return min((self._slice_at, *self._until.values()))

    def begin(self, session: Session, site: Settings, marks: Marks, now: float, *, due: bool) -> QueueTable:
        """Begin a look; return all queues.

        Until ``remember`` nothing is known any more, so that a look that fails is followed by a whole one.

        :param due: this look compares with Airflow and the clusters as well; a slice goes with it.
        """
        known, self._site, self._begun = self._site, None, (marks.epoch, marks.revision, site)
        same = known == self._begun and number_of_queues(session) == len(self._queues.ids)
        if same and (due or now >= self._slice_at):
            same = self._next_slice(session, site, now)
        if not same:
            self._until, self._event = {}, newest_event(session)
            self._queues = read_queues(session, site)
            self._slice_at = now + self._pause()
        return self._queues

    def _next_slice(self, session: Session, site: Settings, now: float) -> bool:
        """Wake a slice of the queues; return whether their rows are as they were known."""
        ids = sorted(self._queues.keys)
        start = bisect_right(ids, self._after)
        turn = [*ids[start:], *ids[:start]][:SLICE]
        for queue_id in turn:
            self._after = queue_id
            self._until.pop(self._queues.keys[queue_id], None)
        self._slice_at = now + self._pause()
        return self._queues.has(read_queues(session, site, turn))

    def _pause(self) -> float:
        """Return the seconds from one slice to the next."""
        return min(LONGEST_SECONDS, FULL_PASS_SECONDS * SLICE / max(1, len(self._queues.ids)))

    def still_resting(
        self, session: Session, views: Mapping[str, ClusterView], applications: Applications, now: float
    ) -> frozenset[QueueKey]:
        """Return the queues that still rest; call it before their jobs are read, in the same session."""
        self._event, touched = queues_of_events(session, self._event)
        if not self._until:
            return frozenset()
        if {*views} != {*self._views} or any(
            _common(view) != _common(self._views[cluster_id]) for cluster_id, view in views.items()
        ):
            self._until = {}
            return frozenset()
        active = {self._queues.keys[queue_id] for queue_id in touched if queue_id in self._queues.keys}
        changed = {*self._changed(views, applications)}
        self._until = {
            key: until
            for key, until in self._until.items()
            if now < until and key not in active and key not in changed
        }
        return frozenset(self._until)

    def _changed(self, views: Mapping[str, ClusterView], applications: Applications) -> Iterator[_Space]:
        """Return the namespaces in which something differs from the last look."""
        for cluster_id, view in views.items():
            before = self._views[cluster_id]
            differing = (
                _namespaces_that_differ(before.quotas, view.quotas),
                _namespaces_that_differ(before.limit_ranges, view.limit_ranges),
                _namespaces_that_differ(before.pods, view.pods),
            )
            for namespace in set().union(*differing):
                yield cluster_id, namespace
        found = _by_namespace(applications)
        for space in self._applications.keys() | found.keys():
            if self._applications.get(space) != found.get(space):
                yield space

    def remember(
        self,
        views: Mapping[str, ClusterView],
        applications: Applications,
        snapshot: Snapshot,
        decisions: Decisions,
        now: float,
    ) -> None:
        """Note what a look has found, once it is a fact."""
        self._site = self._begun
        self._until |= resting(snapshot, decisions, now)
        self._views, self._applications = views, _by_namespace(applications)
        self._queues = with_states(self._queues, decisions.pools)


class _Namespaced(Protocol):
    @property
    def namespace(self) -> str: ...


def _namespaces_that_differ(mine: Iterable[_Namespaced], theirs: Iterable[_Namespaced]) -> set[str]:
    """Return the namespaces of parts that are not the same in both; same objects are not compared."""
    if mine is theirs:
        return set()
    here, there = set(map(id, mine)), set(map(id, theirs))
    old, new = _only(mine, there), _only(theirs, here)
    return {namespace for namespace in old.keys() | new.keys() if old.get(namespace) != new.get(namespace)}


def _only(parts: Iterable[_Namespaced], but: Container[int]) -> dict[str, list[_Namespaced]]:
    """Return the parts of each namespace, without those with some identities."""
    found: dict[str, list[_Namespaced]] = defaultdict(list)
    for part in parts:
        if id(part) not in but:
            found[part.namespace].append(part)
    return found


def _common(view: ClusterView) -> ClusterView:
    """Return a picture without what is of one namespace, and without what is only for people."""
    return replace(
        view, pods=(), quotas=(), limit_ranges=(), stale_reason="", troubled_since=None, trouble=""
    )


def _by_namespace(applications: Applications) -> dict[_Space, list[Any]]:
    found: dict[_Space, list[Any]] = defaultdict(list)
    for cluster_id, application in applications.all:
        found[cluster_id, application.namespace].append(application)
    return found
