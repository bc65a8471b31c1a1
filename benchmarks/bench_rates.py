# SPDX-License-Identifier: Apache-2.0
"""How fast the arbiter moves jobs through PostgreSQL: in, on to a worker, and out again.

Three rates of whole cycles over a burst of jobs: *intake* (deferred → parked, with a job), *admission*
(everything fits: grant, resume) and *reconcile* (task ended → grant released). Then one queue with room for
one job: the time from the end of a task to the resume of the next.
"""

from __future__ import annotations

import cProfile
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from airflow_priority_spark.scheduling.model import QuotaView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.simulator.workload import demand_of
from benchmarks import store_site as sites
from benchmarks.figures import Figures, Target, percentile, top_of

QUEUES, BATCH = 30, 1000
POOLS = {"high": 90, "normal": 10}
ONE = demand_of(1000, 2**30, 2)
HANDOVERS = 40
HAND_OVER = {"poll_interval_seconds": 0.1, "reconcile_interval_seconds": 0.2}
MAX_CYCLES = 2000


def run(*, full: bool) -> Figures:
    """Measure all four, with more jobs in full."""
    jobs = 15_000 if full else 1_500
    with sites.site() as database:
        rows, _ = _burst(database, jobs)
        _, bounds = _burst(database, jobs // 5, profiled=True)
        waits = _handovers(database)
    rows.append(
        {
            "case": "freed capacity → resumed task",
            "jobs": len(waits),
            "p50_ms": percentile(waits, 50) * 1000,
            "p95_ms": percentile(waits, 95) * 1000,
            "max_ms": max(waits) * 1000,
        }
    )
    return Figures(
        name="rates" if full else "rates-quick",
        question="jobs per second of whole cycles through PostgreSQL",
        settings={
            "queues": QUEUES,
            "batch_size": BATCH,
            "postgresql": "fsync on",
            "settle_seconds": 0,
            "hand_over": HAND_OVER,
        },
        rows=rows,
        bounds=[
            *bounds,
            "freed capacity → resumed task: reconcile_interval_seconds, the pause after a cycle, a cycle",
        ],
        targets=[Target("admissions/s through PostgreSQL", rows[1]["per_s"], 200)],
    )


def _burst(
    database: sites.Site, jobs: int, *, profiled: bool = False
) -> tuple[list[dict[str, Any]], list[str]]:
    """Move jobs in, on and out.

    :param profiled: say what bounds each step; its rates are then of no use.
    """
    namespaces = [f"queue-{number:02}" for number in range(1, QUEUES + 1)]
    tasks = {f"{name}.normal": jobs // QUEUES for name in namespaces}
    sites.empty(database)
    sites.ensure_queues(database, dict.fromkeys(namespaces, POOLS))
    sites.make_tasks(database, tasks)
    sites.defer_all(database, {f"{name}.normal": sites.request(name, "normal", ONE) for name in namespaces})
    world = sites.world(database, _view(namespaces, 0), batch_size=BATCH)
    total, rows, bounds = sum(tasks.values()), [], []

    def step(case: str, done: Callable[[], bool]) -> None:
        profile = cProfile.Profile()
        began, cycles = time.perf_counter(), 0
        while not done():
            cycles += 1
            if cycles > MAX_CYCLES:
                raise AssertionError(f"{case}: not done after {cycles} cycles")
            profile.runcall(world.loop.cycle) if profiled else world.loop.cycle()
        took = time.perf_counter() - began
        rows.append({"case": case, "jobs": total, "cycles": cycles, "seconds": took, "per_s": total / took})
        if profiled:
            bounds.extend(f"{case}: {line}" for line in top_of(profile, 3))

    step("intake", lambda: sites.count(database, "priority_spark_job") == total)
    sites.show(world, _view(namespaces, 10**9))
    step("admission", lambda: sites.count(database, "task_instance", "state = 'scheduled'") == total)
    _end_all(database)
    step("reconcile", lambda: sites.count(database, "priority_spark_grant") == 0)
    return rows, bounds


def _view(namespaces: list[str], cpu: int):
    hard = Resources({"requests.cpu": cpu or 10**9})
    used = hard if not cpu else Resources()
    return sites.cluster_view(
        quotas=tuple(QuotaView(name, "quota", hard, used, frozenset({"requests.cpu"})) for name in namespaces)
    )


def _end_all(database: sites.Site) -> None:
    with database.session() as session, session.begin():
        session.execute(text("UPDATE task_instance SET state = 'success', end_date = now()"))


def _handovers(database: sites.Site) -> list[float]:
    """Let jobs of one queue with room for one run one after the other; return the gaps between them."""
    sites.empty(database)
    sites.ensure_queues(database, {"queue-01": POOLS})
    sites.make_tasks(database, {"queue-01.normal": HANDOVERS + 1})
    sites.defer_all(database, {"queue-01.normal": sites.request("queue-01", "normal", ONE)})
    view = _view(["queue-01"], 3000)
    world = sites.world(database, view, batch_size=BATCH, **HAND_OVER)
    while sites.count(database, "task_instance", "state = 'scheduled'") == 0:
        world.loop.cycle()
    stop = threading.Event()
    thread = threading.Thread(target=world.loop.run, args=(stop, lambda: None), daemon=True)
    thread.start()
    try:
        return [_hand_over(database, world) for _ in range(HANDOVERS)]
    finally:
        stop.set()
        world.loop.wake.set()
        thread.join(30)


def _hand_over(database: sites.Site, world: Any) -> float:
    """End the running task, as the watches would tell, and wait for the next."""
    with database.session() as session, session.begin():
        session.execute(
            text("UPDATE task_instance SET state = 'success', end_date = now() WHERE state = 'scheduled'")
        )
    began = time.perf_counter()
    world.loop.wake.set()
    while sites.count(database, "task_instance", "state = 'scheduled'") == 0:
        if time.perf_counter() - began > 60:
            raise AssertionError("the next task was not resumed within a minute")
        time.sleep(0.002)
    return time.perf_counter() - began
