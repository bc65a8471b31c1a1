# SPDX-License-Identifier: Apache-2.0
"""From tables and watches to the one immutable picture that a decision is made from.

A picture holds the first few jobs of each pool. Nearly always they decide everything; when a decision
comes to the end of what was read of some pool, ``deepen`` reads on there, and it is made once more.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.applications import Applications
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.eligibility import Answer, Eligibility
from airflow_priority_spark.arbiter.learning import Learned
from airflow_priority_spark.cluster.applications import ApplicationView
from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Decisions,
    Demand,
    Grant,
    PodView,
    QueuedJob,
    QueueKey,
    Rules,
    Snapshot,
)
from airflow_priority_spark.spark.request import demand_from_json
from airflow_priority_spark.store.front import WaitingRow, aside, front
from airflow_priority_spark.store.grants import HeldGrant
from airflow_priority_spark.store.over_limits import passed_over
from airflow_priority_spark.store.queue_table import PoolKey, QueueTable

#: Jobs read of each pool at first: by a new leader, and later besides as many as were last admitted of one.
MANY: Final = 20
FEW: Final = 2
#: Jobs that do not wait for their turn, looked at per cycle, in rotation.
ASIDE: Final = 500


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Demand:
    """Read a demand; jobs of one make share the object, which makes them cheap to compare."""
    return demand_from_json(json.loads(text))


@dataclass(frozen=True, slots=True)
class Picture:
    """A snapshot, and the way back from its identifiers to the tables.

    :param eligibility: why a waiting job is not looked at (word, detail), ``(None, "")`` when it is.
    :param adopted: waiting jobs that take up an application they already have.
    :param abandoned: waiting jobs that had hoped to, and have none.
    :param cut: pools of which there may be more jobs than were read.
    """

    snapshot: Snapshot
    queues: QueueTable
    waiting: Mapping[str, WaitingRow]
    eligibility: Mapping[str, Answer]
    adopted: Mapping[str, ApplicationView]
    abandoned: Collection[str]
    cut: frozenset[PoolKey]


class Observer:
    """Builds pictures; remembers between them only what makes the next one cheaper."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._learned = Learned(context.settings.learned_seconds)
        self._pods: dict[str, tuple[Sequence[PodView], frozenset[str]]] = {}
        self._after = ""
        self._judge: Eligibility | None = None
        #: DAGs known to be paused: their jobs are being held, and not read until then.
        self.paused_dags: frozenset[str] = frozenset()
        self._depth = MANY

    @property
    def rotating(self) -> bool:
        """There is more standing aside than the last picture showed."""
        return bool(self._after)

    def picture(
        self,
        session: Session,
        queues: QueueTable,
        views: Mapping[str, ClusterView],
        applications: Applications,
        held: Sequence[HeldGrant],
        rules: Rules,
        now: datetime.datetime,
        resting: frozenset[QueueKey] = frozenset(),
    ) -> Picture:
        """Read the tables: as many statements for ten waiting jobs as for ten thousand.

        :param held: what is granted at the moment.
        :param resting: queues that rest, whose jobs need not be read.
        """
        held = [grant for grant in held if grant.queue_id in queues.keys]
        grants = [_grant(grant, queues) for grant in held]
        depth = min(self._depth, rules.batch_size + 1)
        pools = None
        if resting:
            pools = [pool_id for (key, _), pool_id in queues.pool_ids.items() if key not in resting]
        rows = front(session, depth, passed_over(rules, grants, self.paused_dags), pool_ids=pools)
        cut = _cut(rows, depth, queues)
        rows = [*rows, *self._aside(session)]
        known = [(queues.keys[row.queue_id], row) for row in rows if row.queue_id in queues.keys]
        views = self._learned.overlay(views, known, now)
        self._judge = Eligibility(self._context, views, applications, held, self._busy(views))
        snapshot = Snapshot(
            clusters=tuple(view for _, view in sorted(views.items())),
            queues=queues.views,
            jobs=(),
            grants=tuple(grants),
            rules=rules,
            resting=resting,
        )
        empty = Picture(snapshot, queues, {}, {}, self._judge.adopted, self._judge.abandoned, cut)
        return self._with(empty, known)

    def deepen(self, session: Session, picture: Picture, decisions: Decisions) -> Picture | None:
        """Read on where a decision used up what was read; ``None`` when it did so nowhere."""
        ends = {
            place for place in picture.cut if place in decisions.pools and not decisions.pools[place].head_id
        }
        if not ends:
            return None
        queues, rules = picture.queues, picture.snapshot.rules
        admitted = {admission.job_id for admission in decisions.admissions}
        new = [job for job in picture.snapshot.jobs if job.job_id in admitted]
        holders: list[Grant | QueuedJob] = [*picture.snapshot.grants, *new]
        seen = Counter((job.queue, job.pool) for job in picture.snapshot.jobs)
        deepest = max(seen[place] for place in ends)
        # Nearly always a few more will do; only who admits many of one pool pays for reading as many.
        depth = MANY if deepest < MANY else rules.batch_size + deepest
        ids = {queues.pool_ids[place] for place in ends}
        rows = front(session, depth, passed_over(rules, holders, self.paused_dags), pool_ids=ids)
        cut = (picture.cut - ends) | _cut(rows, depth, queues)
        known = [
            (queues.keys[row.queue_id], row)
            for row in rows
            if row.queue_id in queues.keys and row.id not in picture.waiting
        ]
        return self._with(replace(picture, cut=cut), known) if known else None

    def expect(self, decisions: Decisions) -> None:
        """Read next time of each pool what a decision like this one needs."""
        of_pools = Counter((admission.queue, admission.pool) for admission in decisions.admissions)
        self._depth = FEW + max(of_pools.values(), default=0)

    def _with(self, picture: Picture, rows: Iterable[tuple[QueueKey, WaitingRow]]) -> Picture:
        """Add waiting jobs to a picture."""
        waiting, eligibility = dict(picture.waiting), dict(picture.eligibility)
        jobs = list(picture.snapshot.jobs)
        for key, row in rows:
            if self._judge is not None and row.id not in waiting:
                waiting[row.id] = row
                answer = eligibility[row.id] = self._judge.of(row, key.cluster_id)
                jobs.append(_queued(row, key, answer, adopted=row.id in picture.adopted))
        return replace(
            picture,
            snapshot=replace(picture.snapshot, jobs=tuple(jobs)),
            waiting=waiting,
            eligibility=eligibility,
        )

    def _aside(self, session: Session) -> Sequence[WaitingRow]:
        rows = aside(session, ASIDE, self._after)
        if not rows and self._after:
            rows = aside(session, ASIDE)
        self._after = rows[-1].id if len(rows) == ASIDE else ""
        return rows

    def _busy(self, views: Mapping[str, ClusterView]) -> frozenset[str]:
        """Return the jobs that have pods on a node; counted anew only where pods have changed."""
        for cluster_id, view in views.items():
            if self._pods.get(cluster_id, (None,))[0] is not view.pods:
                jobs = frozenset(
                    pod.job_id for pod in view.pods if pod.job_id and pod.counts_node and not pod.placeholder
                )
                self._pods[cluster_id] = (view.pods, jobs)
        return frozenset().union(*(self._pods[cluster_id][1] for cluster_id in views))


def _cut(rows: Iterable[WaitingRow], depth: int, queues: QueueTable) -> frozenset[PoolKey]:
    counts = Counter((row.queue_id, row.pool) for row in rows)
    return frozenset(
        (queues.keys[queue_id], pool)
        for (queue_id, pool), count in counts.items()
        if count >= depth and queue_id in queues.keys
    )


def _grant(row: HeldGrant, queues: QueueTable) -> Grant:
    return Grant(
        job_id=row.job_id,
        queue=queues.keys[row.queue_id],
        demand=_parsed(row.demand),
        pool=row.pool,
        user=row.user or "",
        service=row.service or "",
    )


def _queued(row: WaitingRow, key: QueueKey, answer: Answer, *, adopted: bool) -> QueuedJob:
    ineligible, detail = answer
    return QueuedJob(
        job_id=row.id,
        queue=key,
        pool=row.pool,
        position=(row.position_at.timestamp(), row.position_id),
        demand=_parsed(row.demand),
        ineligible=ineligible,
        ineligible_detail=detail,
        unchecked=row.flow != "priority" or adopted,
        readmission=row.admission > 0,
        user=row.user or "",
        service=row.service or "",
        head_retries=row.head_retries,
    )
