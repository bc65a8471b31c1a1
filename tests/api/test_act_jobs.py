# SPDX-License-Identifier: Apache-2.0
"""What a person does to one job."""

from __future__ import annotations

import json
import threading

import pytest

from airflow_priority_spark.api.dependencies import utcnow
from airflow_priority_spark.scheduling.jobs import HeldReason
from airflow_priority_spark.spark.request import demand_to_json
from airflow_priority_spark.store.models import ArbiterState, Grant
from tests.api.acts import (
    REASON,
    all_rows,
    audits,
    last_event,
    logs,
    patch,
    post,
    row,
    told,
    waiting_task,
)
from tests.api.conftest import LATER
from tests.builders import make_demand


def test_a_job_is_held_and_everyone_can_see_who_did_it_when_and_why(site):
    job_id = site.job(task_id="first")

    answer = post(site, f"/jobs/{job_id}/hold", user="op")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["held_reason"]) == ("held", "person")
    assert answer.json()["actions"] == ["release", "cancel", "legacy", "pool", "demand"]
    assert last_event(site, job_id) == (f"held by op: {REASON}", "op")
    (audit,) = audits(site)
    assert (audit.actor, audit.action, audit.target, audit.reason, audit.at) == (
        "op",
        "hold",
        job_id,
        REASON,
        LATER,
    )
    (log,) = logs(site)
    assert (log.event, log.owner, log.dag_id, log.task_id, log.run_id) == (
        "priority_spark.hold",
        "op",
        "etl",
        "first",
        "run-1",
    )
    assert json.loads(log.extra) == {"job_id": job_id, "reason": REASON}


def test_a_held_job_is_released(site):
    job_id = site.job(task_id="first")
    post(site, f"/jobs/{job_id}/hold")

    answer = post(site, f"/jobs/{job_id}/release")

    assert (answer.status_code, answer.json()["state"]) == (200, "queued")


def test_a_job_that_timed_out_is_requeued_at_the_end_of_its_pool(site):
    job_id = waiting_task(site, "first", held=HeldReason.TIMEOUT)
    site.job(task_id="second")

    answer = post(site, f"/jobs/{job_id}/requeue", {"reason": REASON, "last": True})

    assert (answer.json()["state"], answer.json()["position"]) == ("queued", 2), answer.text


def test_a_cancelled_job_fails_its_task(site):
    job_id = waiting_task(site, "first")

    answer = post(site, f"/jobs/{job_id}/cancel")

    assert answer.json()["state"] == "cancelled", answer.text
    assert told(site, "first").outcome == "cancelled"
    assert told(site, "first").reason == f"cancelled by admin: {REASON}"


def test_a_job_is_sent_to_legacy_though_no_arbiter_runs(site):
    job_id = waiting_task(site, "first")
    with site.database.session() as session:
        assert session.get_one(ArbiterState, 1).lease_until is None

    answer = post(site, f"/jobs/{job_id}/legacy")

    assert (answer.json()["state"], answer.json()["flow"]) == ("admitted", "legacy"), answer.text
    assert told(site, "first").outcome == "legacy"
    assert [grant.unchecked for grant in all_rows(site, Grant)] == [True]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_task_that_has_only_just_deferred_is_told_as_soon_as_airflow_can_take_it(site, monkeypatch):
    from airflow_priority_spark.api import acting

    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__SETTLE_SECONDS", "1")
    now = [LATER]
    monkeypatch.setattr(acting.teller, "_clock", lambda: now[0])
    job_id = waiting_task(site, "first", deferred_at=LATER)

    post(site, f"/jobs/{job_id}/legacy")
    assert told(site, "first") is None

    from tests.api.acts import seconds

    now[0] = LATER + seconds(60)
    acting.teller.wait(10)
    assert told(site, "first").outcome == "legacy"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_end_of_a_process_leaves_tasks_that_cannot_be_told_yet_to_an_arbiter(site, monkeypatch):
    from airflow_priority_spark.api import acting

    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__SETTLE_SECONDS", "600")
    job_id = waiting_task(site, "first", deferred_at=utcnow())
    post(site, f"/jobs/{job_id}/legacy")
    assert "priority-spark-teller" in {each.name for each in threading.enumerate()}

    acting.teller.close()
    assert "priority-spark-teller" not in {each.name for each in threading.enumerate()}
    assert told(site, "first") is None


def test_a_job_changes_its_pool_and_its_event_shows_the_user(site):
    job_id = site.job(task_id="first")

    answer = patch(site, f"/jobs/{job_id}", {"pool": "high"}, user="op")

    assert answer.json()["pool"] == "high", answer.text
    assert last_event(site, job_id) == (f"moved from pool normal to high by op: {REASON}", "op")


@pytest.mark.parametrize(
    ("position", "line"),
    [
        ("first", ["c", "a", "b"]),
        ("last", ["a", "b", "c"]),
        ({"before": "b"}, ["a", "c", "b"]),
        ({"after": "a"}, ["a", "c", "b"]),
    ],
)
def test_a_job_gets_another_place(site, position, line):
    jobs = {name: site.job(task_id=name) for name in "abc"}
    if isinstance(position, dict):
        position = {where: jobs[name] for where, name in position.items()}

    answer = patch(site, f"/jobs/{jobs['c']}", {"position": position})

    assert answer.status_code == 200, answer.text
    assert [job["task_id"] for job in site.get("/jobs").json()["jobs"]] == line


def test_a_job_reserves_another_amount(site):
    demand = make_demand(memory="1Gi", executors=2)
    job_id = site.job(demand=demand_to_json(demand))

    wanted = {"executor": {"count": 5, "requests": {"memory": "4Gi", "cpu": 500}}}
    answer = patch(site, f"/jobs/{job_id}", {"demand": wanted})

    assert answer.status_code == 200, answer.text
    gib = 1024**3
    assert answer.json()["demand"] == {"cpu": 1000 + 5 * 500, "memory": 21 * gib, "pods": 6}
    assert last_event(site, job_id)[0].startswith("demand changed from ")


@pytest.mark.parametrize(
    ("change", "field", "allowed"),
    [
        ({"pool": "urgent"}, "pool", "high, normal (the pools of queue team-a)"),
        (
            {"demand": {"executor": {"requests": {"memory": "4 gigs"}}}},
            "demand.executor.requests.memory",
            "a Kubernetes quantity such as 500m, 2, 1.5, 1e3, 512Mi or 4Gi",
        ),
        (
            {"demand": {"executor": {"requests": {"memory": "-4Gi"}}}},
            "demand.executor.requests.memory",
            "a quantity of at least 0",
        ),
        (
            {"demand": {"executor": {"count": 100001}}},
            "demand.executor.count",
            "less than or equal to 100000",
        ),
        ({}, "body", "exactly one of pool, position, demand"),
        ({"pool": "high", "position": "first"}, "body", "exactly one of pool, position, demand"),
    ],
)
def test_what_can_never_be_right_is_refused_naming_field_and_what_is_allowed(site, change, field, allowed):
    job_id = site.job()

    answer = patch(site, f"/jobs/{job_id}", change)

    assert answer.status_code == 422, answer.text
    assert [(each["field"], each["allowed"]) for each in answer.json()["errors"]] == [(field, allowed)]


def test_what_makes_no_sense_is_refused_with_a_sentence_and_written_down(site):
    job_id = site.job()

    answer = post(site, f"/jobs/{job_id}/release")

    assert answer.status_code == 409
    assert answer.json()["detail"] == f"job {job_id} is queued; only a held job can be released"
    (log,) = logs(site)
    assert json.loads(log.extra)["refused"] == answer.json()["detail"]
    assert audits(site) == []


@pytest.mark.parametrize(
    "reason", [None, "", "   ", "x" * 1001, "two\nlines", "null\x00", "\x1b[31mred", "\x9b31m", 7]
)
def test_every_act_needs_one_line_of_reason(site, reason):
    job_id = site.job()

    answer = post(site, f"/jobs/{job_id}/hold", {} if reason is None else {"reason": reason})

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "reason"
    assert row(site, job_id).state == "queued"
