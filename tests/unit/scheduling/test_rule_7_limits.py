# SPDX-License-Identifier: Apache-2.0
"""Rule 7: limits on concurrently admitted jobs, by place and by person."""

from dataclasses import replace

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import (
    HeadRules,
    Ineligible,
    PoolState,
    PoolView,
    QueueKey,
    Rules,
    Snapshot,
)
from tests.property.scheduling.builders import (
    TEAM_A,
    TEAM_B,
    admitted,
    cluster,
    demand,
    grant,
    job,
    jobs,
    keys,
    pools,
    queue,
    quota,
    snapshot,
)

LIMITED_POOL = (PoolView("high", 90, limit=2), PoolView("normal", 10))
EVERYWHERE = [
    *jobs(3, pool="high", prefix="a-high"),
    *jobs(3, pool="normal", prefix="a-normal"),
    *jobs(3, pool="high", prefix="b-high", key=TEAM_B),
]

#: sentence → (queue team-a, cluster, site), who starts, what the first that does not start says.
PLACES = {
    "a pool limit stops the pool; the others of its queue go on": (
        ({"pools": LIMITED_POOL}, {}, Rules()),
        {"a-high": 2, "a-normal": 3, "b-high": 3},
        "pool team-a/high has 2 of 2 jobs admitted",
    ),
    "a queue limit stops the queue; other queues go on": (
        ({"limit": 2}, {}, Rules()),
        {"a-high": 2, "a-normal": 0, "b-high": 3},
        "queue team-a has 2 of 2 jobs admitted",
    ),
    "a cluster limit stops the cluster": (
        ({}, {"limit": 4}, Rules()),
        {"a-high": 3, "a-normal": 1, "b-high": 0},
        "the cluster has 4 of 4 jobs admitted",
    ),
    "a site limit stops the site": (
        ({}, {}, Rules(limit=4)),
        {"a-high": 3, "a-normal": 1, "b-high": 0},
        "the site has 4 of 4 jobs admitted",
    ),
    "the first limit that is reached counts": (
        ({"limit": 5, "pools": LIMITED_POOL}, {"limit": 9}, Rules(limit=9)),
        {"a-high": 2, "a-normal": 3, "b-high": 3},
        "pool team-a/high has 2 of 2 jobs admitted",
    ),
}


@pytest.mark.parametrize(("given", "starts", "says"), PLACES.values(), ids=PLACES.keys())
def test_limits_of_places(given, starts, says):
    of_queue, of_cluster, rules = given
    picture = snapshot(cluster(**of_cluster), EVERYWHERE, [queue(**of_queue), queue(TEAM_B)], rules=rules)
    decisions = decide(picture, 0.0)
    started = admitted(decisions)
    assert {prefix: sum(name.startswith(prefix) for name in started) for prefix in starts} == starts
    assert (Ineligible.LIMIT, says) in decisions.ineligible.values()
    assert decisions.blocked == {}


def test_the_site_limit_counts_all_clusters():
    other = QueueKey("second", "team-a")
    waiting = jobs(4, prefix="a") + jobs(4, prefix="x", key=other)
    clusters = (cluster(), replace(cluster(), cluster_id="second"))
    picture = Snapshot(clusters, (queue(), queue(other)), tuple(waiting), rules=Rules(limit=5))
    assert len(admitted(decide(picture, 0.0))) == 5


#: sentence → site rules, who starts of ada's and bob's jobs of two services, what the others say.
PEOPLE = {
    "a limit per user": (
        Rules(limit_per_user=1),
        ["ada-etl-1", "bob-etl-1", "nobody"],
        "user ada has 1 of 1 jobs admitted",
    ),
    "a limit per service": (
        Rules(limit_per_service=1),
        ["ada-etl-1", "ada-report-1", "nobody"],
        "service etl has 1 of 1 jobs admitted",
    ),
    "a limit per user and service": (
        Rules(limit_per_user_service=1),
        ["ada-etl-1", "ada-report-1", "bob-etl-1", "nobody"],
        "user ada has 1 of 1 jobs of service etl admitted",
    ),
    "several limits at once: each must be kept": (
        Rules(limit_per_user=2, limit_per_service=1),
        ["ada-etl-1", "ada-report-1", "nobody"],
        "service etl has 1 of 1 jobs admitted",
    ),
}


def of(user, service, number, at):
    return job(f"{user}-{service}-{number}", at=at, user=user, service=service)


LINE = [
    of("ada", "etl", 1, 1),
    of("ada", "etl", 2, 2),
    of("ada", "report", 1, 3),
    of("bob", "etl", 1, 4),
    job("nobody", at=5),
]


@pytest.mark.parametrize(("rules", "starts", "says"), PEOPLE.values(), ids=PEOPLE.keys())
def test_limits_on_people(rules, starts, says):
    decisions = decide(snapshot(cluster(), LINE, rules=rules), 0.0)
    assert admitted(decisions) == starts
    assert decisions.ineligible["ada-etl-2"] == (Ineligible.LIMIT, says)
    assert set(decisions.ineligible) == {item.job_id for item in LINE} - set(starts)


def test_jobs_whose_user_is_not_known_are_nobodys_and_not_limited():
    rules = Rules(limit_per_user=1, limit_per_service=1, limit_per_user_service=1)
    assert len(admitted(decide(snapshot(cluster(), jobs(5), rules=rules), 0.0))) == 5


GRANTS = {
    "of its pool": grant("g", pool="normal"),
    "of its user": grant("g", user="ada", key=TEAM_B),
    "of its service": grant("g", service="etl", key=QueueKey("unknown", "elsewhere")),
    "of its user and service": grant("g", user="ada", service="etl"),
}


@pytest.mark.parametrize("held", GRANTS.values(), ids=GRANTS.keys())
def test_grants_are_counted(held):
    view = queue(pools=(PoolView("normal", 10, limit=1),))
    rules = Rules(limit_per_user=1, limit_per_service=1, limit_per_user_service=1)
    waiting = [job("a", user="ada", service="etl")]
    assert admitted(decide(snapshot(cluster(), waiting, [view], rules=rules), 0.0)) == ["a"]
    decisions = decide(snapshot(cluster(), waiting, [view], rules=rules, grants=[held]), 0.0)
    assert admitted(decisions) == []
    assert " has 1 of 1 jobs " in decisions.ineligible["a"][1]


def test_admissions_of_the_same_decision_are_counted_in_all_queues():
    waiting = [job("a", user="ada"), job("b", key=TEAM_B, user="ada")]
    decisions = decide(
        snapshot(cluster(), waiting, [queue(), queue(TEAM_B)], rules=Rules(limit_per_user=1)), 0.0
    )
    assert admitted(decisions) == ["a"]
    assert list(decisions.ineligible) == ["b"]


def test_a_job_is_counted_once_even_if_it_waits_and_holds_a_grant():
    """An adopted application's grant goes on while its job is admitted again."""
    waiting = [job("g", unchecked=True, user="ada"), job("next", at=1, user="ada")]
    rules = Rules(limit_per_user=2)
    decisions = decide(snapshot(cluster(), waiting, rules=rules, grants=[grant("g", user="ada")]), 0.0)
    assert admitted(decisions) == ["g", "next"]


def test_unchecked_jobs_are_not_stopped_but_counted():
    waiting = [job("observed", at=5, unchecked=True), job("a")]
    decisions = decide(snapshot(cluster(), waiting, rules=Rules(limit=1)), 0.0)
    assert admitted(decisions) == ["observed"]
    decisions = decide(snapshot(cluster(), waiting, rules=Rules(limit=0)), 0.0)
    assert decisions.ineligible["a"] == (Ineligible.LIMIT, "the site has 1 of 0 jobs admitted")


FULL = cluster(quotas=[quota(keys(cpu="20"), used=keys(cpu="10"))])
PAST = PoolView("normal", 10, 0, "big", 0.0, 0.0, head_rules=HeadRules(timeout_seconds=60.0))


def test_a_job_over_a_limit_is_not_eligible_later_jobs_pass_it_and_no_clock_runs():
    waiting = [job("big", demand(14), user="ada"), job("later", at=1)]
    decisions = decide(snapshot(FULL, waiting, [queue(pools=(PAST,))], rules=Rules(limit_per_user=0)), 3600.0)
    assert admitted(decisions) == ["later"]
    assert decisions.timed_out == ()
    assert decisions.pools[TEAM_A, "normal"] == PoolState(0, None, None)


@pytest.mark.parametrize("where", ["pool", "queue"])
def test_a_pool_or_queue_limit_stops_everybody_in_it_and_its_heads_clock(where):
    pool = replace(PAST, limit=0 if where == "pool" else None)
    view = queue(pools=(pool,), limit=0 if where == "queue" else None)
    waiting = [job("big", demand(14)), job("later", at=1)]
    decisions = decide(snapshot(FULL, waiting, [view]), 50.0)
    assert admitted(decisions) == []
    assert list(decisions.ineligible) == ["big"], "who is behind the head is not looked at"
    assert decisions.pools[TEAM_A, "normal"] == PoolState(0, "big", 0.0, 0.0, 50.0)


def test_a_pool_at_its_limit_takes_no_turns():
    view = queue(pools=(PoolView("high", 90, 30, limit=0), PoolView("normal", 10, -30)))
    waiting = [*jobs(2, pool="high"), *jobs(9, pool="normal")]
    decisions = decide(snapshot(cluster(), waiting, [view], rules=Rules(3)), 0.0)
    assert len(admitted(decisions)) == 3
    assert {name: state.credit for (_, name), state in decisions.pools.items()} == {"high": 30, "normal": -30}


def test_a_pool_whose_jobs_are_all_passed_over_is_idle():
    view = queue(pools=(PoolView("high", 90, 30), PoolView("normal", 10, -30)))
    waiting = [job("ada", pool="high", user="ada"), *jobs(3, pool="normal")]
    decisions = decide(snapshot(cluster(), waiting, [view], rules=Rules(limit_per_user=0)), 0.0)
    assert decisions.pools[TEAM_A, "high"] == PoolState(0, None, None)


def test_a_limit_reached_during_a_decision_passes_over_the_next_head_too():
    """High's head belongs to the user whose last slot a normal job has just taken."""
    view = queue(pools=pools(("high", 1), ("normal", 99)))
    waiting = [job("n", user="ada"), job("h", pool="high", user="ada", at=1), job("h2", pool="high", at=2)]
    decisions = decide(snapshot(cluster(), waiting, [view], rules=Rules(limit_per_user=1)), 0.0)
    assert admitted(decisions) == ["n", "h2"]
    assert list(decisions.ineligible) == ["h"]


def test_without_limits_nobody_is_counted():
    decisions = decide(snapshot(cluster(), LINE, grants=[grant(f"g{n}", user="ada") for n in range(99)]), 0.0)
    assert len(admitted(decisions)) == len(LINE)
    assert decisions.ineligible == {}
