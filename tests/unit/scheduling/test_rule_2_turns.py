# SPDX-License-Identifier: Apache-2.0
"""Rule 2: inside a queue the pools take turns by smooth weighted round robin."""

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import PoolView, Rules
from tests.property.scheduling.builders import (
    TEAM_A,
    admitted,
    carried,
    cluster,
    demand,
    job,
    jobs,
    keys,
    pools,
    queue,
    quota,
    snapshot,
)

SHARES = {
    "90/10: every window of 10 holds 9 high and 1 normal": {"high": 90, "normal": 10},
    "70/20/10: every window of 10 holds 7, 2 and 1": {"high": 70, "normal": 20, "low": 10},
    "equal pools alternate": {"high": 1, "normal": 1},
    "9/1 is the same as 90/10": {"high": 9, "normal": 1},
}


@pytest.mark.parametrize("weights", SHARES.values(), ids=SHARES.keys())
@pytest.mark.parametrize("batch", [1, 7, 10, 60])
def test_every_window_holds_each_pools_share_across_cycles(weights, batch):
    view = queue(pools=pools(*weights.items()))
    order = []
    waiting = [item for pool in weights for item in jobs(60, pool=pool)]
    while len(order) < 60:
        decisions = decide(snapshot(cluster(), waiting, [view], rules=Rules(batch)), 0.0)
        view = carried(view, decisions)
        started = set(admitted(decisions))
        waiting = [item for item in waiting if item.job_id not in started]
        order += [admission.pool for admission in decisions.admissions]
    for start in range(len(order) - 9):
        window = order[start : start + 10]
        expected = {pool: weight * 10 // sum(weights.values()) for pool, weight in weights.items()}
        assert {pool: window.count(pool) for pool in weights} == expected


def test_turns_are_smooth_not_in_blocks():
    waiting = [item for pool in "abc" for item in jobs(9, pool=pool)]
    view = queue(pools=pools(("a", 5), ("b", 1), ("c", 1)))
    decisions = decide(snapshot(cluster(), waiting, [view], rules=Rules(7)), 0.0)
    assert "".join(admission.pool for admission in decisions.admissions) == "aabacaa"


def test_only_pools_that_have_an_eligible_head_take_turns():
    waiting = [*jobs(3, pool="normal"), job("held", pool="high", ineligible="held")]
    decisions = decide(snapshot(cluster(), waiting), 0.0)
    assert admitted(decisions) == ["normal-000", "normal-001", "normal-002"]
    assert decisions.pools[TEAM_A, "normal"].credit == 0


def test_only_pools_that_have_an_unblocked_head_take_turns():
    view = cluster(quotas=[quota(keys(cpu="20"), used=keys(cpu="10"))])
    waiting = [job("big", demand(14), "high"), *jobs(5, pool="normal")]
    decisions = decide(snapshot(view, waiting), 0.0)
    assert len(admitted(decisions)) == 5
    assert decisions.pools[TEAM_A, "high"].credit == 0


def test_credit_is_charged_when_an_admission_commits():
    waiting = [*jobs(3, pool="high"), *jobs(3, pool="normal")]
    picture = snapshot(cluster(), waiting, rules=Rules(1))
    first = decide(picture, 0.0)
    assert {name: state.credit for (_, name), state in first.pools.items()} == {"high": -10, "normal": 10}
    assert decide(picture, 0.0) == first, "a decision that was not committed leaves no trace"


def test_a_readmission_after_a_reschedule_is_not_charged():
    waiting = [job("again", pool="high", readmission=True), *jobs(1, pool="normal")]
    decisions = decide(snapshot(cluster(), waiting, rules=Rules(1)), 0.0)
    assert admitted(decisions) == ["again"]
    assert {state.credit for state in decisions.pools.values()} == {0}


def test_an_idle_pools_credit_resets():
    view = queue(pools=(PoolView("high", 90, 0), PoolView("normal", 10, 77)))
    decisions = decide(snapshot(cluster(), jobs(1, pool="high"), [view]), 0.0)
    assert decisions.pools[TEAM_A, "normal"].credit == 0


def test_a_pool_whose_last_job_has_gone_is_idle_whether_or_not_a_cycle_runs_before_the_next_comes():
    view = queue(pools=(PoolView("high", 90, -50), PoolView("normal", 10, 50)))
    first = decide(snapshot(cluster(), [*jobs(9, pool="high"), job("n")], [view], rules=Rules(1)), 0.0)
    assert admitted(first) == ["n"]
    assert first.pools[TEAM_A, "normal"].credit == 0
    between = decide(snapshot(cluster(), jobs(9, pool="high"), [carried(view, first)], rules=Rules(0)), 0.0)
    assert between.pools == first.pools


def test_a_pool_in_which_everybody_is_ineligible_is_idle():
    view = queue(pools=(PoolView("high", 90, 0), PoolView("normal", 10, 77)))
    waiting = [*jobs(1, pool="high"), job("held", ineligible="held")]
    assert decide(snapshot(cluster(), waiting, [view]), 0.0).pools[TEAM_A, "normal"].credit == 0


def test_a_blocked_pool_keeps_its_credit():
    view = queue(pools=(PoolView("high", 90, -60), PoolView("normal", 10, 60, "big")))
    tight = cluster(quotas=[quota(keys(cpu="20"), used=keys(cpu="10"))])
    decisions = decide(snapshot(tight, [job("big", demand(14)), *jobs(2, pool="high")], [view]), 0.0)
    assert decisions.pools[TEAM_A, "normal"].credit == 60


def test_policy_strict_takes_higher_pools_always_first():
    waiting = [*jobs(30, pool="normal"), *jobs(25, pool="high", start=100)]
    view = queue(policy="strict")
    order = []
    for _ in range(3):
        decisions = decide(snapshot(cluster(), waiting, [view]), 0.0)
        order += admitted(decisions)
        waiting = [item for item in waiting if item.job_id not in order]
        assert {state.credit for state in decisions.pools.values()} == {0}
    assert [name.split("-")[0] for name in order] == ["high"] * 25 + ["normal"] * 30


def test_with_policy_strict_a_blocked_higher_pool_still_lets_the_lower_go_on():
    view = cluster(quotas=[quota(keys(cpu="20"), used=keys(cpu="10"))])
    waiting = [job("big", demand(14), "high"), *jobs(2, pool="normal")]
    assert len(admitted(decide(snapshot(view, waiting, [queue(policy="strict")]), 0.0))) == 2
