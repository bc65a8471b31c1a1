# SPDX-License-Identifier: Apache-2.0
"""What the watches show at this moment, judged by what the site has set for each cluster."""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import replace
from typing import Final

from airflow_priority_spark.arbiter.applications import Applications
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.scheduling.model import ClusterView
from airflow_priority_spark.store.queue_table import ClusterRules, QueueTable

#: ``[priority_spark] nodes`` → are the nodes all there will be; ``None`` looks for an autoscaler.
FIXED_NODES: Final = {"auto": None, "fixed": True, "elastic": False}

#: Cluster id → its picture.
Views = dict[str, ClusterView]


def views_of(context: Context, queues: QueueTable, now: datetime.datetime) -> Views:
    """Return the picture of every cluster that is watched.

    :param queues: whose namespaces are to be watched, and how their clusters are to be judged.
    """
    namespaces: dict[str, set[str]] = defaultdict(set)
    for key in queues.ids:
        namespaces[key.cluster_id].add(key.namespace)
    views = {}
    for cluster_id, observer in context.clusters.observers.items():
        own = queues.clusters.get(cluster_id, ClusterRules(cluster_id))
        observer.follow(namespaces.get(cluster_id, ()))
        view = observer.view(
            now.timestamp(),
            mode=own.mode or context.settings.capacity_mode,  # type: ignore[arg-type] # checked by settings.load
            fixed_nodes=FIXED_NODES[own.nodes or context.settings.nodes],
        )
        if own.limit is not None or own.node_maxima is not None:
            view = replace(view, limit=own.limit, node_maxima=own.node_maxima)
        views[cluster_id] = view
    return views


def applications_of(context: Context) -> Applications:
    """Return the applications of this installation in every cluster that is watched."""
    return Applications(
        {
            cluster_id: observer.applications(instance_id=context.instance_id)
            for cluster_id, observer in context.clusters.observers.items()
        }
    )
