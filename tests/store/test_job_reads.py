# SPDX-License-Identifier: Apache-2.0
"""Jobs as people see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.jobs import give_grant, move, note
from airflow_priority_spark.store.reads import JobFilter, get_job, list_jobs
from tests.builders import NOW
from tests.store.rows import make_job, make_queue

LATER = NOW + timedelta(seconds=60)
MEMORY = {"resource": "memory", "sentence": "memory: needs 96 GiB, 40 GiB free of quota team-a"}


def admit(session, job, at):
    job.admission += 1
    move(session, job, JobState.ADMITTED, "fits", "arbiter", at)


def test_queued_jobs_are_numbered_within_their_priority_pool(session):
    queue = make_queue(session)
    second = make_job(session, queue, enqueued_at=NOW + timedelta(seconds=2))
    first = make_job(session, queue, enqueued_at=NOW + timedelta(seconds=1))
    other_pool = make_job(session, queue, pool="high", enqueued_at=NOW + timedelta(seconds=3))
    other_queue = make_job(session, make_queue(session, "team-b"), enqueued_at=NOW + timedelta(seconds=4))
    session.commit()

    jobs = list_jobs(session, LATER).jobs

    assert [(job.id, job.position) for job in jobs] == [
        (first.id, 1),
        (second.id, 2),
        (other_pool.id, 1),
        (other_queue.id, 1),
    ]


def test_only_queued_jobs_have_a_position(session):
    queue = make_queue(session)
    make_job(session, queue, state=JobState.HELD)
    admitted = make_job(session, queue)
    admit(session, admitted, LATER)
    waiting = make_job(session, queue)

    positions = {job.id: job.position for job in list_jobs(session, LATER).jobs}

    assert positions.pop(waiting.id) == 1
    assert set(positions.values()) == {None}


def test_a_job_is_shown_with_its_task_queue_and_cluster(session):
    job = make_job(session, make_queue(session), task_id="train", map_index=3, user="alice", team="blue")

    (shown,) = list_jobs(session, LATER).jobs

    assert shown.id == job.id
    assert shown.task.readable() == "etl/run-1/train[3]"
    assert (shown.cluster, shown.namespace, shown.pool) == ("spark-prod", "team-a", "normal")
    assert (shown.user, shown.team, shown.state) == ("alice", "blue", JobState.QUEUED)
    assert shown.demand.as_dict() == {"cpu": 3000, "memory": 3 * 2**30, "pods": 3}


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"verdict": MEMORY}, "memory: needs 96 GiB, 40 GiB free of quota team-a"),
        (
            {"ineligible": "limit", "ineligible_detail": "user alice has 3 of 3"},
            "limit: user alice has 3 of 3",
        ),
        ({"ineligible": "paused"}, "paused"),
        ({}, "enqueued"),
    ],
)
def test_a_waiting_job_says_what_it_waits_for(session, columns, sentence):
    make_job(session, make_queue(session), **columns)
    assert list_jobs(session, LATER).jobs[0].sentence == sentence


def test_a_job_behind_others_says_how_many(session):
    queue = make_queue(session)
    for _ in range(3):
        make_job(session, queue)
    assert list_jobs(session, LATER).jobs[2].sentence == "behind 2 of its priority pool"


def test_a_job_that_no_longer_waits_says_what_happened_to_it_last(session):
    job = make_job(session, make_queue(session), verdict=MEMORY)
    move(session, job, JobState.CANCELLED, "cancelled by bob", "bob", LATER)
    assert list_jobs(session, LATER).jobs[0].sentence == "cancelled by bob"


def test_the_wait_counts_to_now_to_the_admission_or_to_the_end(session):
    queue = make_queue(session)
    waiting, admitted, cancelled = (make_job(session, queue) for _ in range(3))
    admit(session, admitted, NOW + timedelta(seconds=5))
    move(session, cancelled, JobState.CANCELLED, "gone", "bob", NOW + timedelta(seconds=7))

    waits = {job.id: job.wait_seconds for job in list_jobs(session, LATER).jobs}

    assert waits == {waiting.id: 60, admitted.id: 5, cancelled.id: 7}


def test_the_order_of_admission_is_kept_within_one_instant(session):
    queue = make_queue(session)
    first, second, third = (make_job(session, queue) for _ in range(3))
    for job in (second, third, first):
        admit(session, job, LATER)
        session.flush()
    note(session, second, "the application is slow", "arbiter", LATER)
    session.flush()

    jobs = list_jobs(session, LATER).jobs

    assert [job.id for job in sorted(jobs, key=lambda job: job.admission_order)] == [
        second.id,
        third.id,
        first.id,
    ]


def test_a_job_back_in_the_queue_has_no_order_of_admission(session):
    job = make_job(session, make_queue(session))
    admit(session, job, LATER)
    move(session, job, JobState.QUEUED, "stale quota", "arbiter", LATER)
    shown = list_jobs(session, LATER).jobs[0]
    assert (shown.admission, shown.admission_order, shown.position) == (1, None, 1)


def test_lists_are_narrowed_by_state_namespace_pool_and_dag(session):
    queue = make_queue(session)
    held = make_job(session, queue, state=JobState.HELD)
    high = make_job(session, queue, pool="high")
    dag = make_job(session, queue, dag_id="other")
    elsewhere = make_job(session, make_queue(session, "team-b"))

    def ids(**wanted):
        return {job.id for job in list_jobs(session, LATER, JobFilter(**wanted)).jobs}

    assert ids(states=[JobState.HELD]) == {held.id}
    assert ids(pool="high") == {high.id}
    assert ids(dag_id="other") == {dag.id}
    assert ids(namespace="team-b") == {elsewhere.id}
    assert ids(namespace="team-b", pool="high") == set()


def test_a_filter_does_not_change_positions(session):
    queue = make_queue(session)
    make_job(session, queue)
    make_job(session, queue, dag_id="other")
    assert list_jobs(session, LATER, JobFilter(dag_id="other")).jobs[0].position == 2


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_show_every_job_once_although_jobs_come_and_go(session, newest_first):
    queue = make_queue(session)
    # Three share an instant, so that the page ends inside it.
    made = [make_job(session, queue, enqueued_at=NOW + timedelta(seconds=n // 3)) for n in range(9)]
    seen, cursor = [], None
    while True:
        page = list_jobs(session, LATER, limit=2, after=cursor, newest_first=newest_first)
        seen += [job.id for job in page.jobs]
        if (cursor := page.next) is None:
            break
        make_job(session, queue, enqueued_at=NOW - timedelta(1) if not newest_first else NOW + timedelta(1))

    expected = [job.id for job in made]
    assert seen == (expected[::-1] if newest_first else expected)


@pytest.mark.parametrize("cursor", ["nonsense", "", "WzFd", "WyJ4IiwgMSwgImEiXQ", "é"])
def test_a_cursor_that_is_none_is_refused(session, cursor):
    with pytest.raises(InvalidInput) as refusal:
        list_jobs(session, LATER, after=cursor)
    assert str(refusal.value) == f"after: {cursor!r} is not valid; allowed: the `next` of an earlier page"


def test_a_page_costs_the_same_statements_for_few_and_many_jobs(session, database):
    queue = make_queue(session)
    counts = []
    for more in (3, 60):
        for _ in range(more):
            admit(session, make_job(session, queue), LATER)
            make_job(session, queue)
        session.commit()
        statements = []
        event.listen(
            database.engine, "before_cursor_execute", lambda *call, log=statements: log.append(call[2])
        )
        list_jobs(session, LATER, limit=1000)
        counts.append(len(statements))
    assert counts[0] == counts[1] == 2


def test_one_job_is_shown_with_its_history_and_grant(session):
    job = make_job(session, make_queue(session))
    admit(session, job, NOW + timedelta(seconds=5))
    give_grant(session, job, unchecked=True, now=LATER, valid_until=LATER + timedelta(seconds=300))
    session.commit()

    detail = get_job(session, job.id, LATER)

    assert [(event.from_state, event.to_state, event.reason) for event in detail.events] == [
        (None, "queued", "enqueued"),
        ("queued", "admitted", "fits"),
    ]
    assert detail.grant.unchecked
    assert detail.grant.valid_until == LATER + timedelta(seconds=300)
    assert [pods.name for pods in detail.demand.pod_sets] == ["driver", "executor"]
    assert (detail.ti_id, detail.summary.wait_seconds) == (job.ti_id, 5)


def test_a_waiting_job_is_shown_with_its_place_among_all(session):
    queue = make_queue(session)
    make_job(session, queue)
    job = make_job(session, queue)
    detail = get_job(session, job.id, LATER)
    assert (detail.summary.position, detail.grant) == (2, None)


def test_an_unknown_job_is_none(session):
    assert get_job(session, "no such job", LATER) is None
