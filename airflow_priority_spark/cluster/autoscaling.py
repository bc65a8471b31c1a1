# SPDX-License-Identifier: Apache-2.0
"""Fixed or elastic nodes: whether a shortage of nodes means waiting, or an autoscaler waits for pods.

Autoscalers grow only for pods that exist. A queue that holds jobs back until nodes are there would
wait for ever on such a cluster; one that does not hold back on fixed nodes lets drivers starve.
Being wrong in the first way loses jobs, in the second it costs time: undetermined means elastic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from airflow_priority_spark.scheduling.model import Taint

#: Written on nodes by autoscalers and by the managed node groups that they scale.
#: Sources: karpenter.sh/docs/concepts/nodepools, cluster-autoscaler FAQ, and the node labels documented
#: by EKS, GKE and AKS.
_SIGNS: Final = (
    "karpenter.sh/nodepool",
    "karpenter.sh/provisioner-name",
    "eks.amazonaws.com/nodegroup",
    "eks.amazonaws.com/compute-type",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
)
_PREFIXES: Final = ("cluster-autoscaler.kubernetes.io/", "karpenter.sh/")
_TAINTS: Final = (
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
    "karpenter.sh/disrupted",
)


class NodesKind(NamedTuple):
    """Whether the nodes are all there will ever be, and what this was concluded from."""

    fixed: bool
    why: str


def hint_on_node(labels: Mapping[str, str], annotations: Mapping[str, str], taints: Iterable[Taint]) -> str:
    """Return the sign of an autoscaler on one node, e.g. ``label karpenter.sh/nodepool``; empty if none."""
    for sign in _SIGNS:
        if sign in labels:
            return f"label {sign}"
    for name in sorted(annotations):
        if name.startswith(_PREFIXES):
            return f"annotation {name}"
    for taint in taints:
        if taint.key in _TAINTS:
            return f"taint {taint.key}"
    return ""


def nodes_kind(fixed: bool | None, hints: Iterable[tuple[str, str]]) -> NodesKind:
    """Decide between fixed and elastic nodes.

    :param fixed: what the site says; ``None`` asks for detection.
    :param hints: (node, sign of an autoscaler on it or an empty string).
    """
    if fixed is not None:
        return NodesKind(fixed, f"configured as {'fixed' if fixed else 'elastic'}")
    for name, hint in hints:
        if hint:
            return NodesKind(False, f"{hint} on node {name}")
    return NodesKind(
        False, "no sign of an autoscaler, and undetermined means elastic; set nodes = fixed if so"
    )
