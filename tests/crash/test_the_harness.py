# SPDX-License-Identifier: Apache-2.0
"""A harness that finds nothing proves nothing: here it meets arbiters that are wrong.

Each is right as long as nobody dies, and each is wrong in one place where ours is careful.
"""

from __future__ import annotations

import pytest
from airflow.utils.state import TaskInstanceState as State
from sqlalchemy import update

from airflow_priority_spark.arbiter import admitting, enqueue, loop
from airflow_priority_spark.store import leadership
from airflow_priority_spark.store.models import ArbiterState
from tests.crash.chapters import Chapter
from tests.crash.test_crash_points import on_sqlite, tell_every_end


def two_of_one_size(site) -> None:
    """Each takes all the room there is."""
    for name in ("first", "second"):
        site.airflow.add(name, executors=5, runtime=0)
    site.step(2)


BRIEF = Chapter(two_of_one_size, {"first": State.SUCCESS, "second": State.SUCCESS})


@pytest.fixture
def what_breaks(sites, file, tmp_path):
    """Tell what is wrong at the first point where something is; undisturbed, nothing is."""

    def look(*, sleeping: bool = False) -> str:
        _, outcomes = tell_every_end(sites, file, tmp_path, BRIEF, sleeping=sleeping, first_wrong=True)
        assert outcomes
        return "\n".join(outcome.wrong for outcome in outcomes if outcome.wrong)

    return look


@pytest.mark.parametrize("sleeping", [False, True], ids=["dies", "stops"])
@on_sqlite
def test_the_real_arbiter_passes_where_wrong_ones_do_not(sleeping, what_breaks):
    assert what_breaks(sleeping=sleeping) == ""


def in_two_transactions(monkeypatch, module, name: str) -> None:
    """Let a cycle do in a transaction of its own, right after, what ``apply`` does in one with the rest."""
    real, postponed = getattr(module, name), []
    apply = loop.apply

    def postpone(session, *arguments, **options) -> None:
        postponed.append((arguments, options))

    def apply_in_two(context, lead, *rest):
        postponed.clear()
        monkeypatch.setattr(module, name, postpone)
        try:
            applied = apply(context, lead, *rest)
        finally:
            monkeypatch.setattr(module, name, real)
        for arguments, options in postponed:
            with lead.transaction() as session:
                real(session, *arguments, **options)
        return applied

    monkeypatch.setattr(loop, "apply", apply_in_two)


@on_sqlite
def test_a_grant_in_a_transaction_of_its_own_is_found(what_breaks, monkeypatch):
    in_two_transactions(monkeypatch, admitting.jobs, "give_grants")
    assert "is admitted, admission 1, and has no grant for it" in what_breaks()


@on_sqlite
def test_a_promise_that_only_memory_holds_is_found(what_breaks, monkeypatch):
    in_two_transactions(monkeypatch, admitting.jobs, "promise_all")
    assert "is parked, its job is admitted, and nothing is to be told" in what_breaks()


@on_sqlite
def test_a_task_that_is_parked_before_its_job_is_written_is_found(what_breaks, database, monkeypatch):
    park_all, take_in, parked = enqueue.resume.park_all, loop.take_in, {}

    def take_in_and_park(context, session):
        ready = take_in(context, session)
        if ready:
            with database.session() as another, another.begin():
                triggers = {item.deferral.ti_id: item.deferral.trigger_id for item in ready}
                parked["last"] = park_all(another, triggers)
        return ready

    monkeypatch.setattr(loop, "take_in", take_in_and_park)
    monkeypatch.setattr(enqueue.resume, "park_all", lambda *_: parked["last"])
    assert "is parked and has no job" in what_breaks()


@on_sqlite
def test_a_leader_without_a_fence_is_found_when_it_wakes(what_breaks, monkeypatch):
    def write_whoever_leads(_, session, now) -> None:
        session.execute(update(ArbiterState).values(cycle=ArbiterState.cycle + 1))

    monkeypatch.setattr(leadership.Leadership, "_fence", write_whoever_leads)
    assert "12 CPU of team-a are promised or used, its quota has 6" in what_breaks(sleeping=True)
