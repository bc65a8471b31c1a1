# SPDX-License-Identifier: Apache-2.0
"""How many jobs a second ``decide`` alone admits, while the room lasts: everything waits, everything fits.

Thirty queues of three priority pools. What was admitted holds its grant, and on nodes its pods are bound,
before the next decision; only the decisions are timed.
"""

from __future__ import annotations

import cProfile
import time
from collections import deque
from dataclasses import replace
from typing import Any

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Decisions,
    Grant,
    NodeView,
    PoolView,
    QueuedJob,
    QueueKey,
    QueueView,
    QuotaView,
    Rules,
    Snapshot,
)
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.simulator.machines import Machines
from airflow_priority_spark.simulator.workload import demand_of, node_size
from benchmarks.figures import Figures, Target, top_of

GIB = 2**30
QUEUES, BATCH = 30, 1000
POOLS = {"large": (200, 4), "medium": (100, 2), "small": (50, 1)}
AMPLE = Resources({"requests.cpu": 10**9, "requests.memory": 10**16})


class Site:
    """Waiting jobs, and what becomes of the admitted ones."""

    def __init__(self, jobs: int, nodes: int, executors: int) -> None:
        self.keys = [QueueKey("bench", f"queue-{number:02}") for number in range(1, QUEUES + 1)]
        pools = tuple(PoolView(name, weight) for name, (weight, _) in POOLS.items())
        self.pools = {key: {pool.name: pool for pool in pools} for key in self.keys}
        demands = {name: demand_of(cpu * 1000, 2 * cpu * GIB, executors) for name, (_, cpu) in POOLS.items()}
        self.lines: dict[tuple[QueueKey, str], deque[QueuedJob]] = {
            (key, name): deque() for key in self.keys for name in POOLS
        }
        names = list(POOLS)
        for number in range(jobs):
            key, name = self.keys[number % QUEUES], names[number // QUEUES % len(names)]
            job = QueuedJob(f"job-{number}", key, name, (0.0, number), demands[name])
            self.lines[key, name].append(job)
        self.nodes = tuple(
            NodeView(f"node-{number:05}", node_size(64_000, 256 * GIB)) for number in range(nodes)
        )
        self.machines = Machines(self.nodes) if nodes else None
        self.quotas = tuple(
            QuotaView(key.namespace, "quota", AMPLE, Resources(), frozenset(AMPLE)) for key in self.keys
        )
        self.grants: list[Grant] = []

    def snapshot(self) -> Snapshot:
        """Return the picture."""
        cluster = ClusterView(
            "bench",
            self.nodes,
            self.machines.pods() if self.machines else (),
            self.quotas,
            mode="quota+nodes" if self.nodes else "quota",
        )
        queues = tuple(QueueView(key, tuple(pools.values())) for key, pools in self.pools.items())
        return Snapshot((cluster,), queues, (), tuple(self.grants), Rules(batch_size=BATCH), self.lines)

    def apply(self, decisions: Decisions) -> None:
        """Let the admitted jobs have their room."""
        for admission in decisions.admissions:
            job = self.lines[admission.queue, admission.pool].popleft()
            self.grants.append(Grant(job.job_id, job.queue, job.demand, job.pool))
            if self.machines is not None and not self.machines.start(job):
                raise AssertionError(f"{job.job_id} was admitted and finds no node")
        for (key, name), state in decisions.pools.items():
            self.pools[key][name] = replace(self.pools[key][name], **state._asdict())


def measure(jobs: int, nodes: int, executors: int, profile: cProfile.Profile | None = None) -> dict[str, Any]:
    """Admit all jobs and return the row.

    :param profile: collects the decisions when given; the figures are then of no use.
    """
    site, times, cpu = Site(jobs, nodes, executors), [], 0.0
    while any(site.lines.values()):
        snapshot = site.snapshot()
        if profile:
            profile.enable()
        began, began_cpu = time.perf_counter(), time.process_time()
        decisions = decide(snapshot, float(len(times)))
        times.append(time.perf_counter() - began)
        cpu += time.process_time() - began_cpu
        if profile:
            profile.disable()
        if not decisions.admissions:
            raise AssertionError(f"the room does not last: {next(iter(decisions.blocked.values()))}")
        site.apply(decisions)
    return {
        "case": f"{nodes:,} nodes, {1 + executors} pods each" if nodes else "no nodes",
        "jobs": jobs,
        "cycles": len(times),
        "ms_per_cycle": sum(times) / len(times) * 1000,
        "decisions_per_s": jobs / sum(times),
        "decisions_per_cpu_s": jobs / cpu,
        "pods_per_s": jobs * (1 + executors) / sum(times),
    }


def run(*, full: bool) -> Figures:
    """Measure without nodes and with; in full up to 50,000 jobs that hold room as well."""
    rows = [
        measure(10_000, 0, 0),
        measure(10_000, 500, 0),
        measure(10_000, 5_000, 0),
        measure(10_000, 5_000, 2),
    ]
    if full:
        rows += [measure(50_000, 0, 0), measure(50_000, 5_000, 0)]
    bounds = []
    for nodes, what in ((0, "no nodes"), (5_000, "5,000 nodes")):
        profile = cProfile.Profile()
        measure(10_000, nodes, 0, profile)
        bounds += [f"{what}: {line}" for line in top_of(profile, 4)]
    bounds.append("many jobs: every decision adds up anew what all grants hold")
    return Figures(
        name="decisions" if full else "decisions-quick",
        question="jobs admitted per second of decide alone",
        settings={"queues": QUEUES, "pools": len(POOLS), "batch_size": BATCH},
        rows=rows,
        bounds=bounds,
        targets=[
            Target("decisions/s without nodes", rows[0]["decisions_per_s"], 20_000),
            Target("decisions/s on 5,000 nodes", rows[2]["decisions_per_s"], 3_500),
        ],
    )
