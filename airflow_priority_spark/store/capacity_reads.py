# SPDX-License-Identifier: Apache-2.0
"""What a queue may use, uses, has promised and has left, key by key, from the newest picture of its cluster.

The numbers are those of the picture and of the grants: ``free = hard - used - what grants still charge``,
where grants charge what they were promised beyond the pods that run for them already.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.store.explanation import bare
from airflow_priority_spark.store.queue_reads import list_queues
from airflow_priority_spark.store.status_reads import ClusterPicture, latest_snapshots


@dataclass(frozen=True, slots=True)
class Usage:
    """One key of a namespace's quotas or of its queue's declared capacity, in its base unit.

    :param hard: the tightest limit; ``None``: there is none.
    :param used: what pods use.
    :param granted: what admitted jobs were promised.
    :param free: what the next job can get; ``None`` without a limit.
    :param holder: whose limit it is, as verdicts say it; empty without a limit.
    """

    resource: str
    hard: int | None
    used: int
    granted: int
    free: int | None
    holder: str


@dataclass(frozen=True, slots=True)
class NamespaceUsage:
    """A namespace that a queue is bound for, and its usage by key."""

    namespace: str
    usage: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class ClusterCapacity:
    """A cluster's newest picture, and what its namespaces may use and use."""

    picture: ClusterPicture
    namespaces: tuple[NamespaceUsage, ...]


def capacity_of_clusters(session: Session, now: datetime.datetime) -> tuple[ClusterCapacity, ...]:
    """Return the capacity of every cluster that has a picture, by name."""
    pictures = latest_snapshots(session, now)
    data = {picture.cluster_id: picture.data for picture in pictures}
    found: dict[str, list[NamespaceUsage]] = defaultdict(list)
    for queue in list_queues(session, now):
        usage = usage_of(queue.namespace, data.get(queue.cluster_id), queue.capacity, queue.granted)
        found[queue.cluster_id].append(NamespaceUsage(queue.namespace, usage))
    return tuple(ClusterCapacity(each, tuple(found[each.cluster_id])) for each in pictures)


def usage_of(
    namespace: str, picture: Mapping[str, Any] | None, capacity: Mapping[str, Any] | None, granted: Resources
) -> tuple[Usage, ...]:
    """Return the usage of a namespace, by key.

    :param picture: the data of its cluster's newest picture.
    :param capacity: declared for its queue: resource → quantity text.
    :param granted: the sum of the demands of its queue's grants.
    """
    own = Resources((picture or {}).get("own", {}).get(namespace, {}))
    pending = (granted - own).clamped()
    found: dict[str, Usage] = {}
    for key, hard, used, holder in _limits(namespace, picture, capacity, own):
        free = max(0, hard - used - _amount(pending, key))
        usage = Usage(key, hard, used, _amount(granted, key), free, holder)
        if key not in found or free < (found[key].free or 0):
            found[key] = usage
    limited = {bare(key) for key in found}
    for resource, amount in granted.items():
        if resource not in limited:
            found[resource] = Usage(resource, None, own[resource], amount, None, "")
    return tuple(found[key] for key in sorted(found))


def _limits(
    namespace: str, picture: Mapping[str, Any] | None, capacity: Mapping[str, Any] | None, own: Resources
) -> list[tuple[str, int, int, str]]:
    found = [
        (key, hard, quota["used"].get(key, 0), f"quota {quota['name']}")
        for quota in (picture or {}).get("quotas", ())
        if quota["namespace"] == namespace
        for key, hard in quota["hard"].items()
    ]
    if capacity is not None:
        declared = Resources.parse(capacity)
        holder = f"declared capacity of {namespace}"
        found += [(key, declared[key], _amount(own, key), holder) for key in capacity]
    return found


def _amount(amounts: Resources, key: str) -> int:
    """Return what is charged to a quota key; limits and counted objects are not known of grants."""
    if key.startswith(("limits.", "count/")) and key != "count/pods":
        return 0
    return amounts[bare(key).removeprefix("count/")]
