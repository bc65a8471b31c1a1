# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark simulate``: what the queueing rules make of a workload; no cluster is asked."""

from __future__ import annotations

import datetime
import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import print_document, print_rows
from airflow_priority_spark.cli.workload_file import read_workload
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.simulator.outcome import Outcome
from airflow_priority_spark.simulator.run import simulate
from airflow_priority_spark.simulator.summary import compare, job_lines, summarize
from airflow_priority_spark.simulator.workload import Arrival, Site

#: A table shows of a pool's waits these.
_WAITS = ("mean", "p50", "p95", "p99", "max")
Summary = Mapping[str, Any]
_Ask = Callable[[str | None], tuple[Site, Sequence[Arrival]]]


@suppress_logs_and_warning
@providers_configuration_loaded
@in_one_line
def simulate_workload(args: Namespace) -> None:
    """Run a workload, and another one to compare with, and print what became of it."""
    ask = _of_history(args) if args.from_history else _of_file
    outcome, summary = _run(*ask(args.file))
    if args.jobs_out:
        _write_jobs(args.jobs_out, outcome)
    if args.compare is None:
        _print(summary, args.output)
        return
    _print_comparison(args, summary, _run(*ask(args.compare))[1])


def _of_file(name: str | None) -> tuple[Site, Sequence[Arrival]]:
    if name is None:
        raise InvalidInput("WORKLOAD", name, "a file, which may be left out only with --from-history")
    workload = read_workload(_text_of(name), name)
    return workload.site, workload.arrivals()


def _of_history(args: Namespace) -> _Ask:
    """Read what the site ran, and return what makes a run of it under a file's rules."""
    from airflow_priority_spark import settings
    from airflow_priority_spark.cli.reading import reading
    from airflow_priority_spark.cli.replay import read_replay

    now = datetime.datetime.now(datetime.UTC)
    with reading() as session:
        replay = read_replay(session, settings.load(), args.cluster, args.since, now)
    if replay.left_out:
        print(f"{replay.left_out} jobs are left out: they have not run to their end.", file=sys.stderr)

    def ask(name: str | None) -> tuple[Site, Sequence[Arrival]]:
        workload = read_workload(_text_of(name), name, replay=True) if name is not None else None
        return replay.site(workload), replay.arrivals

    return ask


def _text_of(name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("WORKLOAD", name, f"a file that can be read ({error})") from None


def _run(site: Site, arrivals: Sequence[Arrival]) -> tuple[Outcome, Summary]:
    began = time.perf_counter()
    outcome = simulate(site, arrivals)
    return outcome, summarize(site, outcome, time.perf_counter() - began)


def _write_jobs(name: str, outcome: Outcome) -> None:
    lines = "".join(f"{json.dumps(line)}\n" for line in job_lines(outcome.jobs))
    try:
        Path(name).write_text(lines)
    except OSError as error:
        raise InvalidInput("--jobs-out", name, f"a file that can be written ({error})") from None


def _print(summary: Summary, output: str) -> None:
    if output in ("json", "yaml"):
        print_document(summary, output)
        return
    print_rows([{"figure": name, "value": _text(value)} for name, value in _totals(summary)], output)
    print_rows(
        [
            {
                "namespace": namespace,
                "pool": pool,
                "usage %": _text(summary["usage_pct"][namespace]),
                **{f"wait s {name}": _text(waits and waits[name]) for name in _WAITS},
            }
            for namespace, pool, waits in _pools(summary)
        ],
        output,
    )


def _print_comparison(args: Namespace, one: Summary, other: Summary) -> None:
    found = compare(one, other)
    if args.output in ("json", "yaml"):
        print_document(found, args.output)
        return
    names = (Path(args.file).name if args.file else "as it is", Path(args.compare).name)
    if names[0] == names[1]:
        names = (args.file, args.compare)
    change = dict(_totals(found["change"]))
    print_rows(
        [
            {
                "figure": figure,
                names[0]: _text(value),
                names[1]: _text(there),
                "change": _signed(change[figure]),
            }
            for (figure, value), (_, there) in zip(_totals(one), _totals(other), strict=True)
        ],
        args.output,
    )
    print_rows(list(_pool_comparison(found, names)), args.output)


def _pool_comparison(found: Mapping[str, Any], names: tuple[str, str]) -> Iterable[Mapping[str, Any]]:
    """Yield mean and greatest wait of every pool that one of the two workloads has."""
    for namespace, pool, change in _pools(found["change"]):
        row: dict[str, Any] = {"namespace": namespace, "pool": pool}
        for figure in ("mean", "max"):
            for name, part in zip(names, ("workload", "other"), strict=True):
                waits = found[part]["wait_s"].get(namespace, {}).get(pool)
                row[f"{figure} wait s, {name}"] = _text(waits and waits[figure])
            row[f"{figure} change"] = _signed(change and change.get(figure))
        yield row


def _totals(summary: Summary) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in summary.items() if not isinstance(value, Mapping)]


def _pools(summary: Summary) -> Iterable[tuple[str, str, Any]]:
    for namespace, pools in summary["wait_s"].items():
        for pool, waits in pools.items():
            yield namespace, pool, waits


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def _signed(value: float | None) -> str:
    return "" if value is None else f"{'+' if value > 0 else ''}{_text(value)}"
