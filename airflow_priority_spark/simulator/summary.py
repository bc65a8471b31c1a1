# SPDX-License-Identifier: Apache-2.0
"""What a run amounts to, as plain data for JSON: seconds, percent, counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from airflow_priority_spark.simulator.outcome import Fate, JobRecord, Outcome
from airflow_priority_spark.simulator.ticks import seconds
from airflow_priority_spark.simulator.workload import Site

#: Key → which part of the waits lies at or below it.
_PERCENTILES: Final = {"p50": 50, "p95": 95, "p99": 99}


def summarize(site: Site, outcome: Outcome, wall_seconds: float) -> dict[str, Any]:
    """Return the figures of a run.

    ``wait_s`` holds, per namespace and priority pool, the time from arrival to admission of the jobs
    that were admitted; ``null`` where none was.

    :param wall_seconds: how long the run took.
    """
    fates = [record.fate for record in outcome.jobs]
    return {
        "makespan_s": seconds(outcome.makespan),
        "usage_pct": {
            namespace: None if percent is None else round(percent, 3)
            for namespace, percent in outcome.usage_percent.items()
        },
        "admitted": len(outcome.order),
        "cancelled": fates.count(Fate.CANCELLED),
        "wait_s": _waits(site, outcome),
        "decisions": outcome.decisions,
        "wall_s": round(wall_seconds, 3),
    }


def _waits(site: Site, outcome: Outcome) -> dict[str, dict[str, dict[str, float] | None]]:
    waits: dict[tuple[str, str], list[int]] = defaultdict(list)
    for record in outcome.order:
        if record.admitted is not None:
            waited = record.admitted - record.arrival.at
            waits[record.arrival.namespace, record.arrival.pool].append(waited)
    return {
        plan.namespace: {pool.name: wait_figures(waits[plan.namespace, pool.name]) for pool in plan.pools}
        for plan in site.queues
    }


def wait_figures(waits: Sequence[int]) -> dict[str, float] | None:
    """Return mean, percentiles and maximum of some waits in seconds; ``None`` where there are none.

    A percentile is the smallest wait that so many percent of the waits do not exceed (nearest rank).

    :param waits: in ticks.
    """
    if not waits:
        return None
    ordered = sorted(waits)
    ranks = {key: ordered[-(-len(ordered) * part // 100) - 1] for key, part in _PERCENTILES.items()}
    mean = seconds(round(Fraction(sum(ordered), len(ordered))))
    return {"mean": mean, **{key: seconds(wait) for key, wait in ranks.items()}, "max": seconds(ordered[-1])}


def job_lines(jobs: Sequence[JobRecord]) -> Iterator[dict[str, Any]]:
    """Yield a mapping for each job in order of arrival; instants in seconds, ``None`` where none applies."""
    for record in jobs:
        yield {
            "id": record.job_id,
            "namespace": record.arrival.namespace,
            "pool": record.arrival.pool,
            "arrived": seconds(record.arrival.at),
            "admitted": None if record.admitted is None else seconds(record.admitted),
            "finished": None if record.finished is None else seconds(record.finished),
            "reason": record.reason,
        }


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return two summaries and what changed from the first to the second.

    A change is a number, ``None`` where one of the two has no figure.
    """
    return {"workload": before, "other": after, "change": _change(before, after)}


def _change(before: Any, after: Any) -> Any:
    if before is None or after is None:
        return None
    if isinstance(before, Mapping):
        one, other = before, after
        return {key: _change(one.get(key), other.get(key)) for key in dict.fromkeys((*one, *other))}
    return round(after - before, 6)
