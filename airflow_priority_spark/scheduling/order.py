# SPDX-License-Identifier: Apache-2.0
"""Who comes first: every ordering of the decision in one place.

The next admission of a cluster is found by asking, in this order:

1. the queue with the smallest dominant share of what it already holds, divided by its weight
   (``shares.weighted_share``); ties by queue key;
2. inside it the longest blocked head that is past its protection time (``blocked_key``);
3. otherwise the priority pool that smooth weighted round robin picks, or with policy ``strict`` the
   one with the greatest weight (``pool_key``); ties by name;
4. inside the pool the earliest position (``fifo_key``): instant of enqueueing, then trigger id, then
   job id.

Every key ends on something unique, so the order in which a snapshot lists things never matters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Final

from airflow_priority_spark.scheduling.model import PoolView, QueuedJob, QueueKey, QueueView

#: A job's verdict names the first of these that does not suffice; extended resources come next,
#: then all other quota keys, then placement.
_PRECEDENCE = ("cpu", "memory", "pods", "storage", "ephemeral-storage")
_EXTENDED, _OTHER = len(_PRECEDENCE), len(_PRECEDENCE) + 1


#: A job's place inside its pool: instant of enqueueing, trigger id, job id.
fifo_key: Final[Callable[[QueuedJob], tuple[tuple[float, int], str]]] = attrgetter("position", "job_id")


def queue_key(queue: QueueView) -> QueueKey:
    """Return a queue's place in its cluster when shares are equal: by name."""
    return queue.key


def pool_key(pool: PoolView) -> tuple[int, str]:
    """Return a pool's place inside its queue: greater weight first."""
    return (-pool.weight, pool.name)


def blocked_key(blocked_since: float, job_id: str) -> tuple[float, str]:
    """Return a blocked head's place among the heads of its queue: longest blocked first."""
    return (blocked_since, job_id)


@cache
def resource_of(key: str) -> str:
    """Return the resource a quota key limits, as verdicts name it.

    ``limits.cpu`` is ``cpu``, ``count/pods`` is ``pods``, ``requests.nvidia.com/gpu`` is
    ``nvidia.com/gpu``, every storage class is ``storage``; ``count/services`` is itself.
    """
    if key == "count/pods":
        return "pods"
    if key.endswith(("/requests.storage", "requests.storage")):
        return "storage"
    return key.removeprefix("requests.").removeprefix("limits.")


@cache
def quota_key_rank(key: str) -> tuple[int, str, str]:
    """Return a quota key's place in the precedence of verdicts."""
    resource = resource_of(key)
    if resource in _PRECEDENCE:
        return (_PRECEDENCE.index(resource), resource, key)
    is_extended = "hugepages-" in resource or ("/" in resource and not is_object_key(key))
    return (_EXTENDED if is_extended else _OTHER, resource, key)


@cache
def is_object_key(key: str) -> bool:
    """Tell whether a quota key counts objects (or storage claims) rather than what pods ask for."""
    if key.startswith("count/") or ".storageclass.storage.k8s.io/" in key:
        return True
    bare = key.removeprefix("requests.")
    return bare == "storage" or not (
        key.startswith(("requests.", "limits."))
        or bare in ("cpu", "memory", "ephemeral-storage", "pods")
        or bare.startswith("hugepages-")
        or "/" in bare
    )
