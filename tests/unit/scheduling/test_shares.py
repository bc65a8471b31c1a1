# SPDX-License-Identifier: Apache-2.0
import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import PoolView, Rules
from airflow_priority_spark.scheduling.shares import charged, next_pool, weighted_share
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
    pools,
    queue,
    quota,
    snapshot,
)

BIG_BATCH = Rules(batch_size=1000)


def picks(weights, count):
    credits, picked = [0] * len(weights), []
    for _ in range(count):
        index = next_pool(weights, credits)
        picked.append(index)
        credits = charged(weights, credits, index, bound=sum(weights))
    return picked


def test_round_robin_is_smooth_as_in_nginx():
    assert "".join("abc"[index] for index in picks([5, 1, 1], 7)) == "aabacaa"


@pytest.mark.parametrize(
    ("weights", "period"), [((90, 10), 10), ((9, 1), 10), ((1, 1), 2), ((60, 30, 10), 10), ((3, 2), 5)]
)
def test_every_window_of_a_period_holds_each_pools_share(weights, period):
    picked = picks(list(weights), 20 * period)
    for start in range(len(picked) - period):
        window = picked[start : start + period]
        counts = [window.count(index) for index in range(len(weights))]
        assert counts == [weight * period // sum(weights) for weight in weights]


def test_credits_never_pass_the_bound():
    assert charged([90, 10], [95, -95], 1, bound=100) == [100, -100]


def test_nine_of_ten_admissions_are_high():
    waiting = jobs(40, pool="high") + jobs(40, pool="normal")
    names = [
        name.split("-")[0] for name in admitted(decide(snapshot(cluster(), waiting, rules=Rules(40)), 0.0))
    ]
    assert names.count("normal") == 4
    assert all(names[n : n + 10].count("normal") == 1 for n in range(31))


def test_only_the_batch_is_admitted():
    assert len(admitted(decide(snapshot(cluster(), jobs(50)), 0.0))) == 20


def test_strict_queues_take_the_higher_pool_first():
    waiting = [*jobs(3, pool="normal"), job("late", pool="high", at=9)]
    strict = queue(policy="strict")
    assert admitted(decide(snapshot(cluster(), waiting, [strict]), 0.0))[0] == "late"
    credits = decide(snapshot(cluster(), waiting, [strict]), 0.0).pools
    assert {state.credit for state in credits.values()} == {0}


def test_an_idle_pool_saves_up_nothing():
    view = queue(pools=(PoolView("high", 90, 0), PoolView("normal", 10, 77)))
    decisions = decide(snapshot(cluster(), jobs(1, pool="high"), [view]), 0.0)
    assert decisions.pools[TEAM_A, "normal"].credit == 0


def test_a_blocked_head_parks_its_pool_and_the_others_go_on():
    view = cluster(quotas=[quota(keys(cpu="20"), used=keys(cpu="10"))])
    waiting = [job("big", demand(14), "high"), *jobs(5, pool="normal")]
    decisions = decide(snapshot(view, waiting), 0.0)
    assert admitted(decisions) == [f"normal-00{n}" for n in range(5)]
    assert list(decisions.blocked) == ["big"]


def test_only_the_head_of_a_pool_may_start():
    view = cluster(quotas=[quota(keys(cpu="20"), used=keys(cpu="10"))])
    waiting = [job("big", demand(14), at=1), job("small", at=2)]
    assert admitted(decide(snapshot(view, waiting), 0.0)) == []


def test_ineligible_jobs_are_passed_over():
    waiting = [job("held", at=1, ineligible="held"), job("next", at=2)]
    assert admitted(decide(snapshot(cluster(), waiting), 0.0)) == ["next"]


def test_a_readmission_is_not_charged():
    waiting = [job("again", pool="high", readmission=True), *jobs(1, pool="normal")]
    decisions = decide(snapshot(cluster(), waiting, rules=Rules(1)), 0.0)
    assert admitted(decisions) == ["again"]
    assert {state.credit for state in decisions.pools.values()} == {0}


def test_unchecked_jobs_start_whatever_the_room_and_say_what_would_have_blocked_them():
    view = cluster(quotas=[quota(keys(cpu="4"), used=keys(cpu="3"))])
    waiting = [job("head", demand(2), at=1), job("observed", demand(2), at=2, unchecked=True)]
    decisions = decide(snapshot(view, waiting), 0.0)
    assert admitted(decisions) == ["observed"]
    assert decisions.observed["observed"].needed == 3000
    assert list(decisions.blocked) == ["head"]
    assert decisions.blocked["head"].free == 0
    assert decisions.pools[TEAM_A, "normal"].credit == 0


def test_the_share_is_the_greatest_part_of_any_resource_divided_by_the_weight():
    held, totals = {"cpu": 2, "memory": 6, "gpu": 1}, {"cpu": 10, "memory": 10}
    assert weighted_share(held, totals, 1) == 0.6
    assert weighted_share(held, totals, 3) == 0.2
    assert weighted_share(held, totals, 0) == 0.6
    assert weighted_share({}, totals, 1) == 0.0


@pytest.mark.parametrize("weight", [3, 7, 10, 49, 100])
def test_equal_shares_are_equal_however_they_come_about(weight):
    """0.3 / 3 is not 0.1 in floats: a tie would then go to the wrong queue."""
    share = weighted_share({"cpu": 1}, {"cpu": 10}, 1)
    assert weighted_share({"cpu": weight}, {"cpu": 10}, weight) == share
    assert weighted_share({"memory": weight * 2**40}, {"memory": 10 * 2**40}, weight) == share


def two_queues(**weights):
    return [queue(TEAM_A, weight=weights.get("a", 1)), queue(TEAM_B, weight=weights.get("b", 1))]


def test_the_queue_that_holds_least_goes_next_and_ties_go_by_key():
    waiting = jobs(4, prefix="a") + jobs(4, prefix="b", key=TEAM_B)
    nodes = [node(cpu="100", memory="1000Gi")]
    equal = decide(snapshot(cluster(nodes=nodes), waiting, two_queues(), rules=BIG_BATCH), 0.0)
    assert "".join(name[0] for name in admitted(equal)) == "abababab"
    ahead = [grant("g", demand(2))]
    held = decide(snapshot(cluster(nodes=nodes), waiting, two_queues(), grants=ahead, rules=BIG_BATCH), 0.0)
    assert "".join(name[0] for name in admitted(held)) == "bbbabaaa"


def test_a_queue_of_weight_three_gets_three_times_as_much():
    waiting = jobs(20, prefix="a") + jobs(20, prefix="b", key=TEAM_B)
    view = cluster(nodes=[node(cpu="100", memory="1000Gi")])
    names = admitted(decide(snapshot(view, waiting, two_queues(a=3), rules=Rules(16)), 0.0))
    assert sum(name.startswith("a") for name in names) == 12


def test_what_counts_is_each_queues_own_dominant_resource():
    waiting = jobs(6, driver_only(cpu="1", memory="8Gi"), prefix="a")
    waiting += jobs(6, driver_only(cpu="3", memory="1Gi"), prefix="b", key=TEAM_B)
    view = cluster(nodes=[node(cpu="9", memory="18Gi")])
    names = admitted(decide(snapshot(view, waiting, two_queues()), 0.0))
    # 8/18 of the memory against 3/9 of the CPU: b, ahead with less, gets its second job first.
    assert names == ["a-000", "b-000", "b-001", "a-001"]


def test_running_pods_of_jobs_are_held_too():
    pods = [pod("p", "n1", cpu="10", job_id="g", pod_set="driver")]
    waiting = jobs(1, prefix="a") + jobs(1, prefix="b", key=TEAM_B)
    view = cluster(nodes=[node("n1", cpu="100")], pods=pods)
    assert admitted(decide(snapshot(view, waiting, two_queues()), 0.0)) == ["b-000", "a-000"]


def test_three_pools_share_by_weight():
    waiting = [j for name in ("urgent", "high", "low") for j in jobs(30, pool=name)]
    view = queue(pools=pools(("urgent", 60), ("high", 30), ("low", 10)))
    names = admitted(decide(snapshot(cluster(), waiting, [view], rules=Rules(20)), 0.0))
    assert [sum(n.startswith(p) for n in names) for p in ("urgent", "high", "low")] == [12, 6, 2]
