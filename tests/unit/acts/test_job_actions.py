# SPDX-License-Identifier: Apache-2.0
"""Hold, release, cancel, requeue, send to legacy: what happens, what is written down, what is refused."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from airflow.utils.state import TaskInstanceState

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.arbiter.actions import (
    cancel_job,
    hold_job,
    release_job,
    requeue_job,
    send_to_legacy,
)
from airflow_priority_spark.errors import Conflict, NotFound
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.store.selection import JobFilter
from tests.unit.acts.conftest import LATER

SENTENCE = "by alice: quarter end first"


def refused(office, what, *args, error=Conflict, **options) -> str:
    with pytest.raises(error) as caught:
        office.act(what, *args, **options)
    return str(caught.value)


def test_a_held_job_waits_for_whoever_releases_it(office):
    job_id = office.job("a")
    office.act(hold_job, job_id)
    job = office.get(job_id)
    assert (job.state, job.held_reason, job.ineligible) == ("held", "person", "held")
    assert office.events(job_id)[-1] == ("held", f"held {SENTENCE}", "alice")
    assert office.line() == []

    office.act(release_job, job_id)
    job = office.get(job_id)
    assert (job.state, job.held_reason, job.ineligible) == ("queued", "", None)
    assert office.events(job_id)[-1] == ("queued", f"released {SENTENCE}", "alice")


def test_a_released_job_has_the_place_it_had(office):
    first = office.job("first")
    office.job("second")
    office.act(hold_job, first)
    office.act(release_job, first)
    assert office.line() == ["first", "second"]


def test_an_act_is_audited_with_who_when_and_why(office):
    job_id = office.job("a")
    office.act(hold_job, job_id)
    [audit] = office.audits()
    assert (audit.actor, audit.at, audit.action, audit.reason) == (
        "alice",
        LATER,
        "hold",
        "quarter end first",
    )
    assert (audit.target_type, audit.target) == ("job", job_id)


def test_an_act_without_a_reason_says_only_who(office):
    job_id = office.job("a")
    office.act(hold_job, job_id, reason="")
    assert office.events(job_id)[-1][1] == "held by alice"


def test_a_person_can_hold_what_is_held_for_another_reason_so_that_it_stays(office):
    job_id = office.job("a", held=HeldReason.PAUSED)
    office.act(hold_job, job_id)
    assert office.get(job_id).held_reason == "person"


def test_holding_twice_is_refused(office):
    job_id = office.job("a")
    office.act(hold_job, job_id)
    assert refused(office, hold_job, job_id) == f"job {job_id} is held already: held {SENTENCE}"


def test_a_job_of_a_paused_dag_is_not_released_by_hand(office):
    job_id = office.job("a", held=HeldReason.PAUSED)
    assert refused(office, release_job, job_id) == (
        f"job {job_id} is held because DAG etl is paused; unpause the DAG in Airflow instead"
    )


@pytest.mark.parametrize(("act", "wish"), [(release_job, "be released"), (requeue_job, "be requeued")])
def test_only_a_held_job_is_released_or_requeued(office, act, wish):
    job_id = office.job("a")
    assert refused(office, act, job_id) == f"job {job_id} is queued; only a held job can {wish}"


@pytest.mark.parametrize(
    ("act", "wish"),
    [
        (hold_job, "be held"),
        (release_job, "be released"),
        (cancel_job, "be cancelled"),
        (requeue_job, "be requeued"),
        (send_to_legacy, "be sent to the legacy flow"),
    ],
)
def test_a_running_job_is_none_of_the_queues_business(office, act, wish):
    job_id = office.job("a", state=JobState.RUNNING)
    assert refused(office, act, job_id) == (
        f"job {job_id} is running, its task has been given back to Airflow; only a waiting job can {wish}. "
        "To stop it, mark its task as failed in Airflow: its application is deleted then"
    )
    assert office.audits() == []


def test_what_has_ended_stays_ended(office):
    job_id = office.job("a", state=JobState.FAILED)
    assert refused(office, cancel_job, job_id) == (
        f"job {job_id} has ended: failed; only a waiting job can be cancelled"
    )


def test_an_unknown_id_says_where_ids_are_shown(office):
    assert refused(office, hold_job, "4711", error=NotFound) == (
        "no job has the id '4711'; `airflow priority-spark job list --state all` shows them"
    )


def test_a_job_that_timed_out_is_requeued_with_all_its_tries(office):
    job_id = office.job("a", held=HeldReason.TIMEOUT, head_retries=2)
    office.job("b")
    office.act(requeue_job, job_id)
    assert (office.get(job_id).state, office.get(job_id).head_retries) == ("queued", 0)
    assert office.line() == ["a", "b"]
    assert office.events(job_id)[-1][1] == f"requeued at its position {SENTENCE}"


@pytest.mark.parametrize("why", [HeldReason.PERSON, HeldReason.DRAINING])
def test_only_what_timed_out_is_requeued(office, why):
    job_id = office.job("a", held=why, reason="held by bob: month end")
    assert refused(office, requeue_job, job_id) == (
        f"job {job_id} did not time out, it can be released: held by bob: month end"
    )


def test_a_job_can_be_requeued_at_the_end_of_its_pool(office):
    job_id = office.job("a", held=HeldReason.TIMEOUT)
    office.job("b")
    office.act(requeue_job, job_id, last=True)
    assert office.line() == ["b", "a"]
    assert office.events(job_id)[-1][1] == f"requeued at the end of its pool {SENTENCE}"


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.HELD])
def test_a_cancelled_job_fails_its_task_for_good(office, state):
    job_id = office.job("a", state=state)
    assert office.act(cancel_job, job_id) is True
    told = office.told("a")
    assert (told.outcome, told.job_id, told.retry) == ("cancelled", job_id, False)
    assert told.reason == f"cancelled {SENTENCE}"
    assert (office.get(job_id).state, office.get(job_id).parked) == ("cancelled", False)


def test_a_site_may_want_cancelled_tasks_to_be_retried(office):
    office.by = replace(office.by, settings=replace(office.by.settings, retry_on_cancel=True))
    office.act(cancel_job, office.job("a"))
    assert office.told("a").retry


@pytest.mark.parametrize("held", [None, HeldReason.PERSON, HeldReason.TIMEOUT])
def test_a_job_goes_to_legacy_with_an_unchecked_grant_and_no_arbiter(office, held):
    job_id = office.job("a", held=held)
    assert office.act(send_to_legacy, job_id) is True
    told, job = office.told("a"), office.get(job_id)
    assert (told.outcome, told.job_id, told.admission, told.queue) == ("legacy", job_id, 1, "team-a")
    assert told.valid_until > (LATER + datetime.timedelta(days=6)).timestamp()
    assert (job.state, job.flow, job.parked) == ("admitted", "legacy", False)
    assert office.grants()[job_id].unchecked
    assert office.events(job_id)[-1] == ("admitted", f"sent to the legacy flow {SENTENCE}", "alice")


def test_a_job_that_looks_for_a_lost_attempts_application_goes_on_with_it(office):
    job_id = office.job("a", adopt=True, admission=3)
    office.act(send_to_legacy, job_id)
    assert (office.told("a").admission, office.get(job_id).adopt) == (3, False)


def test_a_task_that_has_only_just_deferred_is_told_later(office):
    office.by = replace(office.by, settings=replace(office.by.settings, settle_seconds=7))
    job_id = office.job("a", enqueued_at=LATER - datetime.timedelta(seconds=2))
    assert office.act(send_to_legacy, job_id) is False
    assert (office.told("a"), office.get(job_id).parked) == (None, True)

    instants = iter(LATER + datetime.timedelta(seconds=number) for number in range(1, 30))
    left = actions.tell_all(
        office.database.session,
        [job_id],
        office.by,
        clock=lambda: next(instants),
        seconds=60,
        pause=lambda seconds: None,
    )
    assert (left, office.told("a").outcome) == (frozenset(), "legacy")


def test_who_waits_in_vain_for_airflow_is_named(office):
    office.by = replace(office.by, settings=replace(office.by.settings, settle_seconds=600))
    job_id = office.job("a", enqueued_at=LATER)
    office.act(cancel_job, job_id)
    left = actions.tell_all(
        office.database.session, [job_id], office.by, clock=lambda: LATER, seconds=0, pause=lambda s: None
    )
    assert left == {job_id}


def test_a_task_that_a_person_took_elsewhere_is_not_resumed(office):
    job_id = office.job("a")
    office.by = replace(office.by, settings=replace(office.by.settings, settle_seconds=7))
    office.change(job_id, deferred_at=LATER)
    office.act(cancel_job, job_id)
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import update

    with office.database.session() as session, session.begin():
        session.execute(update(TaskInstance).values(state=TaskInstanceState.SUCCESS))
    late = LATER + datetime.timedelta(minutes=1)
    actions.tell_all(office.database.session, [job_id], office.by, clock=lambda: late, seconds=0)
    assert (office.task("a").state, office.get(job_id).parked) == ("success", False)


def test_many_jobs_are_acted_on_in_order_and_the_refused_are_named(office):
    jobs = [office.job(f"task-{number}", dag_id="nightly") for number in range(5)]
    other = office.job("other")
    office.act(hold_job, jobs[1])
    done = actions.on_each(
        office.database.session,
        JobFilter(dag_id="nightly"),
        lambda session, job_id: hold_job(session, job_id, office.by),
        batch=2,
    )
    assert done.changed == (jobs[0], *jobs[2:])
    assert done.refused == ((jobs[1], f"job {jobs[1]} is held already: held {SENTENCE}"),)
    assert office.get(other).state == "queued"


def test_a_job_that_an_act_moves_to_the_end_of_the_line_is_acted_on_once(office):
    ids = [office.job(f"task-{number}", held=HeldReason.TIMEOUT) for number in range(5)]
    done = actions.on_each(
        office.database.session,
        JobFilter(ids=ids),
        lambda session, job_id: requeue_job(session, job_id, office.by, last=True),
        batch=2,
    )
    assert (done.changed, done.refused) == (tuple(ids), ())
    assert office.line() == [f"task-{number}" for number in range(5)]
