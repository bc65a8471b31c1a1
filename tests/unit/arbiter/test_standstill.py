# SPDX-License-Identifier: Apache-2.0
"""Between two looks at everything the loop rests while nothing has changed, and wakes when anything has."""

from __future__ import annotations

import pytest
from airflow.utils.state import TaskInstanceState

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.arbiter.standstill import LONGEST_SECONDS
from airflow_priority_spark.scheduling.clock import next_instant
from airflow_priority_spark.scheduling.model import HeadRules, PoolState
from tests import builders
from tests.unit.arbiter.site import set_site
from tests.unit.arbiter.world import World

BIG = builders.make_demand(executors=5)  # 6 CPU: the whole quota
SMALL = builders.make_demand(executors=1)


@pytest.fixture
def resting(database):
    """One job holds all, one is blocked; the loop has compared with Airflow once, and rests."""
    world = World(database, reconcile_interval_seconds=1e9, head_timeout_seconds=100.0)
    world.defer("runs", demand=BIG)
    world.defer("waits", demand=SMALL)
    world.cycle(4, seconds=0.1)
    assert world.admitted() == ["runs"]
    assert rests(world)
    return world


def rests(world: World, seconds: float = 0.1) -> bool:
    """Tell whether a cycle reads no job that waits."""
    sent = world.statements(lambda: world.cycle(seconds=seconds))
    return not any("AS demand" in statement for statement in sent)


def test_it_rests_while_nothing_has_changed(resting):
    assert all(rests(resting) for _ in range(5))


def test_it_looks_when_a_quota_has_changed_and_admits_at_once(resting):
    resting.cluster.quotas["team-a"] = {"requests.cpu": "8"}
    resting.cycle(seconds=0.1)
    assert resting.admitted() == ["runs", "waits"]


def test_it_looks_when_a_task_has_deferred(resting):
    resting.cluster.quotas["team-b"] = {"requests.cpu": "8"}
    resting.cycle(2, seconds=0.1)
    resting.defer("comes", demand=SMALL, namespace="team-b")
    resting.cycle(2, seconds=0.1)
    assert "comes" in resting.admitted()


def test_it_looks_when_a_person_has_acted(resting):
    with resting.database.session() as session, session.begin():
        by = actions.By("alice", resting.now)
        actions.hold_job(session, resting.job("waits").id, by)
    assert not rests(resting)
    resting.cycle(seconds=0.1)
    assert rests(resting), "once what followed from it is written"


def test_it_looks_when_an_application_has_appeared(resting):
    resting.start("runs")
    resting.cycle(seconds=0.1)
    assert resting.job("runs").state == "running"


def test_it_looks_soon_for_the_end_of_a_task_whose_application_has_ended(resting):
    """Nobody tells of a task's end, and the next comparison with Airflow may be seconds away."""
    resting.start("runs")
    resting.cycle(2, seconds=0.1)
    assert not resting.loop.reconciler.awaits_ends
    resting.vanish("runs")
    resting.cycle(2, seconds=0.1)
    assert resting.loop.reconciler.awaits_ends
    assert resting.admitted() == ["runs"], "its task might still want its room"
    resting.set_task("runs", TaskInstanceState.SUCCESS)
    resting.cycle(seconds=0.1)
    assert resting.admitted() == ["runs", "waits"], "ended, freed and admitted in one cycle"
    assert not resting.loop.reconciler.awaits_ends


def test_it_sees_the_end_of_a_task_that_never_had_an_application(resting):
    resting.set_task("runs", TaskInstanceState.FAILED)
    resting.cycle(seconds=0.1)
    assert resting.job("runs").state == "failed"


def test_it_rests_while_a_task_that_holds_capacity_is_on_its_way_to_another_attempt(resting):
    resting.set_task("runs", None)
    resting.cycle(seconds=0.1)
    assert rests(resting)


def test_it_looks_when_a_heads_clock_comes_to_something(resting):
    since = resting.job("waits").blocked_since
    assert rests(resting)
    resting.cycle(seconds=50 - (resting.now - since).total_seconds())
    assert any("50 % of its head timeout" in text for text in resting.reasons(resting.job("waits")))


def test_a_change_that_nobody_counted_waits_no_longer_than_a_few_seconds(resting):
    set_site(resting, head_protection_seconds=1)
    assert rests(resting)
    assert not rests(resting, LONGEST_SECONDS)


def test_a_successor_looks_at_everything(resting):
    other = resting.arbiter("arbiter-2", reconcile_interval_seconds=1e9)
    resting.loop.leadership.release()
    resting.loop = other
    assert not rests(resting)


@pytest.mark.parametrize(
    ("state", "now", "comes"),
    [
        (PoolState(0, None, None), 0, float("inf")),
        (PoolState(0, "a", 100), 100, 130),
        (PoolState(0, "a", 100, 100), 130, 150),
        (PoolState(0, "a", 100, 100), 150, 180),
        (PoolState(0, "a", 100, 100), 180, 200),
        (PoolState(0, "a", 100, 100), 200, float("inf")),
        (PoolState(0, "a", 100, 100, 110), 130, float("inf")),
    ],
    ids=["no head", "protection", "half", "80 %", "timeout", "nothing more", "the clock stands still"],
)
def test_the_next_instant_of_a_heads_clocks(state, now, comes):
    assert next_instant(state, HeadRules(timeout_seconds=100, protection_seconds=30), now) == comes
