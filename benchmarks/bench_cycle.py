# SPDX-License-Identifier: Apache-2.0
"""What a cycle costs as waiting jobs, queues and nodes grow: milliseconds, SQL statements, memory.

Every cell is a process of its own on one PostgreSQL, so that its memory is its own and a cell that takes
too long can be ended. Quotas are full while cycles with nothing to admit are measured: *idle* ones, in which
nothing has changed since the last; *look* ones, before which the quota of a namespace has changed; *intake*
ones, before which a job has come to a queue; *slice* ones, in which some of the queues are looked at again
because nothing is trusted for long. Then quotas are opened, and cycles that *admit* a batch are measured.
Nodes carry four pods of others each; the picture of the cluster is given, what the watches cost is not in
here. Apart stand *whole* looks, which read everything, as after an act of a person, a change of nodes or of
the leader; and slices of the comparison with Airflow's tables (*reconcile*).
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if Path(sys.path[0]).resolve() == ROOT / "benchmarks":
    sys.path[0] = str(ROOT)

from airflow_priority_spark.scheduling.model import ClusterView, NodeView, PodView, QuotaView  # noqa: E402
from airflow_priority_spark.scheduling.resources import Resources  # noqa: E402
from airflow_priority_spark.simulator.workload import demand_of, node_size  # noqa: E402
from benchmarks.figures import Figures, Target, top_of  # noqa: E402

SHORT = {"waiting": (100, 1_000, 10_000), "queues": (1, 30), "nodes": (0, 500)}
FULL = {"waiting": (100, 1_000, 10_000, 100_000), "queues": (1, 30, 1_000), "nodes": (0, 500, 5_000)}
POOLS = {"high": 90, "normal": 10}
GIB, BATCH = 2**30, 20
#: Kind of cycle → how many are not measured, and how many are.
WARM = {"idle": 3, "look": 2, "intake": 1, "slice": 1, "whole": 0, "admit": 1}
ROUNDS = {"idle": 9, "look": 9, "intake": 9, "slice": 9, "whole": 5, "admit": 3}
#: Tasks that defer one by one.
SPARE = WARM["intake"] + ROUNDS["intake"] + 1
ONE = demand_of(1000, GIB, 2)
HARD = Resources({"requests.cpu": 10**7, "requests.memory": 10**15})


def run(*, full: bool) -> Figures:
    """Measure every cell, each within its time limit."""
    from benchmarks.store_site import site

    sizes, limit = (FULL, 600) if full else (SHORT, 120)
    with site() as database:
        rows = [
            _cell(database.url, waiting, queues, nodes, limit)
            for waiting in sizes["waiting"]
            for queues in sizes["queues"]
            for nodes in sizes["nodes"]
        ]
    done = [row for row in rows if row.get("idle_ms") is not None]
    largest = max(done, key=lambda row: (row["waiting"], row["queues"], row["nodes"]))
    bounds = [
        f"{name} cycle, {largest['case']}: {line}" for name in ROUNDS for line in largest[f"{name}_bound"]
    ]
    shown = [{key: value for key, value in row.items() if not key.endswith("_bound")} for row in rows]
    return Figures(
        name="cycle" if full else "cycle-quick",
        question="what a cycle costs as waiting jobs, queues and nodes grow",
        settings={"batch_size": BATCH, "pools": POOLS, "postgresql": "fsync on", "pods_per_node": 4},
        rows=shown,
        bounds=bounds,
        targets=[
            Target("cells measured", len(done), len(rows)),
            *(
                _target(done, name, queues)
                for name in ("idle", "look", "intake", "slice")
                for queues in sizes["queues"]
            ),
            *(
                Target(f"spread of statements of {name} cycles", _spread(done, name), 0, at_most=True)
                for name in ("idle", "look", "intake", "slice", "whole")
            ),
        ],
    )


def _target(rows: list[dict[str, Any]], name: str, queues: int) -> Target:
    """Return the target for a cycle with nothing to admit at 100,000 waiting jobs, on any nodes."""
    times = [row[f"{name}_ms"] for row in rows if row["waiting"] == 100_000 and row["queues"] == queues]
    what = f"{name} cycle at 100,000 waiting jobs, {queues:,} queues, ms"
    return Target(what, max(times, default=None), 50, at_most=True)


def _spread(rows: list[dict[str, Any]], name: str) -> int:
    """Return by how many statements cycles of a kind differ, whatever waits in however many queues."""
    counts = [row[f"{name}_statements"] for row in rows]
    return max(counts) - min(counts)


def _cell(url: str, waiting: int, queues: int, nodes: int, limit: float) -> dict[str, Any]:
    case = f"{waiting:,} waiting, {queues:,} queues, {nodes:,} nodes"
    row: dict[str, Any] = {"case": case, "waiting": waiting, "queues": queues, "nodes": nodes}
    words = [str(number) for number in (waiting, queues, nodes)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, "--url", url, "--cell", *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, env=environment, check=True
        )
    except subprocess.TimeoutExpired:
        return {**row, "note": f"not done within {limit:.0f} s"}
    except subprocess.CalledProcessError as error:
        return {**row, "note": f"failed: {error.stderr.strip().splitlines()[-1][:200]}"}
    return {**row, **json.loads(done.stdout.splitlines()[-1])}


def measure(url: str, waiting: int, queues: int, nodes: int) -> dict[str, Any]:
    """Measure one cell in this process."""
    from benchmarks import store_site as sites

    database = sites.Site(url, None, durable=True)  # type: ignore[arg-type] # the server is the parent's
    namespaces = [f"queue-{number:04}" for number in range(1, queues + 1)]
    sites.empty(database)
    sites.ensure_queues(database, dict.fromkeys(namespaces, POOLS))
    full_view, open_view = (_view(namespaces, nodes, used) for used in (HARD, Resources()))
    world = sites.world(database, full_view, batch_size=BATCH, reconcile_interval_seconds=1e9)
    _let_wait(database, world, namespaces, waiting)
    found: dict[str, Any] = {}
    changes = _changes(database, world, namespaces, full_view)
    for name in ROUNDS:
        sites.show(world, open_view if name == "admit" else full_view)
        for _ in range(WARM[name]):
            changes[name]()
            world.loop.cycle()
        found |= _cycles(world, name, changes[name])
    world.loop._reconciled_at = None
    began = time.perf_counter()
    world.loop.cycle()
    found["reconcile_ms"] = max(0.0, (time.perf_counter() - began) * 1000 - found["idle_ms"])
    found["peak_mb"] = sites.peak_megabytes()
    return found


def _changes(
    database: Any, world: Any, namespaces: list[str], view: ClusterView
) -> dict[str, Callable[[], object]]:
    """Return what happens before each cycle of a kind, to one queue after the other."""
    from airflow_priority_spark.arbiter.resting import Rest
    from benchmarks import store_site as sites

    numbers = itertools.count()

    def change_quota() -> None:
        number = next(numbers)
        quotas = list(view.quotas)
        changed = quotas[number % len(quotas)]
        more = Resources({"requests.cpu": number + 1})
        quotas[number % len(quotas)] = replace(changed, used=changed.used + more)
        sites.show(world, replace(view, quotas=tuple(quotas)))

    spare = iter(range(SPARE))

    def let_one_defer() -> None:
        number = next(spare)
        queue = namespaces[number % len(namespaces)]
        sites.defer_all(database, {f"spare.{number}": sites.request(queue, "normal", ONE)})

    def let_a_slice_be_due() -> None:
        world.loop.standstill.forget()
        world.loop.rest._slice_at = 0.0

    def forget() -> None:
        world.loop.standstill.forget()
        world.loop.rest = Rest()

    return {
        "idle": lambda: None,
        "look": change_quota,
        "intake": let_one_defer,
        "slice": let_a_slice_be_due,
        "whole": forget,
        "admit": lambda: None,
    }


def _cycles(world: Any, name: str, change: Callable[[], object]) -> dict[str, Any]:
    """Measure some cycles of a kind, and profile one more."""
    times, counts, admitted, cpu = [], [], 0, 0.0
    for _ in range(ROUNDS[name]):
        change()
        began, began_cpu, applied = time.perf_counter(), time.process_time(), []
        counts.append(len(world.statements(lambda into=applied: into.append(world.loop.cycle()))))
        times.append(time.perf_counter() - began)
        cpu += time.process_time() - began_cpu
        admitted += applied[0].admitted
    assert admitted == 0 or name == "admit"
    change()
    profile = cProfile.Profile()
    profile.runcall(world.loop.cycle)
    return {
        f"{name}_ms": statistics.median(times) * 1000,
        f"{name}_cpu_ms": cpu / len(times) * 1000,
        f"{name}_statements": round(statistics.median(counts)),
        f"{name}_bound": top_of(profile, 3),
        **({"admissions_per_s": admitted / sum(times)} if name == "admit" else {}),
    }


def _view(namespaces: list[str], nodes: int, used: Resources) -> ClusterView:
    from benchmarks.store_site import cluster_view

    names = [f"node-{number:05}" for number in range(nodes)]
    pod = Resources({"cpu": 4000, "memory": 8 * GIB})
    return cluster_view(
        nodes=tuple(NodeView(name, node_size(32_000, 128 * GIB)) for name in names),
        pods=tuple(PodView("other", f"{name}-{number}", name, pod) for name in names for number in range(4)),
        quotas=tuple(QuotaView(name, "quota", HARD, used, frozenset(HARD)) for name in namespaces),
    )


def _let_wait(database: Any, world: Any, namespaces: list[str], waiting: int) -> None:
    """Let jobs wait: one of each pool of each queue through intake, the others as copies of it."""
    from benchmarks import store_site as sites

    lines = [(name, pool) for name in namespaces for pool in POOLS][:waiting]
    each, more = divmod(waiting, len(lines))
    counts = {f"{name}.{pool}": each + (number < more) for number, (name, pool) in enumerate(lines)}
    sites.make_tasks(database, dict.fromkeys([*counts, *(f"spare.{number}" for number in range(SPARE))], 1))
    sites.defer_all(database, {f"{name}.{pool}": sites.request(name, pool, ONE) for name, pool in lines})
    while sites.count(database, "priority_spark_job") < len(lines):
        world.loop.cycle()
    sites.copy_waiting(database, counts)
    assert sites.count(database, "priority_spark_job") == waiting


def main() -> None:
    """Measure one cell for the parent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--cell", nargs=3, type=int, required=True)
    options = parser.parse_args()
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = options.url
    print(json.dumps(measure(options.url, *options.cell)))


if __name__ == "__main__":
    main()
