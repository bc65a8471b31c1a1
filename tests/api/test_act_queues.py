# SPDX-License-Identifier: Apache-2.0
"""What an administrator does to queues and pools."""

from __future__ import annotations

import json

import pytest

from airflow_priority_spark.api.datamodels import acts
from airflow_priority_spark.arbiter import configuration
from airflow_priority_spark.store.models import Pool
from tests.api.acts import REASON, all_rows, audits, logs, patch, post, queue_row, send


def changes(answer) -> list[tuple]:
    assert answer.status_code in (200, 201), answer.text
    return [tuple(change.values()) for change in answer.json()["changes"]]


def pool(site, name: str) -> Pool | None:
    return next((each for each in all_rows(site, Pool) if each.name == name), None)


def test_a_queue_is_paused_drained_and_resumed_and_all_of_it_is_written_down(site):
    queue_id = site.queue()

    assert changes(post(site, f"/queues/{queue_id}/pause")) == [("queue team-a", "paused", False, True)]
    assert len(changes(post(site, f"/queues/{queue_id}/drain"))) == 2
    assert changes(post(site, f"/queues/{queue_id}/resume")) == [("queue team-a", "draining", True, False)]

    assert [(audit.actor, audit.action, audit.target, audit.reason) for audit in audits(site)] == [
        ("admin", action, "spark-prod/team-a", REASON) for action in ("pause", "drain", "resume")
    ]
    assert [log.event for log in logs(site)] == [
        f"priority_spark.queue.{action}" for action in ("pause", "drain", "resume")
    ]


def test_pausing_a_paused_queue_is_refused(site):
    queue_id = site.queue()
    post(site, f"/queues/{queue_id}/pause")

    answer = post(site, f"/queues/{queue_id}/pause")

    assert answer.status_code == 409
    assert answer.json()["detail"] == "queue spark-prod/team-a is paused already"


def test_weight_limit_capacity_and_rules_for_heads_of_a_queue_are_changed(site):
    queue_id = site.queue()
    values = {
        "weight": 3,
        "policy": "strict",
        "job_limit": 10,
        "capacity": {"requests.cpu": 40, "requests.memory": "160Gi"},
        "head_timeout_seconds": 60,
        "head_timeout_action": "hold",
    }

    found = changes(patch(site, f"/queues/{queue_id}", values))

    assert len(found) == 6
    row = queue_row(site, queue_id)
    assert (row.weight, row.policy, row.job_limit, row.head_timeout_seconds) == (3, "strict", 10, 60)
    assert row.capacity == {"requests.cpu": "40", "requests.memory": "160Gi"}
    assert row.updated_by == "admin"
    assert changes(patch(site, f"/queues/{queue_id}", {"job_limit": None})) == [
        ("queue spark-prod/team-a", "job_limit", 10, None)
    ]
    shown = site.get(f"/queues/{queue_id}").json()["settings"]
    assert (shown["weight"]["source"], shown["weight"]["by"]) == ("queue", "admin")


@pytest.mark.parametrize(
    ("values", "field", "allowed"),
    [
        ({"weight": 0}, "weight", "greater than or equal to 1"),
        ({"weight": "3"}, "weight", "a valid integer"),
        ({"weight": None}, "queue spark-prod/team-a: weight", "a whole number"),
        ({"policy": "fair"}, "policy", "'weighted' or 'strict'"),
        ({"job_limit": 2**31}, "job_limit", "less than or equal to 2147483647"),
        ({"paused": True}, "paused", "Extra inputs are not permitted"),
        ({}, "body", "at least one of"),
    ],
)
def test_what_no_queue_can_have_is_refused(site, values, field, allowed):
    queue_id = site.queue()

    answer = patch(site, f"/queues/{queue_id}", values)

    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert allowed in error["allowed"]
    assert audits(site) == []


def test_a_capacity_that_is_no_quantity_is_refused(site):
    answer = patch(site, f"/queues/{site.queue()}", {"capacity": {"requests.cpu": "lots"}})

    assert answer.status_code == 422
    assert "Kubernetes quantity" in answer.json()["detail"]


def test_a_pool_is_added_changed_replaced_and_removed(site):
    queue_id = site.queue()
    path = f"/queues/{queue_id}/pools/urgent"

    added = send(site, "PUT", path, {"weight": 200, "job_limit": 5, "reason": REASON})
    assert added.status_code == 201, added.text
    assert (pool(site, "urgent").weight, pool(site, "urgent").job_limit) == (200, 5)

    assert changes(patch(site, path, {"weight": 100, "allowed": {"teams": ["ops-*"]}})) == [
        ("pool spark-prod/team-a/urgent", "weight", 200, 100),
        ("pool spark-prod/team-a/urgent", "allowed", None, {"teams": ["ops-*"]}),
    ]
    replaced = send(site, "PUT", path, {"weight": 100, "reason": REASON})
    assert replaced.status_code == 200, replaced.text
    assert (pool(site, "urgent").job_limit, pool(site, "urgent").allowed) == (None, None)

    assert changes(send(site, "DELETE", path)) == [
        ("pool spark-prod/team-a/urgent", "", {"weight": 100}, None)
    ]
    assert pool(site, "urgent") is None


def test_a_pool_with_jobs_is_not_removed(site):
    site.job(pool="high")

    answer = send(site, "DELETE", f"/queues/{site.queue()}/pools/high")

    assert answer.status_code == 409
    assert answer.json()["detail"] == (
        "pool spark-prod/team-a/high holds 1 jobs that have not ended; move them to another pool first"
    )


@pytest.mark.parametrize("name", ["Urgent!", "a b", "x" * 64])
def test_a_pool_has_a_name_that_an_airflow_pool_can_have(site, name):
    answer = send(site, "PUT", f"/queues/{site.queue()}/pools/{name}", {"weight": 1, "reason": REASON})

    assert answer.status_code == 422, answer.text
    assert pool(site, name) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/queues/999/pause"),
        ("PATCH", "/queues/999"),
        ("PATCH", "/queues/999/pools/high"),
        ("PUT", "/queues/999/pools/high"),
        ("DELETE", "/queues/999/pools/high"),
    ],
)
def test_a_queue_that_is_not_there_is_not_found(site, method, path):
    body = {"reason": REASON} | ({"weight": 2} if method in ("PATCH", "PUT") else {})

    answer = send(site, method, path, body)

    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no queue with the number 999")


@pytest.mark.parametrize("user", ["viewer", "user", "op"])
def test_only_an_administrator_edits_queues(site, user):
    queue_id = site.queue()
    tries = [
        ("POST", f"/queues/{queue_id}/pause", {}),
        ("PATCH", f"/queues/{queue_id}", {"weight": 2}),
        ("PATCH", f"/queues/{queue_id}/pools/high", {"weight": 2}),
        ("PUT", f"/queues/{queue_id}/pools/new", {"weight": 2}),
        ("DELETE", f"/queues/{queue_id}/pools/high", {}),
    ]
    for method, path, body in tries:
        answer = send(site, method, path, {"reason": REASON, **body}, user=user)
        assert answer.status_code == 403, (method, path)
        assert answer.json()["detail"] == "you need an administrator's right to edit queues, limits and flows"
    assert audits(site) == []
    assert queue_row(site, queue_id).weight == 1
    assert {json.loads(log.extra)["refused"] for log in logs(site)} == {answer.json()["detail"]}
    assert {log.owner for log in logs(site)} == {user}


def test_every_setting_is_told_with_where_it_comes_from_since_when_and_by_whom(site, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__JOB_LIMIT", "50")
    queue_id = site.queue()
    patch(site, f"/queues/{queue_id}", {"head_timeout_seconds": 60})
    patch(site, f"/queues/{queue_id}/pools/high", {"job_limit": 7})

    rows = site.get("/settings", user="viewer").json()["settings"]

    found = {(row["scope"], row["where"], row["key"]): row for row in rows}
    timeout = found["queue", "spark-prod/team-a", "head_timeout_seconds"]
    assert (timeout["value"], timeout["source"], timeout["by"]) == (60, "queue", "admin")
    assert timeout["since"] == "2026-01-01T12:10:00Z"
    limit = found["pool", "spark-prod/team-a/high", "job_limit"]
    assert (limit["value"], limit["source"], limit["by"]) == (7, "pool", "admin")
    configured = found["site", "", "job_limit"]
    assert (configured["value"], configured["source"], configured["since"]) == (50, "airflow.cfg", None)
    assert found["site", "", "batch_size"]["source"] == "default"
    assert found["site", "", "batch_size"]["description"].startswith("At most so many admissions")


def test_all_that_can_be_configured_can_be_changed():
    for change, kind in ((acts.QueueChange, configuration.Queue), (acts.PoolChange, configuration.Pool)):
        assert change.model_fields.keys() - {"reason"} == kind.model_fields.keys()
