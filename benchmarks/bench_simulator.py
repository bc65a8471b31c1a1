# SPDX-License-Identifier: Apache-2.0
"""Kueue's own performance workloads through the simulator: what the rules make of them, without a database.

The queues are namespaces that do not borrow from each other. For comparison: an ideal scheduler that takes
whatever fits and does not borrow needs 89.5 s for the baseline, none is faster than 66 s, and Kueue, with
borrowing and all its API writes, takes 351 s in its CI.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from airflow_priority_spark.cli.workload_file import read_workload
from airflow_priority_spark.simulator.run import simulate
from airflow_priority_spark.simulator.summary import summarize
from benchmarks.figures import Figures, Target, bounded_by

WORKLOADS = Path(__file__).parent / "workloads"
#: No schedule is faster: all CPU seconds on all CPUs.
FLOOR_SECONDS = {"kueue-baseline": 66.0, "kueue-large-scale": 4.025}
TARGET_SECONDS = 95.0


def workload(name: str):
    """Return site and arrivals of one of the files."""
    path = WORKLOADS / f"{name}.yaml"
    found = read_workload(path.read_text(), path.name)
    return found.site, found.arrivals()


def measure(name: str) -> dict[str, Any]:
    """Run a workload and return its row."""
    site, arrivals = workload(name)
    began = time.perf_counter()
    outcome = simulate(site, arrivals)
    wall = time.perf_counter() - began
    summary = summarize(site, outcome, wall)
    usage = list(summary["usage_pct"].values())
    return {
        "case": name,
        "queues": len(site.queues),
        "jobs": len(arrivals),
        "admitted": summary["admitted"],
        "makespan_s": summary["makespan_s"],
        "floor_s": FLOOR_SECONDS[name],
        "usage_pct": sum(usage) / len(usage),
        **{f"mean_wait_{pool}_s": mean_wait(summary, pool) for pool in ("large", "medium", "small")},
        "wall_s": wall,
        "cycles": outcome.cycles,
        "verdicts_per_s": outcome.decisions / wall,
        "admissions_per_s": summary["admitted"] / wall,
    }


def mean_wait(summary: dict[str, Any], pool: str) -> float:
    """Return the mean over the queues, which have as many jobs each."""
    waits = [pools[pool]["mean"] for pools in summary["wait_s"].values()]
    return sum(waits) / len(waits)


def run(*, full: bool) -> Figures:
    """Run the baseline, and in full the large-scale variant."""
    names = ["kueue-baseline", *(["kueue-large-scale"] if full else [])]
    rows = [measure(name) for name in names]
    site, arrivals = workload("kueue-baseline")
    return Figures(
        name="simulator" if full else "simulator-quick",
        question="Kueue's performance workloads through the same decide, no database",
        settings={
            "pools": {pool.name: pool.weight for pool in site.queues[0].pools},
            "head_protection_seconds": site.rules.head_rules.protection_seconds / 1e6,
            "batch_size": site.rules.batch_size,
        },
        rows=rows,
        bounds=[
            "makespan: large jobs need a whole queue; room idles while a protected one gathers it",
            *(f"wall: {line}" for line in bounded_by(lambda: simulate(site, arrivals))),
        ],
        targets=[Target("baseline makespan s", rows[0]["makespan_s"], TARGET_SECONDS, at_most=True)],
    )
