# SPDX-License-Identifier: Apache-2.0
"""Where on the nodes there is room, for whoever wonders why a job waits though the cluster looks free.

What is free in sum says little: a pod needs its room on one node. So of each group of nodes the largest
hole is told, and of each namespace what the pods of our own jobs use of it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from airflow_priority_spark.scheduling.model import ClusterView, NodeView
from airflow_priority_spark.scheduling.resources import CPU, MEMORY, PODS
from airflow_priority_spark.scheduling.usage import add_to

#: Labels that name a node's group, the most telling first. Sources: karpenter.sh/docs/concepts/nodepools,
#: the documentation of EKS, GKE and AKS, kubernetes.io/docs/reference/labels-annotations-taints.
_GROUPS: Final = (
    "karpenter.sh/nodepool",
    "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "node.kubernetes.io/instance-type",
)


def _group(node: NodeView) -> str:
    return next((node.labels[label] for label in _GROUPS if label in node.labels), "nodes")


def largest_holes(view: ClusterView) -> list[dict[str, Any]]:
    """Return, of each group of nodes, the free room of the ready node that has most of it.

    Most memory counts, then most CPU: memory is what Spark runs out of first.
    """
    used: dict[str, dict[str, int]] = defaultdict(dict)
    for pod in view.pods:
        if pod.node is not None and pod.counts_node:
            add_to(used[pod.node], pod.requests, 1)
    holes: dict[str, tuple[int, int]] = {}
    for node in view.nodes:
        if node.ready:
            taken = used.get(node.name, {})
            free = [max(0, node.allocatable[what] - taken.get(what, 0)) for what in (MEMORY, CPU)]
            group = _group(node)
            holes[group] = max(holes.get(group, (0, 0)), (free[0], free[1]))
    return [{"group": group, "cpu": holes[group][1], "memory": holes[group][0]} for group in sorted(holes)]


def own_use(view: ClusterView) -> dict[str, dict[str, int]]:
    """Return namespace → what the pods of our jobs use of its quotas."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for pod in view.pods:
        if pod.job_id is not None and pod.counts_quota and not pod.placeholder:
            add_to(found[pod.namespace], {**pod.requests.as_dict(), PODS: 1}, 1)
    return {namespace: dict(sorted(amounts.items())) for namespace, amounts in sorted(found.items())}
