# SPDX-License-Identifier: Apache-2.0
import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import (
    Demand,
    PodSet,
    PoolState,
    PoolView,
    QueueKey,
    Rules,
    describe_blocked,
)
from airflow_priority_spark.scheduling.resources import Resources
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

TIGHT = quota(keys(cpu="20"), used=keys(cpu="10"))
BIG = demand(14)


def waiting_since(since, pool="normal", head="big", other="high"):
    """Return the queue in which ``head`` has been blocked since then."""
    blocked = PoolView(pool, 10 if pool == "normal" else 90, 0, head, since, since)
    return queue(pools=(blocked, PoolView(other, 10 if other == "normal" else 90)))


def test_the_clock_of_a_blocked_head_starts_now_and_goes_on():
    first = decide(snapshot(cluster(quotas=[TIGHT]), [job("big", BIG)]), 100.0)
    assert first.pools[TEAM_A, "normal"] == PoolState(0, "big", 100.0, 100.0)
    view = waiting_since(100.0)
    later = decide(snapshot(cluster(quotas=[TIGHT]), [job("big", BIG)], [view]), 160.0)
    assert later.pools[TEAM_A, "normal"] == PoolState(0, "big", 100.0, 100.0)


def test_another_head_starts_its_own_clock():
    view = waiting_since(100.0, head="gone")
    decisions = decide(snapshot(cluster(quotas=[TIGHT]), [job("big", BIG)], [view]), 160.0)
    assert decisions.pools[TEAM_A, "normal"] == PoolState(0, "big", 160.0, 160.0)


def test_a_pool_without_jobs_has_no_head_and_no_clock():
    decisions = decide(snapshot(cluster(), [], [waiting_since(100.0)]), 160.0)
    assert decisions.pools[TEAM_A, "normal"] == PoolState(0, None, None)


@pytest.mark.parametrize(
    ("view", "of"),
    [
        (cluster(quotas=[TIGHT], fresh=False, stale_reason="pods: watch is behind"), {}),
        (None, {}),
        (cluster(quotas=[TIGHT]), {"paused": True}),
    ],
    ids=["stale", "cluster missing", "paused"],
)
def test_a_queue_that_is_not_looked_at_admits_nothing_starts_no_clock_and_loses_none(view, of):
    blocked = PoolView("normal", 10, 7, "big", 50.0)
    seen = queue(pools=(blocked, PoolView("high", 90, -7)), **of)
    waiting = [job("big", BIG), job("free", pool="high", unchecked=True), job("small", pool="high")]
    decisions = decide(snapshot(view, waiting, [seen]), 100.0)
    assert not decisions.admissions
    assert not decisions.blocked
    assert not decisions.impossible
    assert decisions.pools[TEAM_A, "normal"] == PoolState(7, "big", 50.0)
    assert decisions.pools[TEAM_A, "high"] == PoolState(-7, "small", None)


def test_a_paused_queue_does_not_hold_up_others():
    waiting = [job("a"), job("b", key=TEAM_B)]
    decisions = decide(snapshot(cluster(), waiting, [queue(paused=True), queue(TEAM_B)]), 0.0)
    assert admitted(decisions) == ["b"]


def test_before_its_time_a_blocked_head_holds_nobody_back():
    small = jobs(3, pool="high")
    decisions = decide(
        snapshot(cluster(quotas=[TIGHT]), [job("big", BIG), *small], [waiting_since(0.0)]), 299.0
    )
    assert len(admitted(decisions)) == 3


def test_a_protecting_head_keeps_the_resource_it_waits_for():
    small = jobs(3, pool="high")
    decisions = decide(
        snapshot(cluster(quotas=[TIGHT]), [job("big", BIG), *small], [waiting_since(0.0)]), 300.0
    )
    assert admitted(decisions) == []
    assert describe_blocked(decisions.blocked["high-000"]) == (
        "cpu: needs 1 CPU, 0 CPU free of what protected head big leaves"
    )
    assert describe_blocked(decisions.blocked["big"]) == "cpu: needs 15 CPU, 10 CPU free of quota team-a"


GPU = "requests.nvidia.com/gpu"


def gpu_wants(gpus, cpu="1"):
    each = Resources.parse({"cpu": cpu, "nvidia.com/gpu": gpus})
    return Demand((PodSet("driver", 1, each),))


def test_who_does_not_need_the_blocking_resource_goes_on_with_what_the_head_leaves():
    hard = Resources({"requests.cpu": 6000, GPU: 4})
    view = cluster(quotas=[quota(hard, used=Resources({GPU: 3}))])
    waiting = [job("big", gpu_wants(4, "4")), *jobs(3, pool="high")]
    decisions = decide(snapshot(view, waiting, [waiting_since(0.0)]), 300.0)
    assert decisions.blocked["big"].resource == "nvidia.com/gpu"
    # Six cores, of which the head will need four: two small jobs go on, the third would delay it.
    assert admitted(decisions) == ["high-000", "high-001"]
    assert describe_blocked(decisions.blocked["high-002"]) == (
        "cpu: needs 1 CPU, 0 CPU free of what protected head big leaves"
    )


def test_a_protecting_head_that_fits_now_goes_first():
    view = quota(keys(cpu="20"), used=keys(cpu="5"))
    waiting = [job("big", BIG), *jobs(3, pool="high")]
    decisions = decide(snapshot(cluster(quotas=[view]), waiting, [waiting_since(0.0)]), 300.0)
    assert admitted(decisions) == ["big"]


def test_only_the_longest_blocked_head_protects():
    view = queue(
        pools=(
            PoolView("high", 90, 0, "young", 10.0),
            PoolView("normal", 10, 0, "old", 5.0),
            PoolView("low", 1),
        )
    )
    hard = Resources({"cpu": 20_000, GPU: 4})
    quotas = [quota(hard, used=Resources({GPU: 3, "cpu": 1000}))]
    waiting = [
        job("young", demand(19), "high"),
        job("old", gpu_wants(2), "normal"),
        job("small", driver_only(cpu="10"), "low"),
    ]
    decisions = decide(snapshot(cluster(quotas=quotas), waiting, [view]), 1000.0)
    assert admitted(decisions) == ["small"]
    assert set(decisions.blocked) == {"young", "old"}


def test_equally_long_blocked_heads_protect_by_id():
    view = queue(pools=(PoolView("high", 90, 0, "b", 5.0), PoolView("normal", 10, 0, "a", 5.0)))
    waiting = [job("b", BIG, "high"), job("a", BIG, "normal")]
    decisions = decide(snapshot(cluster(quotas=[TIGHT]), waiting, [view]), 1000.0)
    third = decide(snapshot(cluster(quotas=[TIGHT]), [*waiting[::-1]], [view]), 1000.0)
    assert decisions == third
    assert {verdict.holder for verdict in decisions.blocked.values()} == {"quota team-a"}


def test_limits_and_holds_never_protect():
    view = waiting_since(0.0)
    waiting = [job("big", BIG, ineligible="limit"), *jobs(2, pool="high")]
    decisions = decide(snapshot(cluster(quotas=[TIGHT]), waiting, [view]), 1000.0)
    assert len(admitted(decisions)) == 2
    assert decisions.pools[TEAM_A, "normal"].head_id is None


def test_a_head_protects_nothing_in_other_queues():
    waiting = [job("big", BIG), job("b", key=TEAM_B)]
    decisions = decide(
        snapshot(cluster(quotas=[TIGHT]), waiting, [waiting_since(0.0), queue(TEAM_B)]), 1000.0
    )
    assert admitted(decisions) == ["b"]


def running(name, on, cpu, namespace="team-a"):
    return pod(name, on, cpu=cpu, job_id=name, pod_set="driver", namespace=namespace)


def test_a_head_blocked_by_placement_reserves_the_node_it_will_use_and_only_that():
    nodes = [node("n1", cpu="8"), node("n2", cpu="4")]
    view = cluster(nodes=nodes, pods=[running("r", "n1", "2")])
    waiting = [job("big", driver_only(cpu="7")), *jobs(6, pool="high")]
    decisions = decide(snapshot(view, waiting, [waiting_since(0.0)]), 1000.0)
    # n2 has four cores; n1 has six free, which the head will use.
    assert len(admitted(decisions)) == 4
    assert describe_blocked(decisions.blocked["high-004"]) == (
        "placement: the driver pod needs 1 CPU and 1 GiB, the largest hole is 0 CPU and 30 GiB of nodes, "
        "counting only what protected head big leaves"
    )


def test_a_reserved_node_is_the_same_from_cycle_to_cycle():
    nodes = [node("n1", cpu="8"), node("n2", cpu="8")]
    for busy in (
        [("r", "n1", "4"), ("s", "n2", "2")],
        [("r", "n1", "4")],
        [("s", "n2", "2"), ("r", "n1", "2")],
    ):
        view = cluster(nodes=nodes, pods=[running(*pod_) for pod_ in [*busy, ("t", "n2", "1")]])
        waiting = [job("big", driver_only(cpu="8")), *jobs(9, pool="high")]
        decisions = decide(snapshot(view, waiting, [waiting_since(0.0)]), 1000.0)
        free_on_n2 = 8 - 1 - sum(int(cpu) for _, name, cpu in busy if name == "n2")
        assert len(admitted(decisions)) == free_on_n2


def test_another_queue_above_its_fair_share_keeps_off_the_reserved_node():
    nodes = [node("n1", cpu="8"), node("n2", cpu="8")]
    pods = [running("r", "n1", "2"), running("b0", "n2", "7", "team-b")]
    waiting = [job("big", driver_only(cpu="7")), *jobs(3, key=TEAM_B, pool="high", prefix="b")]
    fair = decide(
        snapshot(cluster(nodes=nodes, pods=pods), waiting, [waiting_since(0.0), queue(TEAM_B, weight=9)]),
        1000.0,
    )
    assert admitted(fair) == ["b-000", "b-001", "b-002"]
    above = decide(
        snapshot(cluster(nodes=nodes, pods=pods), waiting, [waiting_since(0.0), queue(TEAM_B, weight=1)]),
        1000.0,
    )
    # b-000 fills n2 and b-001 reaches the fair share; what is above it would take the head's room.
    assert admitted(above) == ["b-000", "b-001"]
    assert above.blocked["b-002"].holder == "what protected head big leaves"


def test_a_grant_of_a_queue_that_is_unknown_still_takes_its_room():
    other = QueueKey("cluster", "somewhere")
    view = cluster(nodes=[node(cpu="4")])
    decisions = decide(snapshot(view, [job("a", demand(3))], grants=[grant("g", key=other)]), 0.0)
    assert decisions.blocked["a"].resource == "placement"


def test_a_head_not_looked_at_because_the_batch_is_full_keeps_its_clock():
    view = queue(pools=(PoolView("high", 90), PoolView("normal", 10, 0, "big", 3.0)))
    waiting = [job("big", BIG), *jobs(3, pool="high")]
    decisions = decide(snapshot(cluster(quotas=[TIGHT]), waiting, [view], rules=Rules(2)), 10.0)
    assert decisions.pools[TEAM_A, "normal"] == PoolState(20, "big", 3.0)
