# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.simulator.workload import Stream, arrivals_of, demand_of
from tests.unit.simulator.sites import ticks

ONE = demand_of(1000, 2**30, 0)


def stream(every, count, pool="normal", namespace="team-a"):
    return Stream(namespace, pool, count, ticks(every), ticks(1), ONE)


def test_a_stream_sleeps_first_and_then_brings_one_job_after_the_other():
    found = [(item.job_id, item.at) for item in arrivals_of([stream("100ms", 3)])]
    assert found == [
        ("team-a/normal/1-1", 100_000),
        ("team-a/normal/1-2", 200_000),
        ("team-a/normal/1-3", 300_000),
    ]


def test_streams_run_side_by_side_and_keep_their_order_at_one_instant():
    both = [stream(2, 2, "high"), stream(1, 3), stream(1, 1)]
    assert [item.job_id for item in arrivals_of(both)] == [
        "team-a/normal/1-1",
        "team-a/normal/2-1",
        "team-a/high/1-1",
        "team-a/normal/1-2",
        "team-a/normal/1-3",
        "team-a/high/1-2",
    ]


def test_cpu_and_memory_are_those_of_each_pod():
    demand = demand_of(2000, 4 * 2**30, 3)
    assert [(pods.name, pods.count) for pods in demand.pod_sets] == [("driver", 1), ("executor", 3)]
    assert demand.total() == Resources({"cpu": 8000, "memory": 16 * 2**30, "pods": 4})
    assert demand.pod_sets[0].limits == demand.pod_sets[0].requests


def test_without_executors_a_job_is_its_driver():
    assert [pods.name for pods in ONE.pod_sets] == ["driver"]
