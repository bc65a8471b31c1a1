# SPDX-License-Identifier: Apache-2.0
"""Rule 5: a head that capacity blocks for too long is retried, then cancelled or held."""

from dataclasses import replace

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import (
    HeadRules,
    PoolView,
    Rules,
    describe_timeout,
)
from tests.property.scheduling.builders import (
    GIB,
    TEAM_A,
    admitted,
    carried,
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

FULL = quota(keys(cpu="20"), used=keys(cpu="10"))
BIG = demand(14)
HOUR = 3600.0

#: What a cycle sees of the queue, by a name; the clock of the head ``big`` runs in the first case only.
CYCLES = {
    "blocked": {},
    "stale": {"cluster": {"fresh": False}},
    "gone": {"cluster": None},
    "paused": {"queue": {"paused": True}},
    "pool at its limit": {"pool": {"limit": 0}},
    "queue at its limit": {"queue": {"limit": 0}},
    "cluster at its limit": {"cluster": {"limit": 0}},
    "site at its limit": {"rules": {"limit": 0}},
}


def cycle(now, view, sees="blocked", waiting=(), **rules):
    """Return the decision of one cycle in which ``big`` is head of pool normal, and the queue after it."""
    given = CYCLES[sees]
    shown = replace(view, **given.get("queue", {}))
    shown = replace(shown, pools=tuple(replace(pool, **given.get("pool", {})) for pool in shown.pools))
    seen = given.get("cluster", {})
    of = None if seen is None else cluster(quotas=[FULL], **seen)
    rules = Rules(**rules, **given.get("rules", {}))
    decisions = decide(snapshot(of, waiting or [job("big", BIG)], [shown], rules=rules), now)
    return decisions, carried(view, decisions)


def timed_out_at(cycles, **rules):
    """Return when, in some cycles (instant, what it sees), the head timed out and how long its clock ran."""
    view, found = queue(), []
    for now, sees in cycles:
        decisions, view = cycle(now, view, sees, **rules)
        found += [(now, timeout.reason_seconds) for timeout in decisions.timed_out]
    return found


def test_a_head_blocked_by_capacity_longer_than_3600_seconds_times_out():
    assert timed_out_at([(0, "blocked"), (3599, "blocked")]) == []
    assert timed_out_at([(0, "blocked"), (3600, "blocked")]) == [(3600, 3600.0)]


def test_the_timeout_is_configured_for_the_site_and_per_pool():
    short = HeadRules(timeout_seconds=60.0)
    assert timed_out_at([(0, "blocked"), (60, "blocked")], head_rules=short) == [(60, 60.0)]
    own = queue(pools=(PoolView("normal", 10, head_rules=short),))
    _, view = cycle(0.0, own, head_rules=HeadRules(timeout_seconds=9.0))
    assert cycle(59.0, view, head_rules=HeadRules(timeout_seconds=9.0))[0].timed_out == ()
    assert len(cycle(60.0, view, head_rules=HeadRules(timeout_seconds=9.0))[0].timed_out) == 1


def test_a_timeout_of_zero_never_comes():
    rules = {"head_rules": HeadRules(timeout_seconds=0.0)}
    assert timed_out_at([(0, "blocked"), (10 * HOUR, "blocked")], **rules) == []


@pytest.mark.parametrize("sees", [name for name in CYCLES if name != "blocked"])
def test_the_clock_runs_only_while_the_head_is_blocked_by_capacity_and_the_snapshot_is_fresh(sees):
    pause = [(1000 + minute * 60, sees) for minute in range(100)]
    cycles = [(0, "blocked"), *pause, (10_000, "blocked")]
    assert timed_out_at([*cycles, (12_599, "blocked")]) == []
    assert timed_out_at([*cycles, (12_600, "blocked")]) == [(12_600, HOUR)]


def test_the_clock_stands_still_without_a_write_per_cycle():
    _, view = cycle(0.0, queue())
    decisions, paused = cycle(1000.0, view, "stale")
    assert decisions.pools[TEAM_A, "normal"].head_clock_paused_at == 1000.0
    for now in (1001.0, 1500.0, 3000.0):
        decisions, after = cycle(now, paused, "stale")
        assert after == paused
        assert decisions.pools[TEAM_A, "normal"] == paused.pools[1].state()
    decisions, going = cycle(3000.0, paused)
    assert decisions.pools[TEAM_A, "normal"].head_timeout_since == 2000.0
    assert cycle(3500.0, going)[1] == going, "a running clock is not written either"


def test_the_clock_runs_only_while_it_is_head():
    _, view = cycle(0.0, queue())
    before = [job("moved ahead", BIG, at=-1), job("big", BIG)]
    decisions, view = cycle(3599.0, view, waiting=before)
    assert decisions.pools[TEAM_A, "normal"].head_timeout_since == 3599.0
    decisions, view = cycle(3700.0, view)
    assert decisions.timed_out == ()
    assert decisions.pools[TEAM_A, "normal"].head_timeout_since == 3700.0


def test_who_is_not_head_has_no_clock():
    _, view = cycle(0.0, queue(), waiting=[job("big", BIG), job("behind", BIG, at=1)])
    decisions, _ = cycle(HOUR, view, waiting=[job("big", BIG), job("behind", BIG, at=1)])
    assert [timeout.job_id for timeout in decisions.timed_out] == ["big"]
    assert decisions.pools[TEAM_A, "normal"].head_timeout_since == HOUR, "the next head's clock starts now"


def test_a_job_over_a_limit_of_its_user_is_not_head_and_has_no_clock():
    view = queue()
    for now in (0.0, HOUR, 2 * HOUR):
        waiting = [job("big", BIG, user="ada"), job("behind", BIG, at=1)]
        decisions, view = cycle(now, view, waiting=waiting, limit_per_user=0)
        assert "big" not in decisions.blocked
        assert "big" not in {timeout.job_id for timeout in decisions.timed_out}


def elastic(now, view, of):
    decisions = decide(snapshot(of, [job("big", driver_only(cpu="12"))], [view]), now)
    return decisions, carried(view, decisions)


def test_on_elastic_nodes_the_clock_runs_for_quota_blocks():
    of = cluster(quotas=[FULL], nodes=[node(cpu="8")], fixed_nodes=False)
    _, view = elastic(0.0, queue(), of)
    assert len(elastic(HOUR, view, of)[0].timed_out) == 1


def test_on_elastic_nodes_no_clock_runs_while_nodes_are_missing():
    of = cluster(nodes=[node(cpu="8")], fixed_nodes=False, node_maxima=keys(cpu="20"))
    of = replace(of, pods=tuple(pod(f"p{n}", "n1", cpu="5") for n in range(2)))
    decisions, view = elastic(0.0, queue(), of)
    assert decisions.blocked["big"].by_nodes
    for hour in range(1, 5):
        decisions, view = elastic(hour * HOUR, view, of)
        assert decisions.timed_out == decisions.warnings == ()
    assert view.pools[1].head_timeout_since is None
    assert view.pools[1].head_blocked_since == 0.0, "it protects all the same"


def test_on_fixed_nodes_the_clock_runs_while_nodes_are_missing():
    of = cluster(nodes=[node(cpu="16")], pods=[pod("p", "n1", cpu="8")])
    _, view = elastic(0.0, queue(), of)
    (timeout,) = elastic(HOUR, view, of)[0].timed_out
    assert timeout.why.resource == "placement"


def test_warnings_come_once_at_half_and_once_at_80_percent():
    view, found = queue(), []
    for now in range(0, 3600, 60):
        decisions, view = cycle(float(now), view)
        found += [(now, warning.percent, warning.seconds) for warning in decisions.warnings]
    assert found == [(1800, 50, 1800.0), (2880, 80, 2880.0)]


def test_a_warning_that_was_missed_is_not_given_late():
    _, view = cycle(0.0, queue())
    decisions, view = cycle(3000.0, view)
    assert [warning.percent for warning in decisions.warnings] == [80]
    assert cycle(3010.0, view)[0].warnings == ()


def test_a_new_head_is_warned_anew():
    _, view = cycle(0.0, queue())
    _, view = cycle(2000.0, view)
    other = [job("other", BIG)]
    _, view = cycle(2001.0, view, waiting=other)
    assert [warning.percent for warning in cycle(3801.0, view, waiting=other)[0].warnings] == [50]


def test_while_it_has_retries_left_one_is_used_and_the_clock_restarts():
    rules = {"head_rules": HeadRules(retry_count=2)}
    _, view = cycle(0.0, queue(), **rules)
    for used, now in ((0, HOUR), (1, 2 * HOUR)):
        waiting = [job("big", BIG, head_retries=used), job("next", at=5)]
        decisions, view = cycle(now, view, waiting=waiting, **rules)
        (timeout,) = decisions.timed_out
        assert (timeout.job_id, timeout.action, timeout.position) == ("big", "retry", "keep")
        assert admitted(decisions) == []
        state = decisions.pools[TEAM_A, "normal"]
        assert (state.head_id, state.head_timeout_since, state.head_warned) == ("big", now, 0)
        assert state.head_blocked_since == 0.0, "it goes on protecting"
    waiting = [job("big", BIG, head_retries=2), job("next", at=5)]
    assert cycle(3 * HOUR - 1, view, waiting=waiting, **rules)[0].timed_out == ()
    (timeout,) = cycle(3 * HOUR, view, waiting=waiting, **rules)[0].timed_out
    assert timeout.action == "cancel"


def test_after_a_retry_it_is_warned_again():
    rules = {"head_rules": HeadRules(retry_count=1)}
    _, view = cycle(0.0, queue(), **rules)
    _, view = cycle(3000.0, view, **rules)
    _, view = cycle(HOUR, view, **rules)
    again = [job("big", BIG, head_retries=1)]
    decisions, _ = cycle(HOUR + 1800.0, view, waiting=again, **rules)
    assert [warning.percent for warning in decisions.warnings] == [50]


def test_with_retry_position_tail_it_goes_to_the_tail_and_the_next_becomes_head():
    rules = {"head_rules": HeadRules(retry_count=1, retry_position="tail")}
    waiting = [job("big", BIG), job("next", at=5), job("also big", BIG, at=6)]
    _, view = cycle(0.0, queue(), waiting=waiting, **rules)
    decisions, view = cycle(HOUR, view, waiting=waiting, **rules)
    (timeout,) = decisions.timed_out
    assert (timeout.action, timeout.position) == ("retry", "tail")
    assert admitted(decisions) == ["next"]
    assert decisions.pools[TEAM_A, "normal"].head_id == "also big"
    assert "big" not in decisions.blocked


def test_a_lone_job_that_goes_to_the_tail_is_head_again_with_a_new_clock():
    rules = {"head_rules": HeadRules(retry_count=1, retry_position="tail")}
    _, view = cycle(0.0, queue(), **rules)
    _, view = cycle(HOUR, view, **rules)
    moved = [job("big", BIG, at=HOUR, head_retries=1)]
    decisions, _ = cycle(HOUR + 1, view, waiting=moved, **rules)
    assert decisions.pools[TEAM_A, "normal"].head_timeout_since == HOUR + 1


@pytest.mark.parametrize("action", ["cancel", "hold"])
def test_after_that_it_is_cancelled_or_held_and_the_next_becomes_head(action):
    rules = {"head_rules": HeadRules(timeout_action=action)}
    waiting = [job("big", BIG), job("next", at=5)]
    _, view = cycle(0.0, queue(), waiting=waiting, **rules)
    decisions, _ = cycle(HOUR, view, waiting=waiting, **rules)
    assert [(timeout.job_id, timeout.action) for timeout in decisions.timed_out] == [("big", action)]
    assert admitted(decisions) == ["next"]
    assert decisions.blocked == {}


def test_the_default_action_is_cancel_without_retries():
    assert (HeadRules().timeout_action, HeadRules().retry_count) == ("cancel", 0)


def test_a_head_whose_time_is_up_protects_nothing_any_more():
    waiting = [job("big", BIG), *jobs(3, pool="high")]
    _, view = cycle(0.0, queue(), waiting=waiting[:1])
    decisions, _ = cycle(HOUR, view, waiting=waiting)
    assert len(admitted(decisions)) == 3


def test_a_head_that_fits_at_last_is_admitted_however_late():
    _, view = cycle(0.0, queue())
    decisions, _ = cycle(2 * HOUR, view, waiting=[job("big", demand(9))])
    assert admitted(decisions) == ["big"]
    assert decisions.timed_out == ()


def test_the_reason_has_numbers():
    room = quota(keys(requests_memory="100Gi"), used=keys(requests_memory="60Gi"))
    waiting = [job("big", driver_only(memory="96Gi"), pool="high")]
    view = queue(pools=(PoolView("high", 90, 0, "big", 0.0, 0.0),))
    (timeout,) = decide(snapshot(cluster(quotas=[room]), waiting, [view]), HOUR).timed_out
    assert (timeout.queue, timeout.pool, timeout.why.needed) == (TEAM_A, "high", 96 * GIB)
    assert describe_timeout(timeout) == (
        "blocked at the head of team-a/high for 3600 s by memory: needs 96 GiB, 40 GiB free of quota team-a"
    )
    (warning,) = decide(snapshot(cluster(quotas=[room]), waiting, [view]), 1800.0).warnings
    assert describe_timeout(warning) == (
        "blocked at the head of team-a/high for 1800 s by memory: needs 96 GiB, 40 GiB free of quota team-a"
    )


def test_who_could_never_start_times_out_too_where_the_site_lets_it_wait():
    view = queue(pools=(PoolView("normal", 10, 0, "big", 0.0, 0.0),))
    picture = snapshot(
        cluster(quotas=[quota(keys(cpu="4"))]),
        [job("big", demand(9))],
        [view],
        rules=Rules(fail_impossible=False),
    )
    assert [timeout.job_id for timeout in decide(picture, HOUR).timed_out] == ["big"]


def test_a_clock_that_jumps_back_neither_times_out_nor_runs_backwards():
    _, view = cycle(10_000.0, queue())
    decisions, view = cycle(5000.0, view)
    assert decisions.timed_out == decisions.warnings == ()
    _, view = cycle(4000.0, view, "stale")
    decisions, _ = cycle(3000.0, view)
    assert decisions.pools[TEAM_A, "normal"].head_timeout_since == 10_000.0


def test_a_grant_that_ends_lets_the_head_start_and_ends_its_clock():
    held = [grant("g", demand(9))]
    free = quota(keys(cpu="20"))
    view = queue()
    decisions = decide(snapshot(cluster(quotas=[free]), [job("big", BIG)], [view], grants=held), 0.0)
    view = carried(view, decisions)
    decisions = decide(snapshot(cluster(quotas=[free]), [job("big", BIG)], [view]), HOUR)
    assert admitted(decisions) == ["big"]
    assert decisions.pools[TEAM_A, "normal"].head_timeout_since is None
