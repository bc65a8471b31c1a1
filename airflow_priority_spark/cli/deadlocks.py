# SPDX-License-Identifier: Apache-2.0
"""Times at which jobs that were let in without asking could block one another for ever.

Spark starts a job's driver first and the driver asks for its executors. When the drivers of several jobs
have taken so much that the executors of none of them fit any more, each waits for room that only another's
end would give (https://github.com/kubeflow/spark-operator/issues/1220). Whether it came so far depends on
who was faster; here it is said when nothing but luck prevented it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_priority_spark.scheduling.capacity import charge
from airflow_priority_spark.scheduling.model import Demand
from airflow_priority_spark.scheduling.scopes import counted
from airflow_priority_spark.scheduling.usage import tallies_of
from airflow_priority_spark.store.observed import ObservedJob

_DRIVER = "driver"


@dataclass(frozen=True, slots=True)
class Deadlock:
    """A time during which the executors of no job would have fitted beside all the drivers.

    :param job_ids: the jobs at the moment when there were most.
    :param key: the quota key that was short.
    :param drivers: what the drivers of these jobs charge to it, in its base unit.
    :param hard: its limit.
    """

    start: datetime.datetime
    end: datetime.datetime
    job_ids: tuple[str, ...]
    key: str
    drivers: int
    hard: int


@dataclass(frozen=True, slots=True)
class _Charges:
    whole: Mapping[str, int]
    driver: Mapping[str, int]


def deadlocks(jobs: Sequence[ObservedJob], hard: Mapping[str, int], now: datetime.datetime) -> list[Deadlock]:
    """Return the deadlocks that jobs of one queue risked, in order of time.

    :param hard: quota key → limit.
    :param now: until then a job goes on that has not ended.
    """
    charges = {job.job_id: _charges(job.demand, hard) for job in jobs}
    active: dict[str, _Charges] = {}
    found: list[Deadlock] = []
    current: Deadlock | None = None
    for instant, starting, ending in _instants(jobs, now):
        for job_id in ending:
            active.pop(job_id, None)
        active.update({job_id: charges[job_id] for job_id in starting})
        short = _short(active, hard)
        if short is not None and current is None:
            current = _deadlock(instant, short, active, hard)
        elif short is not None and current is not None and len(active) > len(current.job_ids):
            current = _deadlock(current.start, short, active, hard)
        elif short is None and current is not None:
            found.append(replace(current, end=instant))
            current = None
    return found


def _instants(
    jobs: Iterable[ObservedJob], now: datetime.datetime
) -> list[tuple[datetime.datetime, list[str], list[str]]]:
    """Return each instant at which jobs start or end, with these; the last one ends all."""
    found: dict[datetime.datetime, tuple[list[str], list[str]]] = {}
    for job in jobs:
        found.setdefault(job.admitted_at, ([], []))[0].append(job.job_id)
        found.setdefault(max(job.ended_at or now, job.admitted_at), ([], []))[1].append(job.job_id)
    return [(instant, *found[instant]) for instant in sorted(found)]


def _charges(demand: Demand, hard: Mapping[str, int]) -> _Charges:
    driver = tuple(pods for pods in demand.pod_sets if pods.name == _DRIVER)
    return _Charges(_by_key(demand, hard), _by_key(replace(demand, pod_sets=driver), hard))


def _by_key(demand: Demand, hard: Mapping[str, int]) -> dict[str, int]:
    tally = counted(tallies_of(demand), ())
    return {key: charge(key, tally, demand.objects) for key in hard}


def _short(active: Mapping[str, _Charges], hard: Mapping[str, int]) -> str | None:
    """Return a key that is short for every job once all drivers run; ``None``: one of them can go on."""
    if len(active) < 2:
        return None
    drivers = {key: sum(each.driver[key] for each in active.values()) for key in hard}
    key_of_all: str | None = None
    for each in active.values():
        key_of_all = next(
            (key for key in hard if drivers[key] - each.driver[key] + each.whole[key] > hard[key]), None
        )
        if key_of_all is None:
            return None
    return key_of_all


def _deadlock(
    start: datetime.datetime, key: str, active: Mapping[str, _Charges], hard: Mapping[str, int]
) -> Deadlock:
    drivers = sum(each.driver[key] for each in active.values())
    return Deadlock(start, start, tuple(active), key, drivers, hard[key])
