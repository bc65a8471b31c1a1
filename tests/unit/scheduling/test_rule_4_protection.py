# SPDX-License-Identifier: Apache-2.0
"""Rule 4: a blocked head parks its pool; blocked for long, it protects what it waits for.

The guarantee that follows (a head starts within protection time + the longest running job) is a
property over many cycles: ``tests/property/scheduling/test_guarantee.py``.
"""

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import (
    Demand,
    HeadRules,
    PodSet,
    PoolState,
    PoolView,
    Rules,
    describe_blocked,
)
from airflow_priority_spark.scheduling.resources import Resources
from tests.property.scheduling.builders import (
    TEAM_A,
    TEAM_B,
    admitted,
    carried,
    cluster,
    demand,
    driver_only,
    job,
    jobs,
    keys,
    node,
    pod,
    protecting,
    queue,
    quota,
    snapshot,
)

TIGHT = quota(keys(cpu="20"), used=keys(cpu="10"))
BIG = demand(14)
GPU = "requests.nvidia.com/gpu"


def waiting_since(since, pool="normal", head="big", other="high", **fields):
    """Return the queue in which ``head`` has been blocked since then."""
    weights = {"high": 90, "normal": 10}
    blocked = PoolView(pool, weights[pool], 0, head, since, since, **fields)
    return queue(pools=(blocked, PoolView(other, weights[other])))


def decided(now, *, view=None, waiting=None, queues=None, **fields):
    """Decide on a half-full queue in which a big normal head waits before three small high jobs."""
    small = jobs(3, pool="high")
    waiting = [job("big", BIG), *small] if waiting is None else waiting
    picture = snapshot(view or cluster(quotas=[TIGHT]), waiting, queues or [waiting_since(0.0)], **fields)
    return decide(picture, now)


def test_a_blocked_head_parks_its_pool():
    decisions = decided(0.0, waiting=[job("big", BIG), job("small", at=1)], queues=[queue()])
    assert admitted(decisions) == []
    assert describe_blocked(decisions.blocked["big"]) == "cpu: needs 15 CPU, 10 CPU free of quota team-a"


def test_it_is_parked_until_capacity_changes():
    assert admitted(decided(1.0, waiting=[job("big", BIG)])) == []
    roomy = cluster(quotas=[quota(keys(cpu="20"), used=keys(cpu="5"))])
    assert admitted(decided(1.0, waiting=[job("big", BIG)], view=roomy)) == ["big"]


def test_it_is_parked_until_its_own_row_changes():
    assert admitted(decided(1.0, waiting=[job("big", demand(9))])) == ["big"]


def test_meanwhile_its_pool_is_skipped_and_the_other_pools_of_the_queue_go_on():
    decisions = decided(1.0, queues=[queue()])
    assert admitted(decisions) == ["high-000", "high-001", "high-002"]
    assert list(decisions.blocked) == ["big"]


def test_until_the_head_has_been_blocked_for_head_protection_seconds_by_default_300():
    assert len(admitted(decided(299.9))) == 3
    assert len(admitted(decided(300.0))) == 0


OWN_PROTECTION = {
    "the site's protection time counts where a pool has none": (Rules(head_rules=protecting(60.0)), None),
    "a pool's own protection time goes before the site's": (Rules(), protecting(60.0)),
}


@pytest.mark.parametrize(("rules", "own"), OWN_PROTECTION.values(), ids=OWN_PROTECTION.keys())
def test_protection_time_is_configured(rules, own):
    view = waiting_since(0.0, head_rules=own)
    assert len(admitted(decided(59.0, queues=[view], rules=rules))) == 3
    assert len(admitted(decided(60.0, queues=[view], rules=rules))) == 0


def test_nothing_else_of_its_queue_that_needs_the_blocking_resource_is_admitted():
    decisions = decided(300.0)
    assert admitted(decisions) == []
    assert describe_blocked(decisions.blocked["high-000"]) == (
        "cpu: needs 1 CPU, 0 CPU free of what protected head big leaves"
    )


def gpu_wants(gpus, cpu="1"):
    each = Resources.parse({"cpu": cpu, "nvidia.com/gpu": gpus})
    return Demand((PodSet("driver", 1, each),))


def test_who_does_not_need_the_blocking_resource_goes_on_with_what_the_head_leaves():
    hard = Resources({"requests.cpu": 6000, GPU: 4})
    view = cluster(quotas=[quota(hard, used=Resources({GPU: 3}))])
    decisions = decided(300.0, view=view, waiting=[job("big", gpu_wants(4, "4")), *jobs(3, pool="high")])
    assert decisions.blocked["big"].resource == "nvidia.com/gpu"
    # Six cores, of which the head will need four: two small jobs go on, the third would delay it.
    assert admitted(decisions) == ["high-000", "high-001"]
    assert describe_blocked(decisions.blocked["high-002"]) == (
        "cpu: needs 1 CPU, 0 CPU free of what protected head big leaves"
    )


def test_a_protecting_head_that_fits_now_goes_first():
    view = cluster(quotas=[quota(keys(cpu="20"), used=keys(cpu="5"))])
    assert admitted(decided(300.0, view=view)) == ["big"]


def running(name, on, cpu, namespace="team-a"):
    return pod(name, on, cpu=cpu, job_id=name, pod_set="driver", namespace=namespace)


def test_for_placement_the_nodes_it_will_use_are_reserved_and_only_those():
    nodes = [node("n1", cpu="8"), node("n2", cpu="4")]
    view = cluster(nodes=nodes, pods=[running("r", "n1", "2")])
    decisions = decided(1000.0, view=view, waiting=[job("big", driver_only(cpu="7")), *jobs(6, pool="high")])
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
        decisions = decided(1000.0, view=view, waiting=waiting)
        free_on_n2 = 8 - 1 - sum(int(cpu) for _, name, cpu in busy if name == "n2")
        assert len(admitted(decisions)) == free_on_n2


def test_at_most_one_head_per_queue_protects_the_longest_blocked():
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
    decisions = decided(1000.0, view=cluster(quotas=quotas), waiting=waiting, queues=[view])
    assert admitted(decisions) == ["small"]
    assert set(decisions.blocked) == {"young", "old"}


def test_equally_long_blocked_heads_protect_by_id():
    view = queue(
        pools=(PoolView("high", 90, 0, "b", 5.0), PoolView("normal", 10, 0, "a", 5.0), PoolView("low", 1))
    )
    waiting = [job("b", BIG, "high"), job("a", BIG, "normal"), job("c", pool="low")]
    for listed in (waiting, waiting[::-1]):
        decisions = decided(1000.0, waiting=listed, queues=[view])
        assert decisions.blocked["c"].holder == "what protected head a leaves"


def test_each_pool_has_its_own_protection_time():
    view = queue(
        pools=(
            PoolView("high", 90, 0, "young", 10.0, head_rules=protecting(30.0)),
            PoolView("normal", 10, 0, "old", 5.0, head_rules=protecting(9000.0)),
            PoolView("low", 1),
        )
    )
    waiting = [job("young", BIG, "high"), job("old", BIG, "normal"), job("small", pool="low")]
    decisions = decided(100.0, waiting=waiting, queues=[view])
    assert decisions.blocked["small"].holder == "what protected head young leaves"


NEVER_PROTECTS = {
    "a job over a limit of its user does not protect": {
        "waiting": {"user": "ada"},
        "rules": Rules(limit_per_user=0),
    },
    "a held job does not protect": {"waiting": {"ineligible": "held"}},
    "a job whose earlier attempt lives does not protect": {"waiting": {"ineligible": "previous-attempt"}},
    "a head whose pool is at its limit does not protect": {"pool": {"limit": 0}},
}


@pytest.mark.parametrize("given", NEVER_PROTECTS.values(), ids=NEVER_PROTECTS.keys())
def test_only_capacity_blocks_protect_never_limits_or_holds(given):
    waiting = [job("big", BIG, **given.get("waiting", {})), *jobs(3, pool="high")]
    view = waiting_since(0.0, **given.get("pool", {}))
    decisions = decided(1000.0, waiting=waiting, queues=[view], rules=given.get("rules", Rules()))
    assert len(admitted(decisions)) == 3


def test_a_pause_never_protects():
    """The queue was paused while its head would have become protecting; the time counts when it resumes."""
    view = waiting_since(0.0)
    paused = decided(1000.0, queues=[queue(pools=view.pools, paused=True)])
    assert admitted(paused) == []
    assert paused.blocked == {}


def test_in_other_queues_a_quota_blocked_head_protects_nothing():
    decisions = decided(
        1000.0, waiting=[job("big", BIG), job("b", key=TEAM_B)], queues=[waiting_since(0.0), queue(TEAM_B)]
    )
    assert admitted(decisions) == ["b"]


def test_across_queues_on_shared_nodes_only_queues_above_their_weighted_fair_share_are_held_back():
    nodes = [node("n1", cpu="8"), node("n2", cpu="8")]
    view = cluster(nodes=nodes, pods=[running("r", "n1", "2"), running("b0", "n2", "7", "team-b")])
    waiting = [job("big", driver_only(cpu="7")), *jobs(3, key=TEAM_B, pool="high", prefix="b")]
    fair = decided(1000.0, view=view, waiting=waiting, queues=[waiting_since(0.0), queue(TEAM_B, weight=9)])
    assert admitted(fair) == ["b-000", "b-001", "b-002"]
    above = decided(1000.0, view=view, waiting=waiting, queues=[waiting_since(0.0), queue(TEAM_B)])
    # b-000 fills n2 and b-001 reaches the fair share; what is above it would take the head's room.
    assert admitted(above) == ["b-000", "b-001"]
    assert above.blocked["b-002"].holder == "what protected head big leaves"


def test_the_time_of_being_blocked_starts_now_goes_on_and_belongs_to_the_head():
    first = decided(100.0, waiting=[job("big", BIG)], queues=[queue()])
    assert first.pools[TEAM_A, "normal"] == PoolState(0, "big", 100.0, 100.0)
    later = decided(160.0, waiting=[job("big", BIG)], queues=[carried(queue(), first)])
    assert later.pools[TEAM_A, "normal"] == PoolState(0, "big", 100.0, 100.0)
    other = decided(200.0, waiting=[job("other", BIG)], queues=[carried(queue(), later)])
    assert other.pools[TEAM_A, "normal"] == PoolState(0, "other", 200.0, 200.0)
    empty = decided(300.0, waiting=[], queues=[carried(queue(), other)])
    assert empty.pools[TEAM_A, "normal"] == PoolState(0, None, None)


def test_a_head_not_looked_at_because_the_batch_is_full_keeps_its_time():
    view = queue(pools=(PoolView("high", 90), PoolView("normal", 10, 0, "big", 3.0, 3.0)))
    decisions = decided(10.0, queues=[view], rules=Rules(2))
    assert decisions.pools[TEAM_A, "normal"] == PoolState(20, "big", 3.0, 3.0)


def test_a_head_that_could_never_start_protects_nothing_where_the_site_lets_it_wait():
    view = cluster(quotas=[quota(keys(cpu="4"))])
    rules = Rules(fail_impossible=False, head_rules=HeadRules(protection_seconds=0))
    waiting = [job("big", demand(9)), job("small", pool="high", at=2)]
    decisions = decided(1000.0, view=view, waiting=waiting, rules=rules)
    assert decisions.blocked["big"].needed == 10_000
    assert admitted(decisions) == ["small"]
