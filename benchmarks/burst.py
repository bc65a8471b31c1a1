# SPDX-License-Identifier: Apache-2.0
"""A burst of applications into a quota that holds a third of their pods: which operator gets through?

24 applications of one driver and two executors, one CPU each, are asked for at once; the quota of their
namespace is 8 CPU. Two whole applications fit at a time, so the ideal is 12 rounds. With the stock
operator eight drivers take all of the quota and no executor ever starts. Airflow is real; drivers are
simulated: ``--driver-start`` seconds until they ask for executors, ``--runtime`` seconds of work once
all executors run. Seconds depend on the machine; what counts is their ratio to the ideal.

Usage: ``python benchmarks/burst.py --operator stock|priority [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if Path(sys.path[0]).resolve() == ROOT / "benchmarks":
    sys.path[0] = str(ROOT)

from kubernetes import client, config  # noqa: E402  (what is below needs the line above)
from kubernetes.client.exceptions import ApiException  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from urllib3.exceptions import HTTPError  # noqa: E402

from airflow_priority_spark.embedded.settings import ClusterSettings  # noqa: E402
from airflow_priority_spark.embedded.specs import NodeSpec  # noqa: E402
from benchmarks.counted_cluster import counted_cluster, refusals  # noqa: E402
from demo.rest import ENDED  # noqa: E402
from demo.site import AirflowSite  # noqa: E402

NAMESPACE, EXECUTORS = "burst", 2
QUOTA = {"requests.cpu": "8", "requests.memory": "64Gi", "pods": "100"}
AT_A_TIME = 8 // (1 + EXECUTORS)
#: Spark itself begins to warn of missing executors after 15 s (``spark.starvation.timeout``).
STARVED_SECONDS = 15.0
WATCH_SECONDS = 0.5


@dataclass
class Application:
    """What was seen of one application; instants are POSIX seconds.

    :param short: since when its driver has run without all its executors.
    :param shortest: longest such stretch so far.
    """

    created: float
    states: list[str] = field(default_factory=list)
    short: float | None = None
    longest: float = 0.0
    ended: float | None = None

    def look(self, state: str, driver_runs: bool, executors: int, now: float) -> None:
        """Take note of one look at the cluster."""
        if not self.states or self.states[-1] != state:
            self.states.append(state)
        if state in ("COMPLETED", "FAILED"):
            self.ended = self.ended or now
        if driver_runs and state in ("SUBMITTED", "RUNNING") and executors < EXECUTORS:
            self.short = self.short or now
            self.longest = max(self.longest, now - self.short)
        else:
            self.short = None


class Watcher:
    """Looks at all applications and pods of the namespace, twice a second."""

    def __init__(self, kubeconfig: Path) -> None:
        api = config.new_client_from_config(str(kubeconfig))
        self._core, self._custom = client.CoreV1Api(api), client.CustomObjectsApi(api)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.applications: dict[str, Application] = {}
        self.peak_cpu = 0

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            try:
                self._look()
            except (ApiException, HTTPError) as error:
                print(f"the cluster was not looked at: {error}", file=sys.stderr)

    def _look(self) -> None:
        now = time.time()
        found = self._custom.list_namespaced_custom_object(
            "sparkoperator.k8s.io", "v1beta2", NAMESPACE, "sparkapplications"
        )["items"]
        pods = json.loads(self._core.list_namespaced_pod(NAMESPACE, _preload_content=False).data)["items"]
        running: dict[tuple[str, str], int] = {}
        for pod in pods:
            labels = pod["metadata"].get("labels") or {}
            if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]:
                key = labels.get("sparkoperator.k8s.io/app-name", ""), labels.get("spark-role", "")
                running[key] = running.get(key, 0) + 1
        self.peak_cpu = max(self.peak_cpu, sum(running.values()))
        for item in found:
            name = item["metadata"]["name"]
            seen = self.applications.setdefault(name, Application(now))
            state = item.get("status", {}).get("applicationState", {}).get("state", "")
            executors = running.get((name, "executor"), 0)
            seen.look(state, (name, "driver") in running, executors, now)
        there = {item["metadata"]["name"] for item in found}
        for name, seen in self.applications.items():
            if name not in there:
                seen.ended = seen.ended or now


def main() -> int:
    """Run the burst; exit code 0 when the operator did what is known of it."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="burst-") as directory, _site(Path(directory), options) as site:
        result = measure(site, Path(directory) / "cluster", options)
    _print(result)
    if "json" in options:
        _save(options.json, result)
    expected = 0 if options.operator == "stock" else options.count
    return 0 if result["succeeded"] == expected else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--operator", choices=("stock", "priority"), required=True, default=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=24, help="applications")
    parser.add_argument("--runtime", type=float, default=20.0, help="seconds of work of each")
    parser.add_argument(
        "--driver-start", type=float, default=10.0, help="seconds until it asks for executors"
    )
    parser.add_argument(
        "--bound",
        type=float,
        default=argparse.SUPPRESS,
        help="seconds to watch (default: 180 for stock, else four times the ideal)",
    )
    parser.add_argument("--json", type=Path, default=argparse.SUPPRESS, help="file to add the result to")
    return parser


@contextmanager
def _site(directory: Path, options: argparse.Namespace) -> Iterator[AirflowSite]:
    """Start a cluster and an Airflow with the burst's DAG."""
    (directory / "gate").mkdir()
    os.environ.update(
        BURST_OPERATOR=options.operator,
        BURST_COUNT=str(options.count),
        BURST_RUNTIME=f"{options.runtime}s",
        BURST_NAMESPACE=NAMESPACE,
        BURST_GATE=str(directory / "gate"),
    )
    settings = ClusterSettings(
        directory=directory / "cluster",
        nodes=(NodeSpec("node-1", cpu="64", memory="256Gi"),),
        namespaces={NAMESPACE: QUOTA},
        runtime="simulated",
        driver_start_seconds=options.driver_start,
    )
    with (
        counted_cluster(settings) as kubeconfig,
        AirflowSite(
            directory / "airflow",
            dags=Path(__file__).parent / "dags",
            kubeconfig=kubeconfig,
            config={"priority_spark.nodes": "fixed", "core.parallelism": str(workers(options))},
        ) as site,
    ):
        site.migrate()
        site.start()
        site.wait_healthy()
        site.wait_dags("burst", timeout=120)
        yield site


def workers(options: argparse.Namespace) -> int:
    """Return the site's worker slots: the stock operator holds one per application, ours needs few."""
    return options.count + 2 if options.operator == "stock" else 4


def measure(site: AirflowSite, cluster: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start the burst, wait for its end or the bound, and return the figures."""
    rounds = -(-options.count // AT_A_TIME)
    ideal = rounds * (options.driver_start + options.runtime)
    usual = 180.0 if options.operator == "stock" else 4 * ideal
    bound = options.bound if "bound" in options else usual
    with Watcher(cluster / "kubeconfig") as watcher:
        began = time.time()
        site.api.pause("burst", paused=False)
        site.api.trigger("burst", "burst")
        first = _until_first(watcher, bound)
        _until_end(site, first + bound)
        ended = time.time()
        states = [ti["state"] for ti in site.api.task_instances("burst", "burst")]
    applications = list(watcher.applications.values())
    succeeded = states.count("success")
    last = max((app.ended for app in applications if app.ended), default=ended)
    elapsed = last - first if succeeded == options.count else None
    return {
        "operator": options.operator,
        "applications": options.count,
        "worker_slots": workers(options),
        "succeeded": succeeded,
        "failed": states.count("failed"),
        "neither": len(states) - succeeded - states.count("failed"),
        "starved": sum(app.longest > options.driver_start + STARVED_SECONDS for app in applications),
        "quota_refusals": sum(refusals(cluster).values()),
        "quota_refusals_by_kind": refusals(cluster),
        "peak_cpu": watcher.peak_cpu,
        "driver_start_seconds": options.driver_start,
        "runtime_seconds": options.runtime,
        "ideal_rounds": rounds,
        "ideal_seconds": ideal,
        "watched_seconds": round(ended - first, 1),
        "seconds_to_first_application": round(first - began, 1),
        "first_to_last_seconds": round(elapsed, 1) if elapsed else None,
        "ratio_to_ideal": round(elapsed / ideal, 3) if elapsed else None,
    }


def _until_first(watcher: Watcher, bound: float) -> float:
    """Return when the first application was there; the bound counts from then on."""
    end = time.time() + bound + 300
    while not watcher.applications:
        if time.time() > end:
            raise TimeoutError("no application was created")
        time.sleep(WATCH_SECONDS)
    return min(app.created for app in list(watcher.applications.values()))


def _until_end(site: AirflowSite, end: float) -> None:
    while time.time() < end and site.api.run_state("burst", "burst") not in ENDED:
        time.sleep(2.0)


def _print(result: Mapping[str, Any]) -> None:
    table = Table("figure", "value", title=f"burst, operator {result['operator']}")
    for name, value in result.items():
        table.add_row(name.replace("_", " "), "-" if value is None else str(value))
    Console(width=100).print(table)
    print(json.dumps(result))


def _save(file: Path, result: Mapping[str, Any]) -> None:
    found = json.loads(file.read_text()) if file.exists() else {}
    found[result["operator"]] = dict(result)
    file.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
