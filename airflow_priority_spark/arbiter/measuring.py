# SPDX-License-Identifier: Apache-2.0
"""What the leader measures of its own work, and what it tells Airflow's metrics.

How long a cycle takes or how often a watch began anew stands in no row. The leader keeps such numbers for a
few seconds and adds them to the tallies in the transaction that records its pictures; what a killed leader
had not written yet is gone, which is all that is ever lost.

In the same transaction the events since the last time are tallied. They are what Airflow's own metrics
(StatsD, OpenTelemetry) are told, so that these count what ours count, and each event once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from airflow.observability import stats
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.clusters import Clusters
from airflow_priority_spark.arbiter.observe import Picture
from airflow_priority_spark.scheduling.model import Decisions, QueueKey
from airflow_priority_spark.store import tallies
from airflow_priority_spark.store.tallies import SHORT_BUCKETS, Amount, Amounts, add, observed

_STATS: Final = "priority_spark."
#: Labels of sums behind queue and pool, as tags of Airflow's metrics.
_TAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "queued_jobs": (),
    "retried_jobs": (),
    "admitted_jobs": (),
    "starved_jobs": (),
    "rescheduled_jobs": ("cause",),
    "timeouts": ("cause",),
    "cancelled_jobs": ("cause",),
    "finished_jobs": ("outcome", "cause"),
}


class Measures:
    """Numbers since they were last written."""

    def __init__(self) -> None:
        self._new: Amounts = {}
        self._settled: Amounts = {}
        self._watches: dict[tuple[str, str], tuple[int, int]] = {}

    def cycle(self, seconds: float) -> None:
        """Count a cycle that worked."""
        add(self._new, ("cycle_duration_seconds", ()), observed(seconds, SHORT_BUCKETS))

    def failed(self) -> None:
        """Count a cycle that did not."""
        add(self._new, ("failed_cycles", ()), Amount(sum=1))

    def attempts(self, picture: Picture, decisions: Decisions) -> None:
        """Count what was decided of the jobs at the front."""
        results = {
            "admitted": [admission.job_id for admission in decisions.admissions],
            "blocked": decisions.blocked,
            "impossible": decisions.impossible,
        }
        for result, job_ids in results.items():
            for job_id in job_ids:
                row = picture.waiting.get(job_id)
                if row is not None:
                    key = ("admission_attempts", (str(row.queue_id), row.pool, result))
                    add(self._new, key, Amount(sum=1))

    def watches(self, clusters: Clusters, names: Mapping[str, str]) -> None:
        """Count what happened to the watches since the last look.

        :param names: cluster id → name.
        """
        for cluster_id, observer in clusters.observers.items():
            for name, state in observer.counters().items():
                restarts, errors = self._watches.get((cluster_id, name), (0, 0))
                self._watches[cluster_id, name] = (state.restarts, state.errors)
                # One label for all namespaces that are watched one by one.
                labels = (names.get(cluster_id, cluster_id), name.partition(" in ")[0])
                for key, count in (
                    ("watch_restarts", state.restarts - restarts),
                    ("api_errors", state.errors - errors),
                ):
                    if count > 0:
                        add(self._new, (key, labels), Amount(sum=count))

    def write(self, session: Session) -> None:
        """Add everything to the tallies; it is forgotten with ``written``, once that is committed."""
        tallies.add_to_tallies(session, self._new)
        self._settled = tallies.settle(session)

    def written(self, queues: Mapping[int, QueueKey]) -> None:
        """Forget what was written, and tell Airflow's metrics."""
        self._new = {}
        for (name, (queue_id, pool, *values)), amount in (
            item for item in self._settled.items() if item[0][0] in _TAGS
        ):
            queue = queues.get(int(queue_id))
            tags = {"pool": pool, **dict(zip(_TAGS[name], values, strict=True))}
            if queue is not None:
                tags["namespace"] = queue.namespace
            stats.incr(_STATS + name, int(amount.sum), tags={key: tag for key, tag in tags.items() if tag})
        self._settled = {}
