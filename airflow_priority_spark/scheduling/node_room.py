# SPDX-License-Identifier: Apache-2.0
"""Room on nodes during one decision: whom they hold, who was promised some, what heads reserve.

Everybody's pods are on the nodes already; pods of others that have none yet take theirs first, then
what grants promise, and what is left is asked for job by job. Nothing is given back inside a
decision, so a demand that found no nodes once need not be looked for again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airflow_priority_spark.scheduling.explain import crowded, shortage
from airflow_priority_spark.scheduling.memory import ClusterMemory
from airflow_priority_spark.scheduling.model import Blocked, ClusterView, Demand, QueuedJob
from airflow_priority_spark.scheduling.nodes import NodePool, Piece, Taken
from airflow_priority_spark.scheduling.placement import (
    can_place,
    fits_alone,
    groups_of,
    hardness,
    is_exact,
    place,
    place_what_fits,
    sets_of,
    size,
)
from airflow_priority_spark.scheduling.search import Group, fill_what_fits
from airflow_priority_spark.scheduling.shelf import Vector
from airflow_priority_spark.scheduling.usage import Company, Promises

#: Room that a protecting head will use, node by node.
Reserved = Mapping[int, Vector]


class NodeRoom:
    """The nodes of one cluster during one decision.

    :param memory: of the cluster, up to date.
    :param promises: what its grants promise.
    """

    def __init__(self, view: ClusterView, memory: ClusterMemory, promises: Promises) -> None:
        self._view, self._memory = view, memory
        self._usage = memory.usage
        self._pool = memory.pool(view)
        self._pool.social = self._usage.social > 0
        self._promised: dict[str, Taken] = {}
        self._refused: dict[tuple[str, Demand, bool], Blocked] = {}
        place_what_fits(self._pool, list(self._usage.foreign.items()))
        self._place_promised(promises)

    def _place_promised(self, promises: Promises) -> None:
        pool, waiting = self._pool, []
        for unplaced in (self._usage.unbound, promises.unplaced):
            for namespace, shapes in unplaced.items():
                for shape, party in shapes.items():
                    waiting.append((hardness(pool, shape, size(party)), namespace, shape, party))
        for _, namespace, shape, party in sorted(waiting, key=lambda item: item[:2]):
            taken = fill_what_fits(pool, shape, party, anyhow=True)
            self._promised.setdefault(namespace, []).extend(taken)

    def groups(self, job: QueuedJob, demand: Demand) -> list[Group]:
        """Return the pods of a job that still need a node; its placeholders stand for the others."""
        missing = []
        for pods in demand.pod_sets:
            there = self._usage.placeholders.get((job.job_id, pods.name), 0)
            missing.append(replace(pods, count=max(0, pods.count - there)) if there else pods)
        kept = replace(demand, pod_sets=tuple(missing)) if missing != list(demand.pod_sets) else demand
        return groups_of(kept, job.queue.namespace, job.job_id)

    def impossible(self, namespace: str, demand: Demand) -> Blocked | None:
        """Return why even empty nodes could not hold a demand, or ``None``."""
        if not self._view.nodes:
            return None
        never = self._memory.never
        if demand not in never:
            never[demand] = self._ask_empty_nodes(groups_of(demand, namespace))
        return never[demand]

    def _ask_empty_nodes(self, groups: Sequence[Group]) -> Blocked | None:
        """Ask without the company of others: that changes as pods come and go."""
        empty = self._memory.empty_pool()
        alone = [group._replace(company=Company("")) for group in groups]
        if not can_place(empty, alone) and (is_exact(empty, alone) or not fits_alone(empty, alone)):
            return shortage(empty, alone, "even on empty nodes")
        return next((why for group in groups if (why := crowded(empty, group))), None)

    def place(self, job: QueuedJob, demand: Demand, respected: Mapping[str, Reserved]) -> Blocked | None:
        """Take a job's room, all of it or nothing.

        :param respected: protected heads whose reserved room it keeps off.
        :return: why it finds no nodes, ``None`` when it was taken.
        """
        groups = self.groups(job, demand)
        # The same pods of two jobs fit or do not, unless some of them are there already.
        key = (job.queue.namespace, demand, sum(group.number for group in groups) == _pods(demand))
        if key in self._refused:
            return self._refused[key]
        taken = place(self._pool, groups)
        if taken is None:
            verdict = shortage(self._pool, groups)
            if key[2]:
                self._refused[key] = verdict
            return verdict
        if any(_touches(self._pool, taken, reserved) for reserved in respected.values()):
            self._pool.give_back(taken)
            return self._place_beside(groups, respected)
        return None

    def _place_beside(self, groups: Sequence[Group], respected: Mapping[str, Reserved]) -> Blocked | None:
        """Place pods on what the protected heads leave."""
        withheld: Taken = []
        for reserved in respected.values():
            for node, kept in reserved.items():
                free = self._pool.free(node)
                piece = Piece(
                    node, tuple([max(0, min(want, have)) for want, have in zip(kept, free, strict=True)])
                )
                self._pool.take(piece)
                withheld.append(piece)
        taken = place(self._pool, groups)
        holder = f"what protected head {', '.join(respected)} leaves"
        verdict = None
        if taken is None:
            short = shortage(self._pool, groups)
            verdict = replace(short, holder=holder, detail=f"{short.detail}, counting only {holder}")
        self._pool.give_back(withheld)
        return verdict

    def place_anyhow(self, job: QueuedJob, demand: Demand) -> None:
        """Take what there is of a job's room."""
        place_what_fits(self._pool, sets_of(self.groups(job, demand)))

    def reserve(self, job: QueuedJob, demand: Demand) -> Reserved:
        """Return the room that a blocked head will use, node by node.

        The nodes are found on the picture with the queue's own jobs gone: these will end, and the
        choice stays the same from cycle to cycle while they do, so the reserved room only grows.
        """
        pool, namespace = self._pool, job.queue.namespace
        ending = list(self._promised.get(namespace, ()))
        for (name, requests), number in self._usage.job_pods.get(namespace, {}).items():
            if name in pool.index:
                ending.append(Piece(pool.index[name], pool.need(requests).vector, number))
        pool.give_back(ending)
        groups = self.groups(job, demand)
        taken = place(pool, groups)
        if taken is None:
            taken = place_what_fits(pool, sets_of(groups))
        pool.give_back(taken)
        for piece in ending:
            pool.take(piece)
        reserved: dict[int, Vector] = {}
        for piece in taken:
            before = reserved.get(piece.node, (0,) * len(piece.amount))
            amounts = zip(before, piece.amount, strict=True)
            reserved[piece.node] = tuple([one + each * piece.times for one, each in amounts])
        return reserved


def _pods(demand: Demand) -> int:
    return sum(max(0, pods.count) for pods in demand.pod_sets)


def _touches(pool: NodePool, taken: Taken, reserved: Reserved) -> bool:
    """Tell whether room was taken that a protected head waits for."""
    for piece in taken:
        kept = reserved.get(piece.node)
        if kept is not None and any(
            part > 0 and have < want
            for part, have, want in zip(piece.amount, pool.free(piece.node), kept, strict=True)
        ):
            return True
    return False
