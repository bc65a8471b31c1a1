# SPDX-License-Identifier: Apache-2.0
"""The same for many jobs."""

from __future__ import annotations

from uuid import uuid4

import pytest

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from tests.api.acts import REASON, last_event, logs, picture, post, row, told, waiting_task


def bulk(site, action: str, *, user: str = "op", **body):
    return post(site, "/jobs/bulk", {"action": action, "reason": REASON, **body}, user=user)


def test_jobs_are_held_by_their_ids_and_what_cannot_be_is_named(site):
    first, second = site.job(), site.job()
    ended = site.job(state=JobState.SUCCEEDED)
    unknown = str(uuid4())

    answer = bulk(site, "hold", ids=[first, second, ended, unknown, first])

    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "changed": 2,
        "refused": [
            {"id": unknown, "detail": f"no job has the id {unknown}, or you may not read its DAG"},
            {"id": ended, "detail": f"job {ended} has ended: succeeded; only a waiting job can be held"},
        ],
        "refused_count": 2,
        "dry_run": False,
    }
    assert last_event(site, first) == (f"held by op: {REASON}", "op")
    assert sorted(log.event for log in logs(site)) == ["priority_spark.hold"] * 2


def test_a_filter_finds_those_for_which_the_act_makes_sense(site):
    queued = site.job()
    elsewhere = site.job(namespace="team-b")
    held = waiting_task(site, "held", held=HeldReason.PERSON)

    answer = bulk(site, "hold", filter={"namespace": "team-a"})

    assert (answer.json()["changed"], answer.json()["refused"]) == (1, []), answer.text
    assert row(site, queued).state == "held"
    assert row(site, elsewhere).state == "queued"
    assert bulk(site, "release", filter={"namespace": "team-a"}).json()["changed"] == 2
    assert row(site, held).state == "queued"


def test_releasing_by_a_filter_leaves_jobs_that_timed_out_to_requeueing(site):
    timed_out = waiting_task(site, "first", held=HeldReason.TIMEOUT)

    assert bulk(site, "release", filter={}).json()["changed"] == 0
    assert bulk(site, "requeue", filter={"state": ["held"]}).json()["changed"] == 1
    assert row(site, timed_out).state == "queued"


def test_many_jobs_change_their_pool(site):
    ids = [site.job() for _ in range(3)]

    assert bulk(site, "pool", pool="high", ids=ids).json()["changed"] == 3
    assert {row(site, each).pool for each in ids} == {"high"}


def test_many_jobs_are_sent_to_legacy_and_their_tasks_told(site):
    ids = [waiting_task(site, name) for name in ("one", "two")]

    assert bulk(site, "legacy", ids=ids).json()["changed"] == 2
    assert {told(site, name).outcome for name in ("one", "two")} == {"legacy"}


@pytest.mark.parametrize("action", ["hold", "cancel", "legacy", "pool"])
def test_a_dry_run_says_what_would_be_and_changes_nothing(site, action):
    for name in ("one", "two"):
        waiting_task(site, name)
    options = {"pool": "high"} if action == "pool" else {}
    before = picture(site)

    answer = bulk(site, action, filter={}, dry_run=True, **options)

    assert (answer.json()["changed"], answer.json()["dry_run"]) == (2, True), answer.text
    assert picture(site) == before
    assert told(site, "one") is None


def test_a_viewer_changes_nothing_by_a_filter_and_is_told_why_by_ids(site):
    job_id = site.job()
    before = picture(site)

    assert bulk(site, "hold", user="viewer", filter={}).json()["changed"] == 0
    answer = bulk(site, "hold", user="viewer", ids=[job_id])

    assert answer.json()["refused"] == [
        {"id": job_id, "detail": "you need the right to edit runs of DAG 'etl'"}
    ]
    assert picture(site) == before


@pytest.mark.parametrize(
    ("body", "field", "allowed"),
    [
        ({"action": "hold"}, "body", "exactly one of ids, filter"),
        ({"action": "hold", "ids": [str(uuid4())], "filter": {}}, "body", "exactly one of ids, filter"),
        ({"action": "hold", "ids": []}, "ids", "List should have at least 1 item after validation, not 0"),
        ({"action": "hold", "filter": {}, "pool": "high"}, "body", "pool together with the action pool"),
        ({"action": "pool", "filter": {}}, "body", "pool together with the action pool"),
        (
            {"action": "drop", "filter": {}},
            "action",
            "'hold', 'release', 'cancel', 'requeue', 'legacy' or 'pool'",
        ),
        ({"action": "hold", "filter": {"sql": "1=1"}}, "filter.sql", "Extra inputs are not permitted"),
    ],
)
def test_what_is_not_clear_is_refused(site, body, field, allowed):
    answer = post(site, "/jobs/bulk", {"reason": REASON, **body})

    assert answer.status_code == 422, answer.text
    error = answer.json()["errors"][0]
    assert error["field"] == field
    assert allowed in error["allowed"]
