# SPDX-License-Identifier: Apache-2.0
"""Housekeeping: what is older than the retention goes, in small batches between cycles.

The queue's own tables would otherwise grow for ever, and applications kept for a look at them would fill
the cluster's. Each batch is one short transaction; a backlog is worked off batch by batch, as long as each
is full, so that a site that switches the clean-up on after years does not stand still for it.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable
from typing import Final

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.applications import Applications
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.strays import Strays
from airflow_priority_spark.spark.identity import LABEL_JOB
from airflow_priority_spark.store import cleanup, jobs
from airflow_priority_spark.store.leadership import Leadership

log = logging.getLogger(__name__)

#: Rows deleted in one transaction at most; jobs take their events along, so fewer of them.
ROWS: Final = 500
JOBS: Final = 100
APPLICATIONS: Final = 10

_Delete = Callable[[Session, datetime.datetime, int], int]
_PARTS: Final[tuple[tuple[str, _Delete, int], ...]] = (
    ("finished jobs", cleanup.delete_jobs, JOBS),
    ("events", cleanup.delete_events, ROWS),
    ("pictures of clusters", cleanup.delete_snapshots, ROWS),
    ("audit rows", cleanup.delete_audit, ROWS),
)


class Housekeeper:
    """Deletes what is older than ``retention_seconds``; knows when it is due again."""

    def __init__(self, context: Context, leadership: Leadership, strays: Strays) -> None:
        self._context, self._leadership, self._strays = context, leadership, strays
        self._next: datetime.datetime | None = None

    def due(self, now: datetime.datetime) -> bool:
        """Tell whether it is time to look for what is old."""
        wanted = self._context.settings.cleanup_enabled
        return wanted and (self._next is None or now >= self._next)

    def clean(self, applications: Applications, now: datetime.datetime) -> int:
        """Delete a batch of everything if it is time; return how many rows and applications went.

        Only events that are counted in the tallies go: they are to be tallied first.
        """
        settings = self._context.settings
        if not self.due(now):
            return 0
        before = now - datetime.timedelta(seconds=settings.retention_seconds)
        deleted, full = 0, False
        for what, delete, limit in _PARTS:
            count = self._delete(what, delete, before, limit)
            deleted, full = deleted + count, full or count == limit
        deleted += self._applications(applications, before)
        self._next = now if full else now + datetime.timedelta(seconds=settings.cleanup_interval_seconds)
        return deleted

    def _delete(self, what: str, delete: _Delete, before: datetime.datetime, limit: int) -> int:
        with self._leadership.transaction() as session:
            count = delete(session, before, limit)
        if count:
            log.info("Deleted %d %s from before %s", count, what, f"{before:%Y-%m-%d %H:%M}Z")
        return count

    def _applications(self, applications: Applications, before: datetime.datetime) -> int:
        """Delete applications of ours that were kept for a look at them, long after their jobs have ended."""
        old = [
            (cluster_id, item)
            for cluster_id, item in applications.all
            if item.terminal and not item.deleting and item.created < before.timestamp()
        ]
        if not old:
            return 0
        with self._leadership.sessions() as session:
            owners = jobs.jobs_by_id(session, {item.labels.get(LABEL_JOB, "") for _, item in old})
        reason = f"it was kept for {self._context.settings.retention_seconds:g} s"
        useless = [
            (cluster_id, item)
            for cluster_id, item in old
            if (owner := owners.get(item.labels.get(LABEL_JOB, ""))) is None
            or (owner.ended_at is not None and owner.ended_at < before)
        ]
        return sum(self._strays.delete(*found, reason) for found in useless[:APPLICATIONS])
