# SPDX-License-Identifier: Apache-2.0
"""Rule 1: each queue is isolated; between queues that share nodes, the smallest weighted share goes next."""

from dataclasses import replace

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import HeadRules, PoolView, QueueKey, Rules, Snapshot
from tests.property.scheduling.builders import (
    TEAM_A,
    TEAM_B,
    admitted,
    cluster,
    demand,
    driver_only,
    grant,
    job,
    jobs,
    keys,
    node,
    pod,
    queue,
    quota,
    snapshot,
)

FULL = quota(keys(cpu="20"), used=keys(cpu="20"))
BIG_BATCH = Rules(batch_size=1000)
HEAD_SINCE_LONG = (PoolView("high", 90, 0, "a", 0.0, 0.0), PoolView("normal", 10))

ISOLATED = {
    "a full queue holds up no other": {"quotas": [FULL]},
    "a paused queue holds up no other": {"paused": True},
    "a queue at its limit holds up no other": {"limit": 0},
    "a head that protects in its queue protects nothing in others": {
        "quotas": [FULL],
        "pools": HEAD_SINCE_LONG,
    },
    "a head that times out in its queue cancels nothing in others": {
        "quotas": [FULL],
        "pools": (PoolView("high", 90, 0, "a", 0.0, 0.0, head_rules=HeadRules(timeout_seconds=1)),),
    },
}


@pytest.mark.parametrize("given", ISOLATED.values(), ids=ISOLATED.keys())
def test_each_queue_is_isolated(given):
    given = dict(given)
    view = cluster(quotas=given.pop("quotas", []))
    waiting = [job("a", pool="high"), *jobs(3, pool="high", key=TEAM_B, prefix="b")]
    together = decide(snapshot(view, waiting, [queue(**given), queue(TEAM_B)]), 1000.0)
    alone = decide(snapshot(view, waiting[1:], [queue(TEAM_B)]), 1000.0)
    assert admitted(together) == admitted(alone) == ["b-000", "b-001", "b-002"]
    assert together.pools[TEAM_B, "high"] == alone.pools[TEAM_B, "high"]


def two_queues(**weights):
    return [queue(TEAM_A, weight=weights.get("a", 1)), queue(TEAM_B, weight=weights.get("b", 1))]


def test_the_next_admission_goes_to_the_queue_that_holds_least_and_ties_go_by_name():
    waiting = jobs(4, prefix="a") + jobs(4, prefix="b", key=TEAM_B)
    nodes = [node(cpu="100", memory="1000Gi")]
    equal = decide(snapshot(cluster(nodes=nodes), waiting, two_queues(), rules=BIG_BATCH), 0.0)
    assert "".join(name[0] for name in admitted(equal)) == "abababab"
    ahead = [grant("g", demand(2))]
    held = decide(snapshot(cluster(nodes=nodes), waiting, two_queues(), grants=ahead, rules=BIG_BATCH), 0.0)
    assert "".join(name[0] for name in admitted(held)) == "bbbabaaa"


def test_the_share_is_divided_by_the_weight():
    waiting = jobs(20, prefix="a") + jobs(20, prefix="b", key=TEAM_B)
    view = cluster(nodes=[node(cpu="100", memory="1000Gi")])
    names = admitted(decide(snapshot(view, waiting, two_queues(a=3), rules=Rules(16)), 0.0))
    assert sum(name.startswith("a") for name in names) == 12


def test_the_share_is_that_of_each_queues_own_dominant_resource():
    waiting = jobs(6, driver_only(cpu="1", memory="8Gi"), prefix="a")
    waiting += jobs(6, driver_only(cpu="3", memory="1Gi"), prefix="b", key=TEAM_B)
    view = cluster(nodes=[node(cpu="9", memory="18Gi")])
    names = admitted(decide(snapshot(view, waiting, two_queues()), 0.0))
    # 8/18 of the memory against 3/9 of the CPU: b, ahead with less, gets its second job first.
    assert names == ["a-000", "b-000", "b-001", "a-001"]


def test_what_a_queue_already_holds_are_its_running_pods_as_well_as_its_grants():
    pods = [pod("p", "n1", cpu="10", job_id="g", pod_set="driver")]
    waiting = jobs(1, prefix="a") + jobs(1, prefix="b", key=TEAM_B)
    view = cluster(nodes=[node("n1", cpu="100")], pods=pods)
    assert admitted(decide(snapshot(view, waiting, two_queues()), 0.0)) == ["b-000", "a-000"]


def test_a_queue_that_cannot_go_on_leaves_its_turns_to_the_others():
    waiting = jobs(4, prefix="a") + jobs(4, prefix="b", key=TEAM_B)
    view = cluster(nodes=[node(cpu="100")], quotas=[quota(keys(cpu="1"))])
    names = admitted(decide(snapshot(view, waiting, two_queues()), 0.0))
    assert names == ["a-000", "b-000", "b-001", "b-002", "b-003"]


def test_queues_of_different_clusters_take_turns_too_so_that_a_limit_of_the_site_is_shared():
    other = QueueKey("second", "team-a")
    waiting = jobs(4, prefix="a") + jobs(4, prefix="x", key=other)
    clusters = (
        cluster(nodes=[node(cpu="100")]),
        replace(cluster(nodes=[node("m", cpu="100")]), cluster_id="second"),
    )
    view = Snapshot(clusters, (queue(), queue(other)), tuple(waiting), rules=Rules(limit=4))
    assert sorted(admitted(decide(view, 0.0))) == ["a-000", "a-001", "x-000", "x-001"]


def test_a_grant_of_a_queue_that_is_unknown_still_takes_its_room():
    other = QueueKey("cluster", "somewhere")
    view = cluster(nodes=[node(cpu="4")])
    decisions = decide(snapshot(view, [job("a", demand(3))], grants=[grant("g", key=other)]), 0.0)
    assert decisions.blocked["a"].resource == "placement"
