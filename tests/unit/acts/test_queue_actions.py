# SPDX-License-Identifier: Apache-2.0
"""Queues that are paused, drained and opened; settings of queues and pools."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from airflow_priority_spark.arbiter.actions import (
    Change,
    add_pool,
    drain_queue,
    find_queue,
    pause_queue,
    remove_pool,
    resume_queue,
    set_pool,
    set_queue,
)
from airflow_priority_spark.errors import Conflict, InvalidInput, NotFound
from airflow_priority_spark.store.models import Pool, Queue
from tests.unit.acts.conftest import LATER
from tests.unit.acts.test_job_actions import refused

WHERE = "queue spark-prod/team-a"


@pytest.fixture
def queue(office):
    return office.queue()


def row(office, queue) -> Queue:
    with office.database.session() as session:
        return session.get_one(Queue, queue)


def pools(office) -> dict[str, Pool]:
    with office.database.session() as session:
        return {pool.name: pool for pool in session.scalars(select(Pool))}


def test_a_queue_is_paused_drained_and_opened_again(office, queue):
    office.act(pause_queue, queue)
    assert (row(office, queue).paused, row(office, queue).draining) == (True, False)
    office.act(drain_queue, queue)
    assert (row(office, queue).paused, row(office, queue).draining) == (False, True)
    office.act(resume_queue, queue)
    assert (row(office, queue).paused, row(office, queue).draining) == (False, False)
    assert [(audit.action, audit.target) for audit in office.audits()] == [
        (action, "spark-prod/team-a") for action in ("pause", "drain", "resume")
    ]
    assert (row(office, queue).updated_at, row(office, queue).updated_by) == (LATER, "alice")


def test_a_draining_queue_can_be_paused_too_and_opens_whole(office, queue):
    office.act(drain_queue, queue)
    office.act(pause_queue, queue)
    assert (row(office, queue).paused, row(office, queue).draining) == (True, True)
    office.act(resume_queue, queue)
    assert (row(office, queue).paused, row(office, queue).draining) == (False, False)


@pytest.mark.parametrize(
    ("act", "before", "says"),
    [
        (pause_queue, pause_queue, "is paused already"),
        (drain_queue, drain_queue, "drains already"),
        (resume_queue, None, "is open already"),
    ],
)
def test_what_is_so_already_is_refused(office, queue, act, before, says):
    if before:
        office.act(before, queue)
    assert refused(office, act, queue) == f"queue spark-prod/team-a {says}"


def test_a_queue_is_found_by_its_namespace(office, queue):
    with office.database.session() as session:
        assert find_queue(session, "team-a") == queue
        with pytest.raises(NotFound) as unknown:
            find_queue(session, "team-z")
    assert str(unknown.value) == "there is no queue 'team-z'; queues: spark-prod/team-a"


def test_where_two_clusters_have_such_a_queue_one_must_be_named(office, queue):
    other = office.queue(cluster="spark-test")
    with office.database.session() as session:
        assert find_queue(session, "team-a", "spark-test") == other
        with pytest.raises(InvalidInput) as unclear:
            find_queue(session, "team-a")
        with pytest.raises(NotFound) as unknown:
            find_queue(session, "team-a", "spark-dev")
    assert str(unclear.value) == "cluster: None is not valid; allowed: spark-prod, spark-test"
    assert str(unknown.value).startswith("there is no queue 'spark-dev/team-a'; queues: spark-prod/team-a, ")


def test_settings_of_a_queue_change_and_say_what_they_were(office, queue):
    values = {"weight": 3, "capacity": {"requests.cpu": "40"}, "head_timeout_seconds": 600}
    changes = office.act(set_queue, queue, values)
    assert changes == (
        Change(WHERE, "head_timeout_seconds", None, 600),
        Change(WHERE, "weight", 1, 3),
        Change(WHERE, "capacity", None, {"requests.cpu": "40"}),
    )
    assert (row(office, queue).weight, row(office, queue).policy) == (3, "weighted")
    assert office.audits()[-1].details["changed"]["weight"] == [1, 3]
    assert office.act(set_queue, queue, {"capacity": None}) == (
        Change(WHERE, "capacity", {"requests.cpu": "40"}, None),
    )


def test_setting_what_is_so_changes_and_audits_nothing(office, queue):
    office.act(set_queue, queue, {"weight": 3})
    assert office.act(set_queue, queue, {"weight": 3}) == ()
    assert len(office.audits()) == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"weight": 0}, "weight: 0 is not valid; allowed: a whole number of at least 1"),
        ({"policy": "fair"}, "policy: 'fair' is not valid; allowed: weighted, strict"),
        ({"job_limit": 0}, "job_limit: 0 is not valid; allowed: a whole number of at least 1"),
        ({"job_limit": "5"}, "job_limit: '5' is not valid; allowed: a whole number"),
        ({"head_retry_position": "head"}, "head_retry_position: 'head' is not valid; allowed: keep, tail"),
        ({"head_timeout_action": "fail"}, "head_timeout_action: 'fail' is not valid; allowed: cancel, hold"),
        (
            {"capacity": {"requests.cpu": "many"}},
            "capacity.requests.cpu: 'many' is not valid; "
            "allowed: a Kubernetes quantity such as 500m, 2, 1.5, 1e3, 512Mi or 4Gi",
        ),
        ({"capacity": {"pods": "-1"}}, "capacity.pods: '-1' is not valid; allowed: a quantity of at least 0"),
        ({"capacity": {}}, "capacity: {} is not valid; allowed: one entry at least"),
        (
            {"wieght": 2},
            "wieght: 2 is not valid; allowed: the keys capacity, head_protection_seconds, head_retry_count, "
            "head_retry_position, head_timeout_action, head_timeout_seconds, job_limit, policy, weight",
        ),
    ],
)
def test_a_wrong_setting_is_refused_by_name_value_and_what_is_allowed(office, queue, values, says):
    assert refused(office, set_queue, queue, values, error=InvalidInput) == f"{WHERE}: {says}"


def test_a_pool_changes_and_a_new_round_begins_with_its_weight(office, queue):
    with office.database.session() as session, session.begin():
        session.execute(update(Pool).values(credit=55))
    where = "pool spark-prod/team-a/high"
    assert office.act(set_pool, queue, "high", {"job_limit": 5}) == (Change(where, "job_limit", None, 5),)
    assert pools(office)["normal"].credit == 55
    office.act(set_pool, queue, "high", {"weight": 80})
    assert {pool.credit for pool in pools(office).values()} == {0}


def test_who_may_use_a_pool_is_set_and_taken_back(office, queue):
    where = "pool spark-prod/team-a/high"
    changes = office.act(set_pool, queue, "high", {"allowed": {"teams": ["red"]}})
    assert changes == (Change(where, "allowed", None, {"teams": ["red"]}),)
    assert pools(office)["high"].allowed == {"teams": ["red"]}
    office.act(set_pool, queue, "high", {"allowed": None})
    assert pools(office)["high"].allowed is None


def test_an_empty_pattern_is_refused(office, queue):
    values = {"allowed": {"teams": [" "]}}
    assert refused(office, set_pool, queue, "high", values, error=InvalidInput) == (
        "pool spark-prod/team-a/high: allowed.teams.0: ' ' is not valid; "
        "allowed: a text that is not empty; * and ? stand for any characters"
    )


def test_an_unknown_pool_names_the_queues_pools(office, queue):
    assert refused(office, set_pool, queue, "urgent", {"weight": 1}, error=NotFound) == (
        "queue spark-prod/team-a has no pool 'urgent'; its pools: high, normal"
    )


def test_a_pool_is_added_with_its_airflow_pool_and_removed(office, queue):
    from airflow.models.pool import Pool as AirflowPool

    change = office.act(add_pool, queue, "urgent", {"weight": 200})
    assert change == Change("pool spark-prod/team-a/urgent", "", None, {"weight": 200})
    with office.database.session() as session:
        assert AirflowPool.get_pool("spark.spark-prod.team-a.urgent", session=session).slots == -1
    change = office.act(remove_pool, queue, "urgent")
    assert change == Change("pool spark-prod/team-a/urgent", "", {"weight": 200}, None)
    assert set(pools(office)) == {"high", "normal"}


@pytest.mark.parametrize(
    ("name", "values", "error", "says"),
    [
        ("high", {"weight": 1}, Conflict, "pool spark-prod/team-a/high is there already"),
        (
            "low",
            {},
            InvalidInput,
            "pool spark-prod/team-a/low: weight: None is not valid; allowed: any value, but it must be given",
        ),
        (
            "-low",
            {"weight": 1},
            InvalidInput,
            "pool spark-prod/team-a/-low: pool: '-low' is not valid; allowed: the name of a priority pool, "
            "such as high or normal: at most 63 letters, digits, dashes, underscores and dots, beginning and "
            "ending with a letter or digit",
        ),
    ],
)
def test_a_pool_that_cannot_be_added_says_why(office, queue, name, values, error, says):
    assert refused(office, add_pool, queue, name, values, error=error) == says


def test_a_pool_with_jobs_is_not_removed(office, queue):
    office.job("a", queue_id=queue)
    assert refused(office, remove_pool, queue, "normal") == (
        "pool spark-prod/team-a/normal holds 1 jobs that have not ended; move them to another pool first"
    )


def test_the_last_pool_of_a_queue_is_not_removed(office, queue):
    office.act(remove_pool, queue, "high")
    assert refused(office, remove_pool, queue, "normal") == (
        "pool spark-prod/team-a/normal is the last of its queue; add another one first"
    )


def test_a_queue_that_is_gone_is_named_by_its_number(office):
    assert refused(office, pause_queue, 4711, error=NotFound) == "there is no queue with the number 4711"
