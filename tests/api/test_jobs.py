# SPDX-License-Identifier: Apache-2.0
"""Lists of jobs."""

from __future__ import annotations


def test_a_waiting_job_is_listed_with_its_place_and_what_may_be_done(site):
    first, second = site.job(task_id="first"), site.job(task_id="second")

    answer = site.get("/jobs")

    assert answer.status_code == 200, answer.text
    jobs = answer.json()["jobs"]
    assert [(job["id"], job["position"], job["ahead"]) for job in jobs] == [(first, 1, 0), (second, 2, 1)]
    assert jobs[0]["actions"] == ["hold", "cancel", "legacy", "pool", "demand", "position"]
    assert answer.json()["total"] == 2


def test_one_job(site):
    job_id = site.job(task_id="first")

    answer = site.get(f"/jobs/{job_id}")

    assert answer.status_code == 200, answer.text
    assert answer.json()["task_id"] == "first"


def test_queues_and_me(site):
    site.job()
    assert site.get("/queues").status_code == 200
    assert site.get("/me", user="viewer").json() == {
        "user": "viewer",
        "can_edit_queues": False,
        "can_act": False,
        "time_zone": "utc",
    }


def test_smoke(site):
    site.job()
    for path in (
        "/arbiter",
        "/capacity",
        "/history",
        "/history/heatmap",
        "/queues/1",
        "/jobs.csv",
        "/jobs?group=mapped&sort=-ended_at&search=etl",
        "/openapi.json",
    ):
        answer = site.get(path)
        assert answer.status_code == 200, (path, answer.text)
