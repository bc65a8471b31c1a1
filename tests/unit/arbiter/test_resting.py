# SPDX-License-Identifier: Apache-2.0
"""A look leaves out queues that nothing has happened to, and wakes each when anything has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.arbiter.standstill import LONGEST_SECONDS
from airflow_priority_spark.scheduling.model import PodView, QueueKey
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.store.models import CapacitySnapshot, Pool
from tests import builders
from tests.unit.arbiter.world import CLUSTER, World

BIG = builders.make_demand(executors=5)  # 6 CPU: the whole quota
SMALL = builders.make_demand(executors=1)
TEAM_A, TEAM_B = QueueKey(CLUSTER, "team-a"), QueueKey(CLUSTER, "team-b")
FULL = {"requests.cpu": "6"}


class Looks:
    """What each look of a loop decided upon."""

    def __init__(self, world: World) -> None:
        self.world, self.seen = world, []
        decide = world.loop.prober.hopeful

        def watched(snapshot, now):
            self.seen.append(snapshot)
            return decide(snapshot, now)

        world.loop.prober.hopeful = watched

    def after(self, *, seconds: float = 0.1):
        """Run a cycle; return the queues it left out, ``None`` when it decided nothing."""
        self.seen.clear()
        self.world.cycle(seconds=seconds)
        return set(self.seen[-1].resting) if self.seen else None


@pytest.fixture
def world(database):
    """Two queues: in each one job holds all, and others wait for room."""
    made = World(database, reconcile_interval_seconds=1e9, head_timeout_seconds=100.0)
    made.cluster.quotas = {"team-a": FULL, "team-b": FULL}
    for team in ("a", "b"):
        made.defer(f"{team}-runs", demand=BIG, namespace=f"team-{team}")
        made.defer(f"{team}-waits", demand=SMALL, namespace=f"team-{team}")
    made.cycle(6, seconds=0.1)
    assert made.admitted() == ["a-runs", "b-runs"]
    return made


@pytest.fixture
def looks(world):
    found = Looks(world)
    world.cluster.quotas = {**world.cluster.quotas, "team-b": {"requests.cpu": "6100m"}}
    assert found.after() == {TEAM_A}
    assert {job.queue for job in found.seen[-1].jobs} == {TEAM_B}, "nobody else's jobs are read"
    assert found.after() == {TEAM_A, TEAM_B}, "the verdict of its head was written"
    assert found.after() is None, "and then nothing has changed"
    return found


def quota(world, **hard):
    world.cluster.quotas = {
        **world.cluster.quotas,
        **{name.replace("_", "-"): cpu for name, cpu in hard.items()},
    }


def other_quota(world):
    """Let something happen in team-b, so that there is a look."""
    known = int(world.cluster.quotas["team-b"]["requests.cpu"].removesuffix("m"))
    quota(world, team_b={"requests.cpu": f"{known + 1}m"})


def test_a_quota_that_grows_wakes_its_queue_and_admits_at_once(world, looks):
    quota(world, team_a={"requests.cpu": "8"})
    assert looks.after() == {TEAM_B}
    assert world.admitted() == ["a-runs", "b-runs", "a-waits"]


def test_a_job_that_comes_wakes_its_queue_and_stands_behind(world, looks):
    world.defer("a-comes", demand=SMALL, namespace="team-a")
    assert looks.after() == {TEAM_B}
    quota(world, team_a={"requests.cpu": "8"})
    looks.after()
    assert world.admitted()[2:] == ["a-waits"]
    quota(world, team_a={"requests.cpu": "10"})
    looks.after()
    assert world.admitted()[2:] == ["a-waits", "a-comes"]


def test_the_end_of_a_job_wakes_its_queue_and_gives_its_room_away(world, looks):
    world.start("a-runs")
    looks.after()
    looks.after()
    world.end("a-runs")
    assert looks.after() == {TEAM_B}
    assert world.admitted() == ["a-runs", "b-runs", "a-waits"]


def test_a_pod_or_an_application_in_its_namespace_wakes_a_queue(world, looks):
    pod = PodView("team-a", "foreign", "node-1", Resources.parse({"cpu": "1"}))
    world.cluster.pods.append(pod)
    assert looks.after() == {TEAM_B}
    world.cluster.pods.remove(pod)
    assert looks.after() == {TEAM_B}
    world.cluster.pods.append(replace(pod, namespace="somewhere"))
    assert looks.after() == {TEAM_A, TEAM_B}
    world.start("a-runs")
    assert TEAM_A not in looks.after()


def test_nodes_and_people_wake_everybody(world, looks):
    world.cluster.nodes["node-2"] = {"cpu": "1", "memory": "1Gi", "pods": "5"}
    assert looks.after() == set()
    other_quota(world)
    assert looks.after() == {TEAM_A}
    with world.database.session() as session, session.begin():
        actions.hold_job(session, world.job("b-waits").id, actions.By("alice", world.now))
    assert looks.after() == set()


def test_a_new_queue_wakes_everybody(world, looks):
    quota(world, team_c=FULL)
    looks.after()
    world.defer("c-comes", demand=SMALL, namespace="team-c")
    assert looks.after() == set()
    assert world.admitted()[-1] == "c-comes"


def test_a_heads_clock_goes_on_while_its_queue_rests(world, looks):
    since = world.job("a-waits").blocked_since
    seconds = 50 - (world.now - since).total_seconds()
    world.loop.rest._slice_at = world.loop.standstill._until = float("inf")
    other_quota(world)
    assert looks.after(seconds=seconds - 1) == {TEAM_A}
    other_quota(world)
    assert TEAM_A not in looks.after(seconds=1.5)
    assert any("50 % of its head timeout" in text for text in world.reasons(world.job("a-waits")))


def test_nothing_rests_for_longer_than_a_few_seconds(world, looks):
    other_quota(world)
    assert looks.after() == {TEAM_A}
    assert looks.after(seconds=LONGEST_SECONDS) == set()


def test_many_queues_are_looked_at_again_in_slices_all_of_them_in_time(world, looks, monkeypatch):
    monkeypatch.setattr("airflow_priority_spark.arbiter.resting.SLICE", 1)
    monkeypatch.setattr("airflow_priority_spark.arbiter.resting.FULL_PASS_SECONDS", 4.0)
    assert looks.after(seconds=LONGEST_SECONDS) == {TEAM_B}
    assert [looks.after(seconds=1.0) for _ in range(4)] == [None, {TEAM_A}, None, {TEAM_B}]


def test_rows_that_somebody_changed_by_hand_are_noticed_and_everything_is_read_anew(world, looks):
    with world.database.session() as session, session.begin():
        session.execute(update(Pool).values(credit=5))
    assert looks.after() is None
    assert looks.after(seconds=LONGEST_SECONDS) == set()
    assert {pool.credit for queue in looks.seen[-1].queues for pool in queue.pools} == {5}


def test_a_look_that_failed_is_followed_by_a_whole_one(world, looks, monkeypatch):
    other_quota(world)
    with monkeypatch.context() as patch:
        patch.setattr("airflow_priority_spark.arbiter.loop.apply", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.cycle(seconds=0.1)
    assert looks.after() == set()


def test_what_pools_remember_is_known_without_reading_it_again(world, looks):
    quota(world, team_a={"requests.cpu": "8"})
    looks.after()
    world.defer("a-comes", demand=BIG, namespace="team-a")
    looks.after()
    other_quota(world)
    looks.after()
    with world.database.session() as session:
        heads = {row.head_job_id for row in session.scalars(select(Pool)) if row.head_job_id}
        written = {
            (row.name, row.credit, row.head_job_id, row.head_blocked_since)
            for row in session.scalars(select(Pool))
        }
    assert heads == {world.job("a-comes").id, world.job("b-waits").id}
    known = {
        (pool.name, pool.credit, pool.head_id, pool.head_blocked_since)
        for queue in world.loop.rest._queues.views
        for pool in queue.pools
    }
    assert known == {
        (name, credit, head, since.timestamp() if since else None) for name, credit, head, since in written
    }


def test_a_picture_that_changes_often_is_not_counted_anew_each_time(world, looks):
    def waiting_for():
        with world.database.session() as session:
            newest = session.scalars(select(CapacitySnapshot).order_by(CapacitySnapshot.id.desc())).first()
            return newest.data["waiting_for"]

    before = waiting_for()
    assert before == {"team-a": {"cpu": 1}, "team-b": {"cpu": 1}}
    world.defer("a-comes", demand=SMALL, namespace="team-a")
    other_quota(world)
    looks.after()
    assert waiting_for() == before
    world.loop.pictures._saved_at -= 10
    looks.after()
    assert waiting_for() == {"team-a": {"cpu": 2}, "team-b": {"cpu": 1}}
