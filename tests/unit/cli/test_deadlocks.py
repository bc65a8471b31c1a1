# SPDX-License-Identifier: Apache-2.0
"""When jobs that were let in without asking could have blocked one another for ever."""

import datetime
from dataclasses import replace

import pytest

from airflow_priority_spark.cli.deadlocks import deadlocks
from airflow_priority_spark.store.observed import ObservedJob
from tests.builders import NOW, make_demand

LATER = NOW + datetime.timedelta(hours=1)
CPU = {"requests.cpu": 8000}


def at(seconds: float) -> datetime.datetime:
    return NOW + datetime.timedelta(seconds=seconds)


def job(name: str, start: float, end: float | None, *, executors: int = 2) -> ObservedJob:
    demand = make_demand(executors=executors)
    ended = at(end) if end is not None else None
    return ObservedJob(name, name, "prod", "team-a", "normal", at(start), ended, demand, None)


def many(count: int, start: float = 0, end: float = 100) -> list[ObservedJob]:
    return [job(f"job-{number}", start, end) for number in range(count)]


def test_eight_drivers_in_a_quota_of_eight_cpus_leave_no_room_for_any_executor():
    [found] = deadlocks(many(8), CPU, LATER)
    assert (found.start, found.end) == (at(0), at(100))
    assert (found.key, found.drivers, found.hard) == ("requests.cpu", 8000, 8000)
    assert len(found.job_ids) == 8


@pytest.mark.parametrize(("count", "risked"), [(1, 0), (6, 0), (7, 1)])
def test_as_long_as_one_job_fits_beside_the_other_drivers_it_ends_and_makes_room(count, risked):
    # Beside five other drivers a job of three CPUs fits into eight; beside six it does not.
    assert len(deadlocks(many(count), CPU, LATER)) == risked


def test_one_job_that_can_go_on_is_enough():
    jobs = [*many(7), job("small", 0, 100, executors=0)]
    assert deadlocks(jobs, CPU, LATER) == []


def test_a_deadlock_lasts_from_the_job_that_made_it_to_the_end_that_broke_it():
    jobs = [*many(6), job("seventh", 10, 60), job("eighth", 20, 40)]
    [found] = deadlocks(jobs, CPU, LATER)
    assert (found.start, found.end) == (at(10), at(60))
    assert set(found.job_ids) == {"seventh", "eighth", *(f"job-{number}" for number in range(6))}


def test_two_deadlocks_apart_are_two():
    later = [replace(each, job_id=f"later-{each.job_id}") for each in many(8, 20, 30)]
    assert [(each.start, each.end) for each in deadlocks([*many(8, 0, 10), *later], CPU, LATER)] == [
        (at(0), at(10)),
        (at(20), at(30)),
    ]


def test_a_job_that_goes_on_goes_on_until_now():
    [found] = deadlocks([job(f"job-{number}", 0, None) for number in range(8)], CPU, LATER)
    assert found.end == LATER


def test_without_a_quota_nothing_is_said():
    assert deadlocks(many(50), {}, LATER) == []


@pytest.mark.parametrize("key", ["pods", "limits.cpu", "requests.memory"])
def test_every_key_of_a_quota_can_be_the_short_one(key):
    hard = {"pods": 8, "limits.cpu": 8000, "requests.memory": 8 * 2**30}
    found = deadlocks(many(8), {key: hard[key]}, LATER)
    assert [each.key for each in found] == ([key] if key != "limits.cpu" else [])
