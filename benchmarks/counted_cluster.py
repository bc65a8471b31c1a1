# SPDX-License-Identifier: Apache-2.0
"""An embedded cluster that writes down every creation its quotas refuse, also those of drivers.

Executors are asked for by the drivers, not by anyone who could count: so the count is taken where the
quota is enforced. Usage: as ``python -m airflow_priority_spark.embedded``; one line per refusal in
``refusals.jsonl`` of the cluster's directory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from airflow_priority_spark.embedded import __main__ as embedded
from airflow_priority_spark.embedded import serving
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import Kind
from airflow_priority_spark.embedded.objects import Object
from airflow_priority_spark.embedded.quota import QuotaLedger
from airflow_priority_spark.embedded.settings import ClusterSettings, parser
from airflow_priority_spark.embedded.state_files import KUBECONFIG, LOG, STATE

REFUSALS = "refusals.jsonl"
START_SECONDS = 60.0
_MODULE = "benchmarks.counted_cluster"


@contextmanager
def counted_cluster(settings: ClusterSettings) -> Iterator[Path]:
    """Run a cluster for as long as the block; yields its kubeconfig."""
    settings.directory.mkdir(parents=True, exist_ok=True)
    log = settings.directory / LOG
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.counted_cluster",
                *settings.to_arguments(),
                "--stop-with-stdin",
            ],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).resolve().parent.parent,
        )
    try:
        end = time.monotonic() + START_SECONDS
        while not (settings.directory / STATE).exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the cluster did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield settings.directory / KUBECONFIG
    finally:
        process.stdin.close()
        process.wait(30)


def refusals(directory: Path) -> dict[str, int]:
    """Return how many creations quotas refused, by kind."""
    counts: dict[str, int] = {}
    file = directory / REFUSALS
    for line in file.read_text().splitlines() if file.exists() else ():
        kind = json.loads(line)["kind"]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def counting(file: Path) -> type[QuotaLedger]:
    """Return a ledger that refuses as every ledger does, and writes it down."""

    class CountingLedger(QuotaLedger):
        def admit(self, kind: Kind, obj: Object) -> None:
            try:
                super().admit(kind, obj)
            except ApiError as error:
                note: Mapping[str, object] = {
                    "at": time.time(),
                    "kind": kind.resource,
                    "name": obj["metadata"]["name"],
                    "message": error.message,
                }
                with file.open("a") as out:
                    out.write(json.dumps(note) + "\n")
                raise

    return CountingLedger


if __name__ == "__main__":
    known, _ = parser().parse_known_args()
    serving.QuotaLedger = counting(Path(known.directory) / REFUSALS)
    sys.exit(embedded.main())
