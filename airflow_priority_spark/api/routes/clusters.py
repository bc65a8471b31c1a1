# SPDX-License-Identifier: Apache-2.0
"""What the clusters have, and whether an arbiter looks after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from airflow_priority_spark.api.datamodels import clusters as answers
from airflow_priority_spark.api.datamodels.queues import Usage
from airflow_priority_spark.api.dependencies import AccessDep, NowDep, SessionDep, SettingsDep
from airflow_priority_spark.store.capacity_reads import ClusterCapacity, NamespaceUsage, capacity_of_clusters
from airflow_priority_spark.store.status_reads import (
    ArbiterStatus,
    ClusterPicture,
    arbiter_status,
    latest_snapshots,
)

router = APIRouter(tags=["clusters"])

#: A picture is rewritten every few seconds while an arbiter leads.
_SILENT_SECONDS = 60.0


@router.get("/capacity")
def get_capacity(_access: AccessDep, session: SessionDep, now: NowDep) -> answers.Capacity:
    """Tell what each cluster and namespace may use, uses, has promised and has left."""
    return answers.Capacity(clusters=[_cluster(each) for each in capacity_of_clusters(session, now)])


def _cluster(capacity: ClusterCapacity) -> answers.Cluster:
    data = capacity.picture.data
    return answers.Cluster.of(
        capacity.picture,
        fresh=data.get("fresh", True),
        stale_reason=data.get("stale_reason") or None,
        mode=data.get("mode", "quota"),
        nodes=_nodes(data),
        largest_holes=[answers.Hole(**hole) for hole in data.get("largest_holes", ())],
        namespaces=[_namespace(each) for each in capacity.namespaces],
    )


def _nodes(data: dict[str, Any]) -> answers.Nodes:
    nodes = data.get("nodes", {})
    return answers.Nodes(
        count=nodes.get("count", 0),
        ready=nodes.get("ready", 0),
        fixed=data.get("fixed_nodes"),
        allocatable=nodes.get("allocatable", {}),
        requested=nodes.get("requested", {}),
    )


def _namespace(each: NamespaceUsage) -> answers.NamespaceCapacity:
    resources = [Usage.of(usage) for usage in each.usage]
    return answers.NamespaceCapacity(namespace=each.namespace, resources=resources)


@router.get("/arbiter")
def get_arbiter(
    _access: AccessDep, session: SessionDep, now: NowDep, settings: SettingsDep
) -> answers.Arbiter:
    """Tell who leads, and what people must know when nobody does or a picture is stale."""
    status, pictures = arbiter_status(session, now), latest_snapshots(session, now)
    return answers.Arbiter.of(
        status,
        leader=status.leader if status.alive else None,
        banner=_banner(status, pictures, settings.arbiter == "off"),
    )


def _banner(status: ArbiterStatus, pictures: Sequence[ClusterPicture], off: bool) -> str | None:
    if off:
        return "the arbiter is switched off ([priority_spark] arbiter = off): jobs do not wait in queues"
    if not status.alive:
        return "no arbiter leads: nothing is admitted"
    for picture in pictures:
        if not picture.data.get("fresh", True):
            why = picture.data.get("stale_reason") or "its watches are out of step"
            return f"picture of {picture.cluster} is stale: {why}; nothing is admitted there"
        if picture.age_seconds > _SILENT_SECONDS:
            return f"picture of {picture.cluster} is stale: it is {picture.age_seconds:.0f} s old"
    return None
