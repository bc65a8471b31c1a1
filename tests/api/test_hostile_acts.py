# SPDX-License-Identifier: Apache-2.0
"""People and pages that mean harm: refused, written down, nothing changed."""

from __future__ import annotations

import logging
from uuid import uuid4

import pytest

from tests.api.acts import API, REASON, last_event, logs, patch, picture, post, row, send

SCRIPT = "<script>alert(document.cookie)</script>"
SQL = "'; DROP TABLE priority_spark_job; --"

ACTS = ["hold", "release", "cancel", "requeue", "legacy"]


@pytest.mark.parametrize("text", [SCRIPT, SQL, "{{ 7 * 7 }}", "=cmd|' /C calc'!A0", "\u202eevil", "%s %n"])
def test_what_looks_like_code_is_kept_and_given_back_as_the_text_it_is(site, text):
    job_id = site.job()

    assert post(site, f"/jobs/{job_id}/hold", {"reason": text}).status_code == 200

    assert last_event(site, job_id) == (f"held by admin: {text}", "admin")
    answer = site.get(f"/jobs/{job_id}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["reason"] == f"held by admin: {text}"


@pytest.mark.parametrize("text", [SCRIPT, SQL])
def test_code_in_place_of_a_name_changes_nothing_but_the_answer(site, text):
    job_id = site.job()
    before = picture(site)

    assert patch(site, f"/jobs/{job_id}", {"pool": text[:63]}).status_code == 422
    assert (
        post(site, "/jobs/bulk", {"action": "hold", "filter": {"search": text}, "reason": "x"}).json()[
            "changed"
        ]
        == 0
    )
    assert post(site, "/flows/migrate", {"scope": "pool; --", "value": text, "to": "legacy", "reason": "x"})
    assert picture(site) == before


@pytest.mark.parametrize("act", ACTS)
def test_forged_ids_are_not_found_and_the_try_is_written_down(site, act, caplog):
    site.job()
    before = picture(site)
    forged = uuid4()

    with caplog.at_level(logging.WARNING):
        answer = post(site, f"/jobs/{forged}/{act}", user="op")

    assert answer.status_code == 404
    assert answer.json()["detail"] == f"no job has the id {forged}, or you may not read its DAG"
    assert picture(site) == before
    (log,) = logs(site)
    assert (log.event, log.owner, log.dag_id) == (f"priority_spark.{act}", "op", None)
    assert f"refused {act} by 'op'" in caplog.text


@pytest.mark.parametrize("job_id", ["1", "null", "..%2f..%2fetc", "%00", "1' OR '1'='1", "0" * 5000])
def test_what_is_no_id_is_refused(site, job_id):
    site.job()
    before = picture(site)

    assert post(site, f"/jobs/{job_id}/cancel").status_code in (404, 422)
    assert picture(site) == before


def test_jobs_of_dags_that_may_not_be_read_are_as_good_as_not_there(site):
    with site.database.session() as session, session.begin():
        from tests.store.rows import make_job, make_queue

        hidden = make_job(session, make_queue(session), dag_id="of-nobody").id
    monkey = post(site, f"/jobs/{hidden}/hold", user="viewer")
    assert monkey.status_code in (403, 404)
    assert row(site, hidden).state == "queued"


@pytest.mark.parametrize("act", ACTS)
def test_a_viewer_acts_on_nothing(site, act):
    job_id = site.job()
    before = picture(site)

    answer = post(site, f"/jobs/{job_id}/{act}", user="viewer")

    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "you need the right to edit runs of DAG 'etl'",
    )
    assert patch(site, f"/jobs/{job_id}", {"pool": "high"}, user="viewer").status_code == 403
    assert picture(site) == before
    assert [log.owner for log in logs(site)] == ["viewer", "viewer"]


@pytest.mark.parametrize("user", ["user", "op", "admin"])
def test_who_may_edit_runs_acts(site, user):
    assert post(site, f"/jobs/{site.job()}/hold", user=user).status_code == 200


def test_anonymous_acts_on_nothing(site):
    job_id, queue_id = site.job(), site.queue()
    before = picture(site)

    for path in (f"/jobs/{job_id}/cancel", "/jobs/bulk", f"/queues/{queue_id}/pause", "/flows/migrate"):
        assert post(site, path, user=None).status_code == 401, path
    assert picture(site) == before


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "Bearer", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."])
def test_wrong_tokens_act_on_nothing(site, token, caplog):
    job_id = site.job()
    before = picture(site)

    with caplog.at_level(logging.WARNING):
        answer = post(site, f"/jobs/{job_id}/cancel", user=None, headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code in (401, 403)
    assert "refused POST" in caplog.text
    assert picture(site) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_acts_on_nothing_with_the_cookie_of_a_user(site, headers, caplog):
    job_id, queue_id = site.job(), site.queue()
    before = picture(site)
    cookie = {"Cookie": f"_token={site.tokens['admin']}"}

    with caplog.at_level(logging.WARNING):
        for method, path in [
            ("POST", f"/jobs/{job_id}/cancel"),
            ("PATCH", f"/jobs/{job_id}"),
            ("POST", "/jobs/bulk"),
            ("POST", f"/queues/{queue_id}/pause"),
            ("DELETE", f"/queues/{queue_id}/pools/high"),
        ]:
            answer = send(site, method, path, user=None, headers={**headers, **cookie})
            assert answer.status_code == 403, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
    assert "comes from a page of another site" in caplog.text
    assert picture(site) == before


def test_a_page_of_this_site_acts_with_the_cookie(site):
    cookie = {"Cookie": f"_token={site.tokens['op']}", "Origin": "http://testserver"}

    assert post(site, f"/jobs/{site.job()}/hold", user=None, headers=cookie).status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_what_a_form_can_send_is_refused(site, kind):
    job_id = site.job()
    before = picture(site)
    with site.client("admin") as client:
        answer = client.post(
            f"{API}/jobs/{job_id}/cancel", content=b'{"reason": "x"}', headers={"Content-Type": kind}
        )
    assert answer.status_code == 415
    assert picture(site) == before


@pytest.mark.parametrize("act", ["cancel", "hold"])
def test_nothing_changes_by_looking(site, act):
    job_id = site.job()
    before = picture(site)

    with site.client("admin") as client:
        assert client.get(f"{API}/jobs/{job_id}/{act}").status_code == 405
        assert client.head(f"{API}/jobs/{job_id}/{act}").status_code == 405
    assert picture(site) == before


@pytest.mark.parametrize(
    "path", ["/jobs/{job}/hold", "/jobs/bulk", "/queues/{queue}/pause", "/flows/migrate"]
)
def test_ten_megabytes_are_refused(site, path, caplog):
    path = path.format(job=site.job(), queue=site.queue())
    before = picture(site)

    with caplog.at_level(logging.WARNING):
        answer = post(site, path, {"reason": "x" * 10_000_000})

    assert answer.status_code == 413
    assert "refused POST" in caplog.text
    assert picture(site) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"reason": "\xff"}',
        b'{"reason": "\\ud800"}',
        b"[" * 100_000,
        b'{"reason": NaN}',
    ],
)
def test_what_is_no_json_is_refused(site, body):
    job_id = site.job()
    before = picture(site)
    with site.client("admin") as client:
        answer = client.post(
            f"{API}/jobs/{job_id}/hold", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert picture(site) == before


def test_fields_nobody_knows_are_refused(site):
    job_id = site.job()

    answer = post(site, f"/jobs/{job_id}/hold", {"reason": REASON, "actor": "somebody else"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "actor"
