# SPDX-License-Identifier: Apache-2.0
"""What is kept of a cluster's picture for people: quotas, nodes in sum, freshness. No pod names."""

from __future__ import annotations

from typing import Any

from airflow_priority_spark.arbiter.node_groups import largest_holes, own_use
from airflow_priority_spark.scheduling.model import ClusterView
from airflow_priority_spark.scheduling.resources import Resources


def cluster_json(view: ClusterView) -> dict[str, Any]:
    """Return the JSON form; amounts are integers in base units (millicores, bytes, counts)."""
    allocatable, requested = Resources(), Resources()
    for node in view.nodes:
        if node.ready:
            allocatable = allocatable + node.allocatable
    for pod in view.pods:
        if pod.node is not None and pod.counts_node:
            requested = requested + pod.requests + Resources({"pods": 1})
    return {
        "fresh": view.fresh,
        "stale_reason": view.stale_reason,
        "troubled_since": view.troubled_since,
        "trouble": view.trouble,
        "mode": view.mode,
        "fixed_nodes": view.fixed_nodes,
        "nodes": {
            "count": len(view.nodes),
            "ready": sum(node.ready for node in view.nodes),
            "allocatable": allocatable.as_dict(),
            "requested": requested.as_dict(),
        },
        "largest_holes": largest_holes(view),
        "own": own_use(view),
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
