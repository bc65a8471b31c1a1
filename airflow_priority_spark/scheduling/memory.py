# SPDX-License-Identifier: Apache-2.0
"""What one decision leaves for the next: sums and orders that follow from the parts of a picture.

Adding up 20,000 pods and sorting 5,000 nodes takes a hundred milliseconds, and between two cycles a
few pods change. So what was derived from a part of the picture is kept as long as the part is the
same, and brought up to date when it has changed a little. A decision is none the wiser: what it reads
here is equal to what it would compute from the picture alone (there is a test), and it is made as if
nothing were remembered when two decisions about one cluster overlap.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from airflow_priority_spark.scheduling.capacity import QuotaRules
from airflow_priority_spark.scheduling.model import (
    Blocked,
    ClusterView,
    Demand,
    LimitRangeView,
    NodeView,
    PodView,
    QuotaView,
)
from airflow_priority_spark.scheduling.nodes import NodePool
from airflow_priority_spark.scheduling.order import resource_of
from airflow_priority_spark.scheduling.usage import Company, Usage, company_of, usage_of

if TYPE_CHECKING:
    from airflow_priority_spark.scheduling.room import ClusterRoom

#: So many clusters are remembered; a test or a simulator may draw thousands.
_CLUSTERS: Final = 16
#: What is known about so many demands is forgotten at once.
_DEMANDS: Final = 20_000


class ClusterMemory:
    """What follows from the parts of one cluster's picture."""

    def __init__(self) -> None:
        self.borrower: weakref.ref[ClusterRoom] | None = None
        self.usage = Usage()
        self.never: dict[Demand, Blocked | None] = {}
        self._pods: tuple[PodView, ...] = ()
        self._by_id: dict[int, PodView] = {}
        self._nodes: tuple[NodeView, ...] = ()
        self._totals: Mapping[str, int] | None = None
        self._pool: NodePool | None = None
        self._empty: NodePool | None = None
        self._rules: dict[str, tuple[object, QuotaRules]] = {}

    def look(self, view: ClusterView) -> None:
        """Bring everything up to date with a picture."""
        if self._pool is not None:
            self._pool.rollback()
            self._pool.namespace_labels = view.namespace_labels
        changed = self._look_at_pods(view.pods)
        if view.nodes is not self._nodes and view.nodes != self._nodes:
            self._pool = self._empty = self._totals = None
            self.never = {}
        self._nodes = view.nodes
        if self._pool is not None:
            self._pool.refresh(changed)
        if len(self.never) > _DEMANDS:
            self.never = {}

    def _look_at_pods(self, pods: tuple[PodView, ...]) -> set[str]:
        """Bring the sums up to date; return the nodes whose pods have changed."""
        if pods is self._pods:
            return set()
        seen = dict(zip(map(id, pods), pods, strict=True))
        gone = [pod for key, pod in self._by_id.items() if key not in seen]
        new = [pod for key, pod in seen.items() if key not in self._by_id]
        if len(seen) != len(pods) or len(gone) + len(new) > len(pods) // 2:
            everywhere = {*self.usage.on_node}
            self.usage = usage_of(pods)
            # A pod that is listed twice counts twice, so it is not in the table of what is known.
            self._pods, self._by_id = pods, seen if len(seen) == len(pods) else {}
            return everywhere | {*self.usage.on_node}
        for pod in gone:
            self.usage.add_pod(pod, -1)
        for pod in new:
            self.usage.add_pod(pod)
        self._pods, self._by_id = pods, seen
        return {pod.node for pod in (*gone, *new) if pod.node is not None}

    def pool(self, view: ClusterView) -> NodePool:
        """Return the nodes' free room after the pods that are on them."""
        if self._pool is None:
            self._pool = NodePool(view.nodes, self._used, self._residents, view.namespace_labels)
        return self._pool

    def empty_pool(self) -> NodePool:
        """Return the room of empty nodes; nodes that are not ready may be again."""
        if self._empty is None:
            ready = [node if node.ready else replace(node, ready=True) for node in self._nodes]
            self._empty = NodePool(ready, lambda _: ({}, 0))
        return self._empty

    def _used(self, node: str) -> tuple[Mapping[str, int], int]:
        tally = self.usage.on_node.get(node)
        return (tally.requests, tally.pods) if tally else ({}, 0)

    def _residents(self) -> Iterator[tuple[str, Company]]:
        for pod in self._pods:
            if pod.node is not None and pod.counts_node:
                yield pod.node, company_of(pod)

    def rules(
        self,
        namespace: str,
        quotas: Iterable[QuotaView],
        limit_ranges: Iterable[LimitRangeView],
        capacity: Mapping[str, int] | None,
        default_class: str,
    ) -> QuotaRules:
        """Return what limits a namespace."""
        ordered = sorted(quotas, key=lambda quota: quota.name)
        limits = [(quota.name, quota.hard, quota.keys, quota.scopes) for quota in ordered]
        written = (limits, list(limit_ranges), dict(capacity or {}), capacity is None, default_class)
        known = self._rules.get(namespace)
        if known is None or known[0] != written:
            rules = QuotaRules(namespace, ordered, written[1], capacity, default_class)
            known = self._rules[namespace] = (written, rules)
        return known[1]

    def totals(self, view: ClusterView) -> Mapping[str, int]:
        """Return what the cluster has: its nodes, or where these are not known, its quotas."""
        if not view.nodes:
            return _sum_of_quotas(view.quotas)
        if self._totals is None:
            totals: dict[str, int] = {}
            for node in view.nodes:
                for name, amount in node.allocatable.items():
                    totals[name] = totals.get(name, 0) + amount
            self._totals = totals
        return self._totals


def _sum_of_quotas(quotas: Iterable[QuotaView]) -> Mapping[str, int]:
    """Return the sum over namespaces of the tightest limit on each resource."""
    tightest: dict[tuple[str, str], int] = {}
    for quota in quotas:
        for key, hard in quota.hard.items():
            limited = (quota.namespace, resource_of(key))
            tightest[limited] = min(hard, tightest.get(limited, hard))
    totals: dict[str, int] = {}
    for (_, resource), hard in tightest.items():
        totals[resource] = totals.get(resource, 0) + hard
    return totals


_memories: OrderedDict[str, ClusterMemory] = OrderedDict()
_lock = threading.Lock()


def recall(view: ClusterView, borrower: ClusterRoom) -> ClusterMemory:
    """Return what is remembered of a cluster, brought up to date.

    :param borrower: as long as it lives nobody else gets the same memory.
    """
    with _lock:
        memory = _memories.get(view.cluster_id)
        if memory is None or (memory.borrower is not None and memory.borrower() is not None):
            memory = _memories[view.cluster_id] = ClusterMemory()
        _memories.move_to_end(view.cluster_id)
        while len(_memories) > _CLUSTERS:
            _memories.popitem(last=False)
        memory.borrower = weakref.ref(borrower)
    memory.look(view)
    return memory


def forget() -> None:
    """Forget everything; nothing but the time of the next decision changes."""
    with _lock:
        _memories.clear()
