# SPDX-License-Identifier: Apache-2.0
"""Which cluster a connection leads to, and one observer per cluster.

Resolving a connection talks to a Kubernetes API that may be down; a cycle must not wait for it. So
it happens in a background thread, and a job whose connection is not resolved yet stays where it is,
deferred in Airflow, until a later cycle finds the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from airflow_priority_spark.cluster.connections import ClusterConnection, identify, resolve
from airflow_priority_spark.cluster.observer import ClusterObserver
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.spark.request import ConnectionRef

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """A connection that was followed to its cluster."""

    cluster_id: str
    connection: ClusterConnection


class Clusters:
    """The clusters this arbiter knows.

    :param settings: for the times after which a picture counts as stale.
    :param wake: called from watch threads when something changed.
    :param monotonic: seconds that only grow, for the time between two attempts.
    """

    def __init__(self, settings: Settings, wake: Callable[[], None], monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._wake = wake
        self._monotonic = monotonic
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="priority-spark-resolve")
        self._futures: dict[str, Future[Resolved]] = {}
        self._retry_at: dict[str, float] = {}
        self._failures: dict[str, Exception] = {}
        self._wanted: dict[str, ConnectionRef] = {}
        self._resolved: dict[str, Resolved] = {}
        self.observers: dict[str, ClusterObserver] = {}
        self.connections: dict[str, ClusterConnection] = {}

    @property
    def failures(self) -> Mapping[str, Exception]:
        """Return connection (as alias text) → why it does not lead to a cluster at the moment."""
        return dict(self._failures)

    def find(self, ref: ConnectionRef) -> str | None:
        """Return the cluster of a connection; ``None`` while that is being found out.

        :raises InvalidInput: when the connection can never work as it is.
        """
        alias = ref.alias()
        self._wanted[alias] = ref
        if resolved := self._resolved.get(alias):
            return resolved.cluster_id
        future = self._futures.get(alias)
        if future is None:
            if self._monotonic() >= self._retry_at.get(alias, 0.0):
                self._futures[alias] = self._pool.submit(self._follow, ref)
                self._futures[alias].add_done_callback(lambda _: self._wake())
            return None
        if not future.done():
            return None
        return self._settle(alias, ref, self._futures.pop(alias))

    def refresh(self) -> None:
        """Go on finding out about connections that were asked for, though nobody asks now."""
        for alias, ref in list(self._wanted.items()):
            if alias in self._resolved:
                continue
            try:
                self.find(ref)
            except InvalidInput:
                # A task that names it is told so at intake; until then nobody needs it.
                continue

    @staticmethod
    def _follow(ref: ConnectionRef) -> Resolved:
        connection = resolve(ref)
        return Resolved(identify(connection), connection)

    def _settle(self, alias: str, ref: ConnectionRef, future: Future[Resolved]) -> str | None:
        try:
            resolved = future.result()
        except Exception as error:
            known = self._failures.get(alias)
            if str(known) != str(error):
                log.warning("Jobs of connection %s wait outside the queue: %s", ref.conn_id, error)
            self._failures[alias] = error
            self._retry_at[alias] = self._monotonic() + RETRY_SECONDS
            if isinstance(error, InvalidInput) and isinstance(known, InvalidInput):
                # Airflow says "not found" also when it could not look; only twice in a row is an answer.
                raise
            return None
        if self._failures.pop(alias, None):
            log.info("Connection %s leads to a cluster again", ref.conn_id)
        self._resolved[alias] = resolved
        self._observe(resolved)
        return resolved.cluster_id

    def _observe(self, resolved: Resolved) -> None:
        if resolved.cluster_id in self.observers:
            return
        log.info("Watching cluster %s at %s", resolved.cluster_id, resolved.connection.host)
        observer = ClusterObserver(
            resolved.connection,
            resolved.cluster_id,
            changed=self._wake,
            stale_after_seconds=self._settings.stale_after_seconds,
        )
        observer.start()
        self.observers[resolved.cluster_id] = observer
        self.connections[resolved.cluster_id] = resolved.connection

    def stop(self) -> None:
        """End all watches."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for observer in self.observers.values():
            observer.stop()
