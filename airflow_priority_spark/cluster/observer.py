# SPDX-License-Identifier: Apache-2.0
"""All watches of one cluster, and the picture of it that a decision is made from.

One list and one watch per kind serve any number of jobs. The picture is put together from parts
that are kept between cycles: a part is rebuilt only when its kind has changed, so a cycle on a
quiet cluster of 20,000 pods costs nothing.

A picture is *fresh* when every kind it needs has been read completely and none has been out of
step for longer than a limit. Nothing is admitted on a picture that is not fresh, and
``stale_reason`` says what is missing and how to mend it.

What the permissions allow bounds what can be judged: without all pods and nodes of the cluster
nobody can say what is free on a node, so the capacity mode is then ``quota``, and ``notes`` says so.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_priority_spark.cluster import convert
from airflow_priority_spark.cluster.applications import ApplicationView, application
from airflow_priority_spark.cluster.autoscaling import NodesKind, nodes_kind
from airflow_priority_spark.cluster.coverage import (
    Complaint,
    Coverage,
    describe_complaints,
    describe_troubles,
)
from airflow_priority_spark.cluster.health import WatchState
from airflow_priority_spark.cluster.job_pods import WatchedPod, watched_pod
from airflow_priority_spark.cluster.kinds import (
    LIMIT_RANGES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    RESOURCE_QUOTAS,
    SPARK_APPLICATIONS,
    Kind,
)
from airflow_priority_spark.cluster.modes import Mode, parse_mode
from airflow_priority_spark.cluster.reflector import DEFAULT_RHYTHM, Reflector, Rhythm
from airflow_priority_spark.scheduling.model import ClusterView, PodView
from airflow_priority_spark.scheduling.resources import Resources

if TYPE_CHECKING:
    from airflow_priority_spark.cluster.connections import ClusterConnection

View = TypeVar("View")

#: ``[priority_spark] stale_after_seconds`` where nobody says otherwise.
DEFAULT_STALE_AFTER_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 0.8


class ClusterObserver:
    """Watches one cluster. ``view`` and ``applications`` are for one thread; the watches run in their own.

    :param cluster_id: from ``connections.identify``.
    :param changed: called from a watch's thread whenever something has changed; must be quick.
    :param stale_after_seconds: a watch may be out of step for so long before the picture is stale.
    :param random: jitter of the watches.
    :param clock: POSIX seconds; ``view``'s ``now`` is of the same clock.
    """

    def __init__(
        self,
        connection: ClusterConnection,
        cluster_id: str,
        *,
        changed: Callable[[], None] | None = None,
        stale_after_seconds: float = DEFAULT_STALE_AFTER_SECONDS,
        rhythm: Rhythm = DEFAULT_RHYTHM,
        random: Random | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.connection, self.cluster_id = connection, cluster_id
        self._stale_after, self._rhythm = stale_after_seconds, rhythm
        self._random, self._clock = random or Random(), clock
        self._on_change = changed
        self._dirty = threading.Event()
        self._nodes = self._cover(NODES, convert.node, fallback=False)
        self._pods = self._cover(PODS, watched_pod)
        self._quotas = self._cover(RESOURCE_QUOTAS, convert.quota)
        self._limit_ranges = self._cover(LIMIT_RANGES, convert.limit_range)
        self._namespaces = self._cover(NAMESPACES, convert.namespace, fallback=False)
        self._classes = self._cover(PRIORITY_CLASSES, convert.default_priority_class, fallback=False)
        self._applications = self._cover(SPARK_APPLICATIONS, application)
        self._parts: dict[str, tuple[object, Any]] = {}
        # The instants between which no grace period ends: the pods look the same in all of it.
        self._pods_valid = (-math.inf, math.inf)

    def _cover(
        self, kind: Kind, converter: Callable[[Mapping[str, Any]], View | None], *, fallback: bool = True
    ) -> Coverage[View]:
        def make(namespace: str | None) -> Reflector[View]:
            return Reflector(
                self.connection,
                kind,
                converter,
                self._changed,
                namespace=namespace,
                rhythm=self._rhythm,
                random=Random(self._random.random()),
                clock=self._clock,
            )

        return Coverage(make, fallback=fallback)

    def _changed(self) -> None:
        self._dirty.set()
        if self._on_change is not None:
            self._on_change()

    def start(self) -> None:
        """Begin to watch; ``view`` is stale until everything has been read once."""
        for coverage in self._coverages():
            coverage.start()

    def follow(self, namespaces: Iterable[str]) -> None:
        """Name the queues' namespaces: they are watched one by one for kinds refused cluster-wide.

        To be called before each ``view``; costs nothing while the cluster-wide watches work.
        """
        wanted = set(namespaces)
        for coverage in self._coverages():
            coverage.follow(wanted)

    def view(
        self,
        now: float,
        *,
        mode: str = "auto",
        fixed_nodes: bool | None = None,
        node_maxima: Resources | None = None,
    ) -> ClusterView:
        """Take the picture.

        :param now: POSIX seconds.
        :param mode: one of ``modes.MODES``; ``auto`` is ``quota+nodes`` on fixed nodes and ``quota`` on
            elastic ones.
        :param fixed_nodes: ``None`` looks for an autoscaler.
        :param node_maxima: how far elastic nodes may grow, per resource.
        """
        wanted = parse_mode(mode)
        fixed = self.nodes_kind(fixed_nodes).fixed
        effective = self._mode(wanted.base, fixed)
        complaints = self._complaints(now, effective)
        troubles = [trouble for part in self._coverages() for trouble in part.troubles()]
        return ClusterView(
            cluster_id=self.cluster_id,
            nodes=self._part("nodes", self._nodes, lambda records: tuple(item.view for item in records)),
            pods=self._pod_views(now),
            quotas=self._part("quotas", self._quotas, tuple),
            limit_ranges=self._part("limit_ranges", self._limit_ranges, tuple),
            namespaces=self._part("namespaces", self._namespaces, _names)
            if self._knows_namespaces()
            else None,
            mode=effective,
            fixed_nodes=fixed,
            node_maxima=node_maxima,
            namespace_labels=self._part("namespace labels", self._namespaces, _labels),
            default_priority_class=self._part("default class", self._classes, _smallest_class),
            dry_run=wanted.dry_run,
            placeholders=wanted.placeholders,
            fresh=not complaints,
            stale_reason=describe_complaints(complaints),
            troubled_since=min((trouble.since for trouble in troubles), default=None),
            trouble=describe_troubles(troubles),
        )

    def applications(self, instance_id: str | None = None) -> Sequence[ApplicationView]:
        """Return what jobs have made: SparkApplications, then pods of their own, by namespace and name.

        :param instance_id: only those of this Airflow installation; ``None`` for all, foreign ones included.
        """
        views: tuple[ApplicationView, ...] = (
            *self._part("applications", self._applications, tuple),
            *self._part(
                "job_pods",
                self._pods,
                lambda pods: tuple(item.application for item in pods if item.application),
            ),
        )
        return views if instance_id is None else [item for item in views if item.instance_id == instance_id]

    def nodes_kind(self, fixed_nodes: bool | None = None) -> NodesKind:
        """Tell whether the nodes are fixed or elastic, and why.

        :param fixed_nodes: what the site says; ``None`` asks for detection.
        """
        hints = self._part(
            "hints", self._nodes, lambda records: tuple((item.view.name, item.autoscaler) for item in records)
        )
        return nodes_kind(fixed_nodes, hints)

    def notes(self) -> list[str]:
        """Say what is seen less widely than it could be, for people."""
        said = []
        missing = [str(part) for part in (self._pods, self._nodes) if part.refused]
        if missing:
            kinds = " and ".join(missing)
            said.append(f"capacity is judged by quota only: {kinds} may not be listed in {self.connection}")
        narrow = [part for part in self._coverages() if part.namespaced]
        return said + [f"{part}: watched namespace by namespace" for part in narrow]

    def counters(self) -> dict[str, WatchState]:
        """Return the state of every watch by its name, e.g. ``pods`` or ``pods in team-a``."""
        return {name: state for part in self._coverages() for name, state in part.states().items()}

    def wait_for_change(self, timeout_seconds: float) -> bool:
        """Wait until something has changed since the last call; return whether it has."""
        changed = self._dirty.wait(timeout_seconds)
        self._dirty.clear()
        return changed

    def stop(self) -> None:
        """End all watches, within a second."""
        ending = [item for part in self._coverages() for item in part.ask_to_stop()]
        deadline = time.monotonic() + _STOP_SECONDS
        for item in ending:
            item.stop(max(0.0, deadline - time.monotonic()))

    def _coverages(self) -> tuple[Coverage[Any], ...]:
        return (
            self._nodes,
            self._pods,
            self._quotas,
            self._limit_ranges,
            self._namespaces,
            self._classes,
            self._applications,
        )

    def _mode(self, mode: str, fixed: bool) -> Mode:
        if self._pods.refused or self._nodes.refused:
            return "quota"
        if mode == "auto":
            return "quota+nodes" if fixed else "quota"
        return "quota" if mode == "quota" else "quota+nodes"

    def _knows_namespaces(self) -> bool:
        return self._namespaces.reflectors()[0].state.synced

    def _complaints(self, now: float, mode: Mode) -> list[Complaint]:
        needed: list[Coverage[Any]] = [self._pods, self._quotas, self._limit_ranges, self._applications]
        if mode == "quota+nodes":
            needed.append(self._nodes)
        needed += [part for part in (self._namespaces, self._classes) if not part.refused]
        return [said for part in needed for said in part.complaints(now, self._stale_after)]

    def _part(self, name: str, coverage: Coverage[Any], build: Callable[[Collection[Any]], Any]) -> Any:
        """Return a part of the picture, built again only when its kind has changed."""
        version = coverage.version()
        kept = self._parts.get(name)
        if kept is None or kept[0] != version:
            kept = (version, build(coverage.views().values()))
            self._parts[name] = kept
        return kept[1]

    def _pod_views(self, now: float) -> tuple[PodView, ...]:
        """Return the pods as they count at ``now``; an elapsed grace period changes them without an event."""
        if not self._pods_valid[0] < now <= self._pods_valid[1]:
            self._parts.pop("pods", None)

        def build(pods: Collection[WatchedPod]) -> tuple[PodView, ...]:
            records = [item.record for item in pods]
            ends = [item.quota_deadline for item in records if item.quota_deadline is not None]
            self._pods_valid = (
                max((end for end in ends if end < now), default=-math.inf),
                min((end for end in ends if end >= now), default=math.inf),
            )
            return tuple(item.at(now) for item in records)

        views: tuple[PodView, ...] = self._part("pods", self._pods, build)
        return views


def _names(records: Collection[convert.NamespaceRecord]) -> frozenset[str]:
    return frozenset(record.name for record in records)


def _labels(records: Collection[convert.NamespaceRecord]) -> Mapping[str, Mapping[str, str]]:
    return {record.name: dict(record.labels) for record in records}


def _smallest_class(records: Collection[tuple[int, str]]) -> str:
    """Return the default priority class; of several the API server takes the one with the smallest value."""
    return min(records)[1] if records else ""
