# SPDX-License-Identifier: Apache-2.0
"""Kueue's baseline once more, through the whole store: PostgreSQL, the real arbiter, instant workers.

15,000 tasks defer in 60 seconds, as they do in the simulator's run of the same file; the arbiter takes them
in, decides, resumes them and sees them end. What is stood in for is the cluster (quotas without pods) and
the workers (a process that works on Airflow's tables, see ``stand_in_workers``). The simulator's figures are
the core alone; the difference is what the database costs.
"""

from __future__ import annotations

import cProfile
import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from airflow_priority_spark.scheduling.model import QuotaView
from airflow_priority_spark.simulator.run import simulate
from airflow_priority_spark.simulator.summary import summarize
from airflow_priority_spark.simulator.ticks import seconds
from airflow_priority_spark.simulator.workload import Arrival
from benchmarks import store_site as sites
from benchmarks.bench_simulator import mean_wait, workload
from benchmarks.figures import Figures, Target, top_of

NAME = "kueue-baseline"
TARGET_SECONDS = 108.0
#: A quick run takes so many of the thirty queues: the load of one is the same, the machine's is not.
QUICK_QUEUES = 3
PATIENCE_SECONDS = 240.0
#: From one cycle's begin to the next one's, at least; the loop itself, when woken all the time, rests
#: ``arbiter.loop.MIN_PAUSE`` between two.
PERIOD_SECONDS = 0.02
#: Ends of tasks are seen in every cycle; the other comparisons with Airflow can wait, as they do by default.
LOOP = {"poll_interval_seconds": 0.1, "reconcile_interval_seconds": 5.0, "lease_seconds": 30.0}


def run(*, full: bool) -> Figures:
    """Run the baseline, quickly with a tenth of its queues."""
    site, arrivals = workload(NAME)
    if not full:
        few = {plan.namespace for plan in site.queues[:QUICK_QUEUES]}
        site = replace(site, queues=site.queues[:QUICK_QUEUES])
        arrivals = [item for item in arrivals if item.namespace in few]
    core = summarize(site, simulate(site, arrivals), 0.0)
    profile = cProfile.Profile()
    with sites.site() as database:
        found = _play(database, site, arrivals, profile)
    rows = [
        _row("core only (simulator)", site, arrivals, core["makespan_s"], _core_waits(core)),
        _row("with PostgreSQL", site, arrivals, found["makespan_s"], _store_waits(found["waits"], arrivals)),
    ]
    rows[1] |= {
        "cycles": found["cycles"],
        "unfinished": found["unfinished"],
        "latest_deferral_s": found["late_s"],
    }
    return Figures(
        name="baseline" if full else "baseline-quick",
        question="Kueue's baseline through the store",
        settings={
            **LOOP,
            "period_seconds": PERIOD_SECONDS,
            "batch_size": site.rules.batch_size,
            "head_protection_seconds": seconds(int(site.rules.head_rules.protection_seconds)),
            "pools": {pool.name: pool.weight for pool in site.queues[0].pools},
            "postgresql": "fsync on",
        },
        rows=rows,
        bounds=_bounds(found, profile),
        targets=[Target("makespan with PostgreSQL, s", found["makespan_s"], TARGET_SECONDS, at_most=True)],
    )


def _bounds(found: dict[str, Any], profile: cProfile.Profile) -> list[str]:
    """Say what the difference to the simulator is made of."""
    cycle_ms = found["busy_seconds"] / found["cycles"] * 1000
    return [
        f"arbiter: busy {found['busy']:.0%} of the time; {found['on_cpu']:.0%} of that on a CPU, the rest "
        "waiting for PostgreSQL or for its turn",
        "hand-over of room: the cycle that sees an end also gives its room away; a cycle takes "
        f"{cycle_ms:.0f} ms on average, and half of another passes before it begins",
        *(f"arbiter: {line}" for line in top_of(profile, 6)),
    ]


def _row(case: str, site, arrivals, makespan: float, waits: dict[str, float]) -> dict[str, Any]:
    return {
        "case": case,
        "queues": len(site.queues),
        "jobs": len(arrivals),
        "makespan_s": makespan,
        "admissions_per_s": len(arrivals) / makespan,
        **{f"mean_wait_{pool}_s": waits[pool] for pool in ("large", "medium", "small")},
    }


def _core_waits(summary: dict[str, Any]) -> dict[str, float]:
    return {pool: mean_wait(summary, pool) for pool in ("large", "medium", "small")}


def _store_waits(waits: dict[str, float], arrivals: list[Arrival]) -> dict[str, float]:
    found = defaultdict(list)
    for item in arrivals:
        if item.job_id in waits:
            found[item.pool].append(waits[item.job_id])
    return {pool: sum(values) / len(values) for pool, values in found.items()}


def _play(database: sites.Site, site, arrivals: list[Arrival], profile: cProfile.Profile) -> dict[str, Any]:
    pools = {plan.namespace: {pool.name: pool.weight for pool in plan.pools} for plan in site.queues}
    sites.ensure_queues(database, pools)
    plan, names = _plan(database, arrivals)
    heads = site.rules.head_rules
    world = sites.world(
        database,
        sites.cluster_view(
            quotas=tuple(
                QuotaView(plan.namespace, "quota", plan.quota, type(plan.quota)(), plan.quota_keys)
                for plan in site.queues
            )
        ),
        batch_size=site.rules.batch_size,
        head_protection_seconds=seconds(int(heads.protection_seconds)),
        **LOOP,
    )
    command = [sys.executable, str(Path(__file__).parent / "stand_in_workers.py")]
    workers = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        workers.stdin.write(json.dumps(plan) + "\n")
        workers.stdin.flush()
        assert workers.stdout.readline() == "ready\n"
        workers.stdin.write("go\n")
        workers.stdin.flush()
        answer = _run_arbiter(world, workers, profile)
    finally:
        workers.kill()
        workers.wait()
    answer["waits"] = {names[ti]: wait for ti, wait in answer["waits"].items()}
    return answer


def _run_arbiter(world: Any, workers: subprocess.Popen, profile: cProfile.Profile) -> dict[str, Any]:
    """Run cycles one after the other until the workers are done; return their answer and what it took."""
    answers: list[str] = []
    reader = threading.Thread(target=lambda: answers.append(workers.stdout.readline()), daemon=True)
    reader.start()
    cycles, worked, began, cpu = 0, 0.0, time.perf_counter(), time.process_time()
    while reader.is_alive():
        start = time.perf_counter()
        # Profiling doubles the cost of a cycle; one in fifty shows what the others do.
        profile.runcall(world.loop.cycle) if cycles % 50 == 49 else world.loop.cycle()
        took = time.perf_counter() - start
        cycles, worked = cycles + 1, worked + took
        time.sleep(max(0.0, PERIOD_SECONDS - took))
    return {
        **json.loads(answers[0]),
        "cycles": cycles,
        "busy_seconds": worked,
        "busy": worked / (time.perf_counter() - began),
        "on_cpu": (time.process_time() - cpu) / worked,
    }


def _plan(database: sites.Site, arrivals: list[Arrival]) -> tuple[dict[str, Any], dict[str, str]]:
    """Write a task instance for each arrival; return the workers' plan and task instance → arrival."""
    lines: dict[tuple[str, str], list[Arrival]] = defaultdict(list)
    for item in arrivals:
        lines[item.namespace, item.pool].append(item)
    sites.make_tasks(database, {".".join(line): len(items) for line, items in lines.items()})
    with database.session() as session:
        rows = session.execute(text("SELECT task_id, map_index, id::text FROM task_instance"))
        ids = {(task_id, index): ti for task_id, index, ti in rows}
    kwargs = {line: sites.request(*line, items[0].demand) for line, items in lines.items()}
    order = list(kwargs)
    planned, names = [], {}
    for line, items in lines.items():
        for index, item in enumerate(items):
            ti = ids[".".join(line), index]
            names[ti] = item.job_id
            planned.append((seconds(item.at), ti, order.index(line), seconds(item.runtime)))
    plan = {
        "dsn": database.dsn,
        "arrivals": sorted(planned),
        "kwargs": list(kwargs.values()),
        "patience_seconds": PATIENCE_SECONDS,
    }
    return plan, names
