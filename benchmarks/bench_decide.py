# SPDX-License-Identifier: Apache-2.0
"""How long one decision takes, as a multiple of one plain pass over all pods.

Seconds depend on the machine; the ratio to summing every pod's requests by node does not, much, and
no decision that looks at the pods can be cheaper than that. Run it with ``--quick`` for a tenth of
the size. The table goes to standard output, the JSON to ``--json FILE`` or below the table.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import (
    ClusterView,
    Demand,
    Grant,
    NodeView,
    PodSet,
    PodView,
    PoolView,
    QueuedJob,
    QueueKey,
    QueueView,
    QuotaView,
    Rules,
    Snapshot,
)
from airflow_priority_spark.scheduling.resources import Resources

GIB = 2**30
FULL = {"nodes": 2_000, "pods": 20_000, "queues": 100, "jobs": 10_000}
SCENARIOS = ("room for a batch", "quota is full", "nodes are full", "heads protect", "every node differs")


def amounts(cpu: float, memory: float) -> Resources:
    return Resources({"cpu": int(cpu * 1000), "memory": int(memory * GIB)})


def demand(rng: random.Random, scenario: str) -> Demand:
    """Return one of many different demands; on full nodes, executors that no hole can take."""
    cpu, memory = (12, 60) if scenario in ("nodes are full", "heads protect") else (rng.choice((1, 2, 4)), 0)
    executor = amounts(cpu, memory or rng.uniform(1, 16))
    return Demand((PodSet("driver", 1, amounts(1, 2)), PodSet("executor", rng.randint(1, 20), executor)))


def snapshot(sizes: dict[str, int], scenario: str) -> Snapshot:
    """Return a busy cluster: running jobs with their pods, waiting jobs in two pools of every queue."""
    rng = random.Random(7)
    keys = [QueueKey("cluster", f"team-{index:03}") for index in range(sizes["queues"])]
    nodes = tuple(
        NodeView(f"node-{index:05}", amounts(16, 64) + Resources({"pods": 110}))
        for index in range(sizes["nodes"])
    )
    pods, grants = [], []
    running = sizes["pods"] // 10
    for number in range(running):
        key = keys[number % len(keys)]
        memory = rng.uniform(2, 4) if scenario == "every node differs" else 3
        shape = amounts(1, memory)
        grants.append(
            Grant(f"run-{number}", key, Demand((PodSet("driver", 1, shape), PodSet("executor", 9, shape))))
        )
        for index in range(10):
            node = nodes[(number * 10 + index) % len(nodes)].name
            role = "executor" if index else "driver"
            pods.append(
                PodView(
                    key.namespace, f"run-{number}-{index}", node, shape, job_id=f"run-{number}", pod_set=role
                )
            )
    factor = 1 if scenario == "quota is full" else 4
    share = running * 10 // len(keys)
    hard = Resources({"requests.cpu": share * 1000 * factor, "requests.memory": share * 3 * GIB * factor})
    quotas = tuple(QuotaView(key.namespace, key.namespace, hard, Resources()) for key in keys)
    jobs = []
    for number in range(sizes["jobs"]):
        key = keys[number % len(keys)]
        pool = "high" if number // len(keys) % 2 == 0 else "normal"
        jobs.append(QueuedJob(f"job-{number}", key, pool, (float(number), number), demand(rng, scenario)))
    cluster = ClusterView("cluster", nodes, tuple(pods), quotas)
    since = 0.0 if scenario == "heads protect" else None
    queues = tuple(
        QueueView(key, (PoolView("high", 90, 0, f"job-{index}", since), PoolView("normal", 10)))
        for index, key in enumerate(keys)
    )
    return Snapshot((cluster,), queues, tuple(jobs), tuple(grants), Rules())


def plain_pass(view: Snapshot) -> None:
    """Sum every pod's CPU and memory by node: the baseline."""
    cpu: Counter[str | None] = Counter()
    memory: Counter[str | None] = Counter()
    for pod in view.clusters[0].pods:
        cpu[pod.node] += pod.requests["cpu"]
        memory[pod.node] += pod.requests["memory"]


def seconds(call: Callable[[], object], rounds: int) -> float:
    """Return the median of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, fewer rounds")
    parser.add_argument("--json", type=Path, help="write the JSON there")
    options = parser.parse_args()
    sizes = {name: size // 10 for name, size in FULL.items()} if options.quick else FULL
    rounds = 3 if options.quick else 5
    results = []
    print(", ".join(f"{size:,} {name}" for name, size in sizes.items()))
    print(f"{'scenario':20} {'decide ms':>10} {'pass ms':>8} {'ratio':>7} {'admitted':>9} {'blocked':>8}")
    for scenario in SCENARIOS:
        view = snapshot(sizes, scenario)
        decisions = decide(view, 1000.0)
        base = seconds(lambda view=view: plain_pass(view), rounds * 3)
        took = seconds(lambda view=view: decide(view, 1000.0), rounds)
        row = {
            "scenario": scenario,
            "decide_seconds": took,
            "plain_pass_seconds": base,
            "ratio": took / base,
            "admitted": len(decisions.admissions),
            "blocked": len(decisions.blocked),
        }
        results.append(row)
        print(
            f"{scenario:20} {took * 1e3:10.1f} {base * 1e3:8.1f} {took / base:7.1f}"
            f" {row['admitted']:9} {row['blocked']:8}"
        )
    text = json.dumps({"sizes": sizes, "baseline": plain_pass.__doc__, "results": results}, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
