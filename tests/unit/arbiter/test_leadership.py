# SPDX-License-Identifier: Apache-2.0
"""One leads; whoever lost the lead changes nothing, whatever it still believes."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import delete

from airflow_priority_spark.errors import DatabaseNotMigrated, LeadershipLost
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import ArbiterState, Queue
from tests import builders
from tests.unit.arbiter.test_way_of_a_job import BIG

LEASE = 4.0


class Clock:
    def __init__(self):
        self.now = builders.NOW

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += datetime.timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pair(database, clock):
    return [Leadership(database.session, name, clock, LEASE) for name in ("one", "two")]


def test_only_one_of_two_leads_until_its_lease_runs_out(pair, clock):
    one, two = pair
    assert one.acquire()
    assert not two.acquire()
    clock.forward(LEASE + 0.1)
    assert two.acquire()
    assert two.epoch == one.epoch + 1


def test_a_lease_that_is_given_up_is_free_at_once(pair):
    one, two = pair
    one.acquire()
    one.release()
    assert two.acquire()


def test_a_leader_that_was_stopped_and_woken_writes_nothing(pair, clock, database):
    one, two = pair
    one.acquire()
    clock.forward(LEASE + 1)
    two.acquire()
    with (
        pytest.raises(LeadershipLost, match="another arbiter took over from one"),
        one.transaction() as session,
    ):
        session.add(Queue(cluster_id="x", namespace="y", created_at=clock()))
    assert not one.leads
    with database.session() as session:
        assert session.query(Queue).count() == 0


def test_a_leader_whose_commit_failed_must_take_the_lease_anew(pair):
    one, _ = pair
    one.acquire()
    with pytest.raises(ZeroDivisionError), one.transaction():
        raise ZeroDivisionError
    assert not one.leads
    assert one.acquire(), "the lease is still its own"
    with one.transaction():
        pass


def test_renewing_writes_only_when_a_third_of_the_lease_has_passed(pair, clock):
    one, two = pair
    one.acquire()
    cycle = one._cycle
    clock.forward(LEASE / 4)
    one.renew_if_due()
    assert one._cycle == cycle
    clock.forward(LEASE / 2)
    one.renew_if_due()
    assert one._cycle == cycle + 1
    clock.forward(LEASE - 0.1)
    assert not two.acquire()


def test_an_empty_state_table_names_the_command_to_run(pair, database):
    with database.session() as session, session.begin():
        session.execute(delete(ArbiterState))
    with pytest.raises(DatabaseNotMigrated, match="run: airflow db migrate"):
        pair[0].acquire()


def test_an_arbiter_that_lost_the_lead_between_decide_and_apply_admits_nothing(world, monkeypatch):
    world.cluster.fresh = False
    world.defer("first", demand=BIG)
    world.cycle()
    world.cluster.fresh = True
    other = world.arbiter("arbiter-2")

    decide = world.loop.prober.hopeful

    def decide_slowly(snapshot, now):
        decisions = decide(snapshot, now)
        if decisions.admissions and not other.leadership.leads:
            world.now += datetime.timedelta(seconds=10)
            assert other.leadership.acquire()
        return decisions

    monkeypatch.setattr(world.loop.prober, "hopeful", decide_slowly)
    world.now += datetime.timedelta(seconds=1)
    with pytest.raises(LeadershipLost):
        world.loop.cycle()
    assert world.job("first").state == "queued"
    assert world.grants() == {}
    monkeypatch.undo()
    other.cycle()
    assert world.job("first").state == "admitted"
    assert world.admitted() == ["first"]


def test_a_task_that_left_between_decide_and_apply_is_left_alone_and_its_room_goes_to_the_next(
    world, monkeypatch
):
    world.cluster.fresh = False
    world.defer("first", demand=BIG)
    world.defer("second", demand=BIG)
    world.cycle()
    world.cluster.fresh = True

    decide, left = world.loop.prober.hopeful, []

    def leave_meanwhile(snapshot, now):
        if not left:
            left.append(world.set_task("first", "failed"))
        return decide(snapshot, now)

    monkeypatch.setattr(world.loop.prober, "hopeful", leave_meanwhile)
    world.loop.reconciler.task_instances = lambda now: 0
    world.cycle()
    assert world.admitted() == ["second"]
    assert world.job("first").state == "queued"
