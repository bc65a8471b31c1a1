# SPDX-License-Identifier: Apache-2.0
"""Rule 8: ``batch_size`` jobs at most are admitted per cycle and cluster."""

from dataclasses import replace

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import QueueKey, Rules, Snapshot
from tests.property.scheduling.builders import TEAM_B, admitted, cluster, job, jobs, queue, snapshot


def test_by_default_at_most_20_jobs_are_admitted_per_cycle():
    assert len(admitted(decide(snapshot(cluster(), jobs(50)), 0.0))) == 20


@pytest.mark.parametrize("size", [0, 1, 35])
def test_the_batch_size_is_configurable(size):
    assert len(admitted(decide(snapshot(cluster(), jobs(50), rules=Rules(size)), 0.0))) == size


def test_the_queues_of_a_cluster_share_its_batch():
    waiting = jobs(30, prefix="a") + jobs(30, prefix="b", key=TEAM_B)
    assert len(admitted(decide(snapshot(cluster(), waiting, [queue(), queue(TEAM_B)]), 0.0))) == 20


def test_each_cluster_has_its_own_batch():
    other = QueueKey("second", "team-a")
    waiting = jobs(30, prefix="a") + jobs(30, prefix="x", key=other)
    clusters = (cluster(), replace(cluster(), cluster_id="second"))
    started = admitted(decide(Snapshot(clusters, (queue(), queue(other)), tuple(waiting)), 0.0))
    assert [sum(name[0] == letter for name in started) for letter in "ax"] == [20, 20]


def test_unchecked_jobs_count_towards_the_batch_and_go_first():
    waiting = [*jobs(30), *(job(f"observed-{n:02}", at=100 + n, unchecked=True) for n in range(15))]
    started = admitted(decide(snapshot(cluster(), waiting), 0.0))
    assert started == [f"observed-{n:02}" for n in range(15)] + [f"normal-00{n}" for n in range(5)]
