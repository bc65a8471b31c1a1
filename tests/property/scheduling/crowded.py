# SPDX-License-Identifier: Apache-2.0
"""Crowded pictures drawn from a seed: every rule has something to say in most of them.

Two queues of one cluster and one of another, tight quotas, few users; heads that have been blocked for
a while; limits everywhere, seldom so low that nothing goes.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Demand,
    Grant,
    HeadRules,
    Ineligible,
    PodSet,
    PoolView,
    QueuedJob,
    QueueKey,
    QueueView,
    QuotaView,
    Rules,
    Snapshot,
)
from airflow_priority_spark.scheduling.order import fifo_key
from airflow_priority_spark.scheduling.resources import Resources

NOW = 10_000.0
KEYS = (QueueKey("c", "team-a"), QueueKey("c", "team-b"), QueueKey("d", "team-a"))
POOLS = (("high", "normal"), ("urgent", "high", "normal"), ("normal",))


def _cores(cpu: int) -> Demand:
    return Demand((PodSet("driver", 1, Resources({"cpu": cpu * 1000, "memory": 2**30})),))


def _limit(rng: random.Random, low: int = 1) -> int | None:
    return rng.randint(low, 5) if rng.random() < 0.25 else None


def _head_rules(rng: random.Random) -> HeadRules:
    return HeadRules(
        rng.choice((0.0, 100.0, 500.0, 3600.0)),
        rng.randint(0, 2),
        rng.choice(("keep", "tail")),
        rng.choice(("cancel", "hold")),
        rng.choice((0.0, 300.0)),
    )


def _jobs(rng: random.Random, key: QueueKey, pool: str) -> list[QueuedJob]:
    return [
        QueuedJob(
            f"{key.cluster_id}-{key.namespace}-{pool}-{number}",
            key,
            pool,
            (float(rng.randint(0, 5)), rng.randint(0, 2)),
            _cores(rng.choice((1, 2, 3, 30 if rng.random() < 0.1 else 6))),
            Ineligible.HELD if rng.random() < 0.1 else None,
            unchecked=rng.random() < 0.05,
            readmission=rng.random() < 0.1,
            user=rng.choice(("", "ada", "bob")),
            service=rng.choice(("", "etl")),
            head_retries=rng.randint(0, 2),
        )
        for number in range(rng.randint(0, 6))
    ]


def _pool(rng: random.Random, name: str, jobs: list[QueuedJob]) -> PoolView:
    eligible = [job for job in jobs if job.ineligible is None and not job.unchecked]
    head = min(eligible, key=fifo_key).job_id if eligible and rng.random() < 0.7 else None
    since = NOW - rng.choice((0.0, 60.0, 90.0, 480.0, 2000.0, 4000.0)) if head else None
    return PoolView(
        name,
        rng.choice((90, 10, 20)),
        rng.randint(-50, 50),
        head,
        since,
        since if rng.random() < 0.9 else None,
        NOW - 30.0 if since is not None and rng.random() < 0.2 else None,
        rng.choice((0, 0, 50)) if head else 0,
        _head_rules(rng) if rng.random() < 0.3 else None,
        _limit(rng),
    )


def crowded(seed: int) -> Snapshot:
    """Return a picture."""
    rng = random.Random(seed)
    queues, jobs, grants, quotas = [], [], [], defaultdict(list)
    for key in KEYS:
        pools = []
        for name in rng.choice(POOLS):
            mine = _jobs(rng, key, name)
            pools.append(_pool(rng, name, mine))
            jobs += mine
            grants += [
                Grant(
                    f"run-{key.cluster_id}-{key.namespace}-{name}-{number}",
                    key,
                    _cores(1),
                    name,
                    rng.choice(("", "ada", "bob")),
                    rng.choice(("", "etl")),
                )
                for number in range(rng.randint(0, 2))
            ]
        policy = "strict" if rng.random() < 0.2 else "weighted"
        paused = rng.random() < 0.1
        queues.append(
            QueueView(key, tuple(pools), rng.randint(1, 3), policy, paused=paused, limit=_limit(rng, 3))
        )
        hard = Resources({"cpu": rng.choice((3, 6, 12)) * 1000})
        quotas[key.cluster_id].append(QuotaView(key.namespace, "q", hard, Resources(), frozenset({"cpu"})))
    clusters = tuple(
        ClusterView(name, quotas=tuple(found), mode="quota", fresh=rng.random() < 0.9, limit=_limit(rng, 4))
        for name, found in quotas.items()
    )
    rules = Rules(
        rng.choice((20, 20, 3, 1)),
        _head_rules(rng),
        rng.random() < 0.8,
        _limit(rng, 4),
        _limit(rng),
        _limit(rng),
        _limit(rng),
    )
    return Snapshot(clusters, tuple(queues), tuple(jobs), tuple(grants), rules)


def in_lines(picture: Snapshot, chosen: set[str]) -> Snapshot:
    """Return the same picture with some of its jobs handed in as lines."""
    lines = defaultdict(list)
    for job in sorted(picture.jobs, key=fifo_key):
        if job.job_id in chosen and not job.unchecked:
            lines[job.queue, job.pool].append(job)
    moved = {job.job_id for line in lines.values() for job in line}
    rest = tuple(job for job in picture.jobs if job.job_id not in moved)
    return replace(picture, jobs=rest, lines=dict(lines))
