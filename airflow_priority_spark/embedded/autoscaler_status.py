# SPDX-License-Identifier: Apache-2.0
"""The signs of itself that an autoscaler leaves: its status, and marks on its nodes.

Source: autoscaler ``cluster-autoscaler/clusterstate/api/types.go`` and its FAQ.
"""

from __future__ import annotations

from typing import Any

import yaml

from airflow_priority_spark.embedded.objects import Object, timestamp
from airflow_priority_spark.embedded.pools import Pool

STATUS_NAME, STATUS_NAMESPACE = "cluster-autoscaler-status", "kube-system"
LAST_UPDATED = "cluster-autoscaler.kubernetes.io/last-updated"
#: On every node of the pool; the autoscalers of cloud providers have labels of their own for it.
POOL_MARK = "cluster-autoscaler.kubernetes.io/node-group"
CANDIDATE_TAINT, DOOMED_TAINT = "DeletionCandidateOfClusterAutoscaler", "ToBeDeletedByClusterAutoscaler"
KEEP_NODE = (
    ("cluster-autoscaler.kubernetes.io/scale-down-disabled", "true"),
    ("karpenter.sh/do-not-disrupt", "true"),
)
KEEP_POD = (
    ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
    ("karpenter.sh/do-not-disrupt", "true"),
)
LET_POD_GO = (("cluster-autoscaler.kubernetes.io/safe-to-evict", "true"),)


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice, as readers expect of this status."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def is_annotated(obj: Object, marks: tuple[tuple[str, str], ...]) -> bool:
    """Whether an object carries one of these annotations."""
    annotations = obj["metadata"].get("annotations") or {}
    return any(annotations.get(key) == value for key, value in marks)


def status_config_map(pool: Pool, *, present: int, coming: int, candidates: int) -> dict[str, Any]:
    """Return the ConfigMap that says what the autoscaler is about."""
    now = timestamp()
    counts = {"registered": {"total": present, "ready": present, "notStarted": 0}}
    health = {"status": "Healthy", "nodeCounts": counts, "lastProbeTime": now}
    growth = {"status": "InProgress" if coming else "NoActivity", "lastProbeTime": now}
    shrinking = {
        "status": "CandidatesPresent" if candidates else "NoCandidates",
        "candidates": candidates,
        "lastProbeTime": now,
    }
    group = {
        "name": pool.node.name,
        "health": {**health, "cloudProviderTarget": present + coming, "minSize": 0, "maxSize": pool.most},
        "scaleUp": growth,
        "scaleDown": shrinking,
    }
    status = {
        "time": now,
        "autoscalerStatus": "Running",
        "clusterWide": {"health": health, "scaleUp": growth, "scaleDown": shrinking},
        "nodeGroups": [group],
    }
    text = yaml.dump(status, Dumper=_Plain, sort_keys=False)
    return {
        "metadata": {"name": STATUS_NAME, "annotations": {LAST_UPDATED: now}},
        "data": {"status": text},
    }
