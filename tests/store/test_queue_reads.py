# SPDX-License-Identifier: Apache-2.0
"""Queues, clusters and the arbiter as people see them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete

from airflow_priority_spark.errors import DatabaseNotMigrated
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.jobs import give_grant, move
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import ArbiterState
from airflow_priority_spark.store.reads import arbiter_status, latest_snapshots, list_queues
from airflow_priority_spark.store.snapshots import save_snapshot, save_summary
from tests.builders import NOW
from tests.store.rows import CLUSTER, make_job, make_queue

LATER = NOW + timedelta(seconds=60)


def test_an_empty_queue_has_its_priority_pools_heaviest_first(session):
    make_queue(session)
    (queue,) = list_queues(session, LATER)
    assert (queue.cluster, queue.namespace, queue.paused) == ("spark-prod", "team-a", False)
    assert [(pool.name, pool.weight, pool.length, pool.head) for pool in queue.pools] == [
        ("high", 90, 0, None),
        ("normal", 10, 0, None),
    ]
    assert (queue.length, queue.oldest_wait_seconds, queue.blocking) == (0, None, ())
    assert queue.granted.as_dict() == {}


def test_jobs_are_counted_by_what_they_do(session):
    queue = make_queue(session)
    jobs = [make_job(session, queue) for _ in range(5)]
    make_job(session, queue, state=JobState.HELD, enqueued_at=NOW - timedelta(seconds=30))
    for job in jobs[:3]:
        move(session, job, JobState.ADMITTED, "fits", "arbiter", LATER)
    move(session, jobs[0], JobState.RUNNING, "runs", "arbiter", LATER)
    move(session, jobs[1], JobState.SUCCEEDED, "done", "arbiter", LATER)
    session.commit()

    (shown,) = list_queues(session, LATER)

    assert (shown.length, shown.held, shown.active, shown.running) == (2, 1, 2, 1)
    normal = shown.pools[1]
    assert (normal.length, normal.held, normal.active, normal.running) == (2, 1, 2, 1)
    assert shown.oldest_wait_seconds == normal.oldest_wait_seconds == 90


def test_the_head_is_the_first_eligible_job_and_says_what_blocks_it(session):
    queue = make_queue(session)
    make_job(session, queue, ineligible="limit")
    head = make_job(
        session,
        queue,
        task_id="train",
        verdict={"resource": "memory", "sentence": "memory: needs 96 GiB, 40 GiB free of quota team-a"},
        blocking_resource="memory",
        blocked_since=NOW + timedelta(seconds=20),
    )
    make_job(session, queue)

    (shown,) = list_queues(session, LATER)

    first = shown.pools[1].head
    assert (first.job_id, first.task.task_id) == (head.id, "train")
    assert first.sentence == "memory: needs 96 GiB, 40 GiB free of quota team-a"
    assert (first.blocking_resource, first.blocked_seconds) == ("memory", 40)
    assert shown.blocking == ("memory",)


def test_grants_add_up_for_their_queue(session):
    queue, other = make_queue(session), make_queue(session, "team-b")
    for each in (queue, queue, other):
        give_grant(session, make_job(session, each), unchecked=False, now=NOW, valid_until=LATER)

    granted = {each.namespace: each.granted.as_dict() for each in list_queues(session, LATER)}

    assert granted["team-a"] == {"cpu": 6000, "memory": 6 * 2**30, "pods": 6}
    assert granted["team-b"] == {"cpu": 3000, "memory": 3 * 2**30, "pods": 3}


def test_queues_are_listed_by_cluster_and_namespace(session):
    make_queue(session, "b", cluster="west")
    make_queue(session, "c", cluster="east")
    make_queue(session, "a", cluster="west")
    listed = [(queue.cluster, queue.namespace) for queue in list_queues(session, LATER)]
    assert listed == [("east", "c"), ("west", "a"), ("west", "b")]


def test_the_newest_picture_of_each_cluster_is_shown(session):
    make_queue(session)
    make_queue(session, cluster="unseen")
    save_snapshot(session, CLUSTER, {"nodes": 1}, NOW - timedelta(hours=1))
    save_snapshot(session, CLUSTER, {"nodes": 2}, NOW)
    session.commit()

    (picture,) = latest_snapshots(session, LATER)

    assert (picture.cluster, picture.data, picture.age_seconds) == (
        "spark-prod",
        {"nodes": 2, "waiting_for": {}},
        60,
    )


def test_before_an_arbiter_ever_ran_nobody_leads(session):
    status = arbiter_status(session, NOW)
    assert (status.leader, status.alive, status.idle_seconds, status.summary) == ("", False, None, {})


def test_the_leader_is_shown_until_its_lease_expires(database):
    leadership = Leadership(database.session, "host/1", lambda: NOW, lease_seconds=4)
    assert leadership.acquire()
    with leadership.transaction() as session:
        save_summary(session, {"admitted": 3}, NOW)

    with database.session() as session:
        status = arbiter_status(session, NOW + timedelta(seconds=3))
        assert (status.leader, status.alive, status.epoch) == ("host/1", True, 1)
        assert (status.idle_seconds, status.summary) == (3, {"admitted": 3})
        assert not arbiter_status(session, NOW + timedelta(seconds=5)).alive


def test_without_the_arbiters_row_the_command_to_run_is_named(session):
    session.execute(delete(ArbiterState))
    with pytest.raises(DatabaseNotMigrated, match="run: airflow db migrate"):
        arbiter_status(session, NOW)
