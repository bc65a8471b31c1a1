# SPDX-License-Identifier: Apache-2.0
"""What people and pages that mean harm send: each is refused and logged, and nothing is otherwise afterwards.

What they are told, and what is kept as the text it is: ``test_hostile_acts`` and ``test_guard``.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator

import jwt
import pytest

from tests.api.acts import API, REASON, logs, picture
from tests.api.conftest import SIMPLE

SCRIPT = "<script>alert(1)</script>"
SQL = "';DROP TABLE priority_spark_job;--"
SECRET = SIMPLE["AIRFLOW__API_AUTH__JWT_SECRET"]
FORGED = "01970000-0000-7000-8000-000000000000"
JSON = {"Content-Type": "application/json"}
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def database_kind():
    return "sqlite"


def _ten_megabytes() -> Iterator[bytes]:
    """Send ten megabytes without saying beforehand how many they are."""
    yield b'{"reason": "'
    for _ in range(100):
        yield b"x" * 100_000
    yield b'"}'


def _token(secret: str = SECRET, algorithm: str = "HS512", **claims) -> str:
    return jwt.encode({"sub": "admin", "role": "ADMIN", **claims}, secret, algorithm)


def _bearer(token: str) -> dict:
    return {"user": None, "headers": {"Authorization": f"Bearer {token}"}}


#: What is tried → how it differs from holding a job as an administrator, and what it is answered.
TRIES = {
    "a script for a pool": (
        {"method": "PATCH", "act": "", "json": {"pool": SCRIPT, "reason": REASON}},
        {422},
    ),
    "SQL for a pool": ({"method": "PATCH", "act": "", "json": {"pool": SQL, "reason": REASON}}, {422}),
    "a script for an act": (
        {"json": {"action": SCRIPT, "filter": {}, "reason": REASON}, "bulk": True},
        {422},
    ),
    "SQL for a filter": (
        {"json": {"action": "hold", "filter": {SQL: 1}, "reason": REASON}, "bulk": True},
        {422},
    ),
    "SQL for an id": ({"job": SQL.replace(";", "%3B")}, {422}),
    "a script for an id": ({"job": "%3Cscript%3E"}, {422}),
    "another job's id made up": ({"job": FORGED}, {404, 410}),
    "a path for an id": ({"job": "..%2f..%2fetc%2fpasswd"}, {404, 422}),
    "ten megabytes": ({"json": {"reason": "x" * 10_000_000}}, {413}),
    "ten megabytes in pieces": ({"content": _ten_megabytes, "headers": JSON}, {413}),
    "no JSON": ({"content": lambda: b"{", "headers": JSON}, {422}),
    "a form": ({"content": lambda: b"reason=x", "headers": {"Content-Type": "text/plain"}}, {415}),
    "another's name": ({"json": {"reason": REASON, "actor": "root"}}, {422}),
    "no token": ({"user": None}, {401}),
    "a token that is none": (_bearer("nonsense"), {401, 403}),
    "a token without a signature": (_bearer(_token("", "none")), {401, 403}),
    "a token of another secret": (_bearer(_token("another secret " * 8)), {401, 403}),
    "a token of long ago": (_bearer(_token(exp=PAST)), {401, 403}),
    "another role's token": ({"user": "viewer"}, {403}),
    "a page of another site": ({"headers": {"Origin": "https://evil.example"}}, {403}),
    "a page without an origin": ({"headers": {"Origin": "null"}}, {403}),
    "a page of a neighbour": ({"headers": {"Sec-Fetch-Site": "same-site"}}, {403}),
    "a look at what acts": ({"method": "TRACE"}, {403, 405, 415}),
}


@pytest.mark.parametrize("tried", TRIES)
def test_it_is_refused_and_logged_and_changes_nothing(site, caplog, tried):
    options, answered = TRIES[tried]
    job_id = site.job()
    target = "/jobs/bulk" if options.get("bulk") else f"/jobs/{options.get('job', job_id)}"
    if not options.get("bulk") and "act" not in options:
        target += "/hold"
    before = picture(site)
    sent = (
        {"content": options["content"]()}
        if "content" in options
        else {"json": options.get("json", {"reason": REASON})}
    )

    with site.client(options.get("user", "admin")) as client, caplog.at_level(logging.WARNING):
        answer = client.request(
            options.get("method", "POST"), API + target, headers=options.get("headers"), **sent
        )

    assert answer.status_code in answered, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert SCRIPT not in answer.text or answer.headers["x-content-type-options"] == "nosniff"
    assert "refused" in caplog.text
    assert picture(site) == before
    assert all('"refused"' in log.extra for log in logs(site))
