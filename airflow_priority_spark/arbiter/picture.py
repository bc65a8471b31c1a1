# SPDX-License-Identifier: Apache-2.0
"""What is kept of a cluster's picture for people: quotas, nodes in sum, freshness. No pod names."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any, Final

from airflow_priority_spark.arbiter.measuring import Measures
from airflow_priority_spark.arbiter.node_groups import largest_holes, own_use
from airflow_priority_spark.scheduling.model import ClusterView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.queue_table import QueueTable
from airflow_priority_spark.store.snapshots import save_snapshot, save_summary

#: A picture that did not change is written again after so many seconds, to show that somebody looks.
PICTURE_SECONDS: Final = 10.0


class Pictures:
    """Writes what the clusters look like, where that has changed; remembers what it wrote."""

    def __init__(self, leadership: Leadership, measures: Measures) -> None:
        self._leadership, self._measures = leadership, measures
        self._drawn: tuple[Mapping[str, ClusterView], dict[str, dict[str, Any]]] = ({}, {})
        #: Of each cluster what was summed up, and what of it follows from nodes and pods alone.
        self._summed: dict[str, tuple[ClusterView, dict[str, Any]]] = {}
        self._saved: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {})
        self._saved_at: float | None = None

    def save(
        self,
        views: Mapping[str, ClusterView],
        queues: QueueTable,
        summary: dict[str, Any],
        now: datetime.datetime,
        *,
        hurry: bool,
        at_once: bool,
    ) -> None:
        """Write the pictures and the summary of the arbiter.

        :param queues: clusters without one are of no interest yet, and have no row.
        :param hurry: there is more to do at once, and people can wait a little.
        :param at_once: write in any case: what happened must be counted before its events are deleted.
        """
        due = at_once or self._saved_at is None or time.monotonic() - self._saved_at >= PICTURE_SECONDS
        if hurry and not due:
            return
        if views != self._drawn[0]:
            self._drawn = (views, {cluster_id: self._draw(view) for cluster_id, view in views.items()})
        pictures = {
            cluster_id: drawn for cluster_id, drawn in self._drawn[1].items() if cluster_id in queues.clusters
        }
        if (pictures, summary) == self._saved and not due:
            return
        with self._leadership.transaction() as session:
            for cluster_id, picture in pictures.items():
                save_snapshot(session, cluster_id, picture, now, count=due)
            save_summary(session, summary, now)
            self._measures.write(session)
        self._measures.written(queues.keys)
        self._saved, self._saved_at = (pictures, summary), time.monotonic()

    def _draw(self, view: ClusterView) -> dict[str, Any]:
        # Sums over all pods: too dear for a cycle in which none has changed.
        known, sums = self._summed.get(view.cluster_id, (None, {}))
        if known is None or known.pods is not view.pods or known.nodes is not view.nodes:
            sums = sums_json(view)
            self._summed[view.cluster_id] = (view, sums)
        return cluster_json(view, sums)


def sums_json(view: ClusterView) -> dict[str, Any]:
    """Return what follows from nodes and pods; amounts as in ``cluster_json``."""
    allocatable, requested = Resources(), Resources()
    for node in view.nodes:
        if node.ready:
            allocatable = allocatable + node.allocatable
    for pod in view.pods:
        if pod.node is not None and pod.counts_node:
            requested = requested + pod.requests + Resources({"pods": 1})
    return {
        "nodes": {
            "count": len(view.nodes),
            "ready": sum(node.ready for node in view.nodes),
            "allocatable": allocatable.as_dict(),
            "requested": requested.as_dict(),
        },
        "largest_holes": largest_holes(view),
        "own": own_use(view),
    }


def cluster_json(view: ClusterView, sums: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON form; amounts are integers in base units (millicores, bytes, counts).

    :param sums: from ``sums_json``.
    """
    return {
        "fresh": view.fresh,
        "stale_reason": view.stale_reason,
        "troubled_since": view.troubled_since,
        "trouble": view.trouble,
        "mode": view.mode,
        "fixed_nodes": view.fixed_nodes,
        **sums,
        "quotas": [
            {
                "namespace": quota.namespace,
                "name": quota.name,
                "hard": {key: quota.hard[key] for key in sorted(quota.keys or quota.hard)},
                "used": {key: quota.used[key] for key in sorted(quota.keys or quota.hard)},
            }
            for quota in view.quotas
        ],
    }
