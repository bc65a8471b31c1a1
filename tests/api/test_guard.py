# SPDX-License-Identifier: Apache-2.0
"""What must not pass: too much, from elsewhere, of another kind; and what every answer carries."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import func, select

from airflow_priority_spark.store.models import Audit, Job

API = "/priority-spark/api/v1"
TEN_MEGABYTES = b'{"reason": "' + b"x" * 10_000_000 + b'"}'


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def hold(site):
    """Try to hold a job; check afterwards that nothing has changed."""
    job_id = site.job()

    def tried(content=b'{"reason": "why"}', **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with site.client() as client:
            named = {"content-type": "application/json", **named}
            return client.post(f"{API}/jobs/{job_id}/hold", content=content, headers=named)

    yield tried
    with site.database.session() as session:
        assert session.get_one(Job, job_id).state == "queued"
        assert session.scalar(select(func.count()).select_from(Audit)) == 0


def test_a_body_of_ten_megabytes_is_refused(hold, caplog):
    with caplog.at_level(logging.WARNING):
        answer = hold(TEN_MEGABYTES)
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert answer.json()["detail"] == "the body of a request has at most 1048576 bytes"
    assert "refused POST" in caplog.text


def test_a_body_that_lies_about_its_length_is_refused(hold):
    def parts():
        for _ in range(20):
            yield b"x" * 100_000

    assert hold(parts()).status_code == 413


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_what_a_form_can_send_is_refused(hold, kind):
    answer = hold(content_type=kind)
    assert answer.status_code == 415
    assert answer.json()["detail"].endswith("must have the Content-Type application/json")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://testserver.evil.example", "http://testserver:8080"]
)
def test_a_page_of_another_site_is_refused(hold, origin):
    answer = hold(origin=origin)
    assert answer.status_code == 403
    assert answer.json()["detail"] == f"the request comes from a page of another site: {origin!r}"


def test_a_page_that_hides_its_origin_is_refused_where_the_browser_tells(hold):
    assert hold(sec_fetch_site="cross-site").status_code == 403


def test_the_site_itself_may_post(site):
    job_id = site.job()
    with site.client() as client:
        answer = client.post(
            f"{API}/jobs/{job_id}/requeue", json={"reason": "why"}, headers={"Origin": "http://testserver"}
        )
    assert answer.status_code not in (403, 415)


def test_a_proxy_may_show_another_name(site, monkeypatch):
    from tests.api.conftest import make_host

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/air")
    site.host = make_host()
    with site.client() as client:
        for origin, refused in (("https://airflow.example.org", False), ("https://example.org", True)):
            answer = client.post(f"{API}/nothing", json={}, headers={"Origin": origin})
            assert (answer.status_code == 403) is refused


@pytest.mark.parametrize("path", ["/jobs", "/nothing", "/jobs/not-an-id"])
def test_every_answer_forbids_guessing_framing_and_keeping(site, path):
    headers = site.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_nothing_is_changed_by_reading(site):
    job_id = site.job()
    with site.client() as client:
        for path in (f"/jobs/{job_id}/hold", f"/jobs/{job_id}/cancel", "/jobs/bulk", "/queues/1/pause"):
            assert client.get(f"{API}{path}").status_code in (404, 405, 422)


@pytest.mark.parametrize(
    ("path", "field", "allowed"),
    [
        ("/jobs?limit=0", "limit", "greater than or equal to 1"),
        ("/jobs?limit=501", "limit", "less than or equal to 500"),
        ("/jobs?sort=colour", "sort", "'position', '-position'"),
        ("/jobs?after=nonsense", "after", "the `next` of an earlier page with sort=position"),
        ("/jobs?state=gone", "state.0", "'held', 'queued'"),
        ("/jobs?search=%00", "search", "pattern"),
        ("/jobs?color=red", "color", "Extra inputs are not permitted"),
        ("/jobs?queued_after=0001-01-01T00:00:00Z", "queued_after", "between the years 1970 and 9000"),
        ("/jobs/1%20OR%201=1", "job_id", "a valid UUID"),
        ("/queues/0", "queue_id", "greater than or equal to 1"),
        ("/history?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from", "92 days before `to`"),
        ("/history?step=1", "step", "at least 173 for this span"),
    ],
)
def test_a_value_that_can_never_be_right_is_named(site, path, field, allowed):
    answer = site.get(path)
    assert answer.status_code == 422, answer.text
    error = answer.json()["errors"][0]
    assert error["field"] == field
    assert allowed in error["allowed"]
    assert answer.json()["instance"].startswith("/priority-spark/api/v1")


def test_stored_scripts_and_sql_are_only_text(site):
    evil = "<script>alert('x')</script>'; DROP TABLE priority_spark_job; --"
    job_id = site.job(user=evil)
    assert site.get("/jobs", search=evil).json()["jobs"][0]["user"] == evil
    assert site.get("/jobs").headers["content-type"] == "application/json"
    assert site.get("/jobs", search="%' OR 1=1 --").json()["jobs"] == []
    assert site.get(f"/jobs/{job_id}").json()["user"] == evil


def test_a_spreadsheet_takes_nothing_for_a_formula(site):
    site.job(user="=HYPERLINK(1)")
    assert "'=HYPERLINK(1)" in site.get("/jobs.csv").text


def test_tables_that_are_missing_say_which_command_to_run(site):
    from sqlalchemy import text

    with site.database.session() as session, session.begin():
        session.execute(text("UPDATE priority_spark_alembic_version SET version_num = '0001'"))
    answer = site.get("/jobs")
    assert answer.status_code == 503
    assert "run: airflow db migrate" in answer.json()["detail"]


def test_what_goes_wrong_inside_is_not_told(site, monkeypatch):
    from airflow_priority_spark.api.routes import jobs

    def broken(*_args, **_options):
        raise RuntimeError("password of the database: hunter2")

    monkeypatch.setattr(jobs, "page_of_jobs", broken)
    answer = site.get("/jobs")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "hunter2" not in answer.text


def test_the_description_is_a_page_without_scripts(site):
    with site.client(None) as client:
        page = client.get("/priority-spark/docs")
    assert page.status_code == 200
    assert "/api/v1/jobs/{job_id}" in page.text
    assert "<script" not in page.text
    assert "http" not in page.text.partition("<style>")[0]
