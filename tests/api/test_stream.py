# SPDX-License-Identifier: Apache-2.0
"""The stream of changes, over a real server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from sqlalchemy.exc import OperationalError

from airflow_priority_spark.api.dependencies import utcnow
from airflow_priority_spark.api.feed import Feed
from airflow_priority_spark.api.routes import stream
from airflow_priority_spark.store import changes
from airflow_priority_spark.store.models import ArbiterState
from tests.api.acts import post

PATH = "/priority-spark/api/v1/stream"


@pytest.fixture
def server(site, monkeypatch) -> Iterator[str]:
    """The site's app behind a server of its own."""
    monkeypatch.setattr(stream.feed, "_interval", 0.05)
    config = uvicorn.Config(site.host, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    while not served.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}"
    served.should_exit = True
    thread.join(10)


@contextmanager
def listening(site, server, user="admin", **headers):
    """Follow the stream; gives a function that returns the next event."""
    with (
        httpx.Client(headers={"Authorization": f"Bearer {site.tokens[user]}", **headers}) as client,
        client.stream("GET", server + PATH, timeout=10) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"
        # The first look is what later ones are compared with.
        time.sleep(0.3)
        yield lambda: _next(lines)


def _next(lines) -> dict:
    found = {}
    for line in lines:
        if not line and "data" in found:
            return {**json.loads(found["data"]), "event_id": found["id"]}
        name, _, value = line.partition(": ")
        found[name] = value
    raise AssertionError("the stream has ended")


def test_a_page_learns_that_a_job_and_its_queue_have_changed(site, server):
    job_id = site.job()
    queue_id = site.queue()
    with listening(site, server) as following:
        post(site, f"/jobs/{job_id}/hold")
        first, second = following(), following()
    assert (first["kind"], first["id"]) == ("job", job_id)
    assert (second["kind"], second["id"]) == ("queue", queue_id)


def test_a_page_learns_that_a_queue_was_paused(site, server):
    queue_id = site.queue()
    with listening(site, server) as following:
        post(site, f"/queues/{queue_id}/pause")
        found = following()
    assert (found["kind"], found["id"]) == ("queue", queue_id)


def test_a_page_learns_that_another_arbiter_leads(site, server):
    with listening(site, server) as following:
        with site.database.session() as session, session.begin():
            session.get_one(ArbiterState, 1).epoch += 1
        found = following()
    assert (found["kind"], found["id"]) == ("arbiter", None)


def test_who_comes_back_is_told_what_was_missed(site, server):
    job_id = site.job()
    with listening(site, server) as following:
        post(site, f"/jobs/{job_id}/hold")
        seen = following()["event_id"]
    post(site, f"/jobs/{job_id}/release")
    other = site.job(task_id="other")
    with listening(site, server, **{"Last-Event-ID": seen}) as following:
        found = [following() for _ in range(4)]
    assert [(each["kind"], each["id"]) for each in found] == [
        ("job", job_id),
        ("job", other),
        ("queue", None),
        ("arbiter", None),
    ]


@pytest.mark.parametrize("forged", ["-1", "9" * 90, "1; DROP TABLE", "٣", "99999999999999999"])
def test_an_id_that_no_event_has_means_reading_everything_anew(site, server, forged):
    headers = {"Last-Event-ID": forged.encode()} if forged.isascii() else {}
    if not headers:
        headers = {"Last-Event-ID": forged.encode("utf-8")}
    with listening(site, server, **headers) as following:
        assert following()["kind"] == "all"


def test_who_missed_more_than_can_be_told_reads_everything_anew(site, server, monkeypatch):
    monkeypatch.setattr(changes, "MOST", 2)
    for number in range(4):
        site.job(task_id=f"task-{number}")
    with listening(site, server, **{"Last-Event-ID": "0"}) as following:
        assert following()["kind"] == "all"


def test_nothing_is_said_about_jobs_that_may_not_be_read(site, server):
    with listening(site, server) as following:
        # Airflow knows no such DAG, so nobody may read it.
        with site.database.session() as session, session.begin():
            from tests.store.rows import make_job, make_queue

            make_job(session, make_queue(session), dag_id="secret")
        found = following()
    assert found["kind"] == "queue"


def test_a_stream_ends_after_its_time_and_says_now_and_then_that_it_is_there(site, server, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(stream, "LONGEST_SECONDS", 0.35)
    headers = {"Authorization": f"Bearer {site.tokens['viewer']}"}
    answer = httpx.get(server + PATH, headers=headers, timeout=10)
    assert answer.text.count(": still here") >= 3


def test_the_thread_that_looks_ends_with_the_last_who_listens(site, server, monkeypatch):
    monkeypatch.setattr(stream, "LONGEST_SECONDS", 0.1)
    httpx.get(server + PATH, headers={"Authorization": f"Bearer {site.tokens['viewer']}"}, timeout=10)
    time.sleep(0.3)
    assert not [each for each in threading.enumerate() if each.name == "priority-spark-feed"]


def test_nobody_follows_without_signing_in(site, server):
    assert httpx.get(server + PATH).status_code == 401


def test_more_than_can_be_served_are_sent_away(site, server, monkeypatch):
    from airflow_priority_spark.api import feed

    monkeypatch.setattr(feed, "MOST_LISTENERS", 0)
    answer = httpx.get(server + PATH, headers={"Authorization": f"Bearer {site.tokens['viewer']}"})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "too many listen already; ask again later, or ask for what you need"


async def test_the_end_of_a_process_waits_for_a_look_that_is_under_way():
    looking, go_on = threading.Event(), threading.Event()

    def slow():
        looking.set()
        go_on.wait(10)
        raise OperationalError("a look", None, Exception("the database is away"))

    slowly = Feed(slow, utcnow)
    with slowly.listening():
        assert looking.wait(10)
    threading.Timer(0.2, go_on.set).start()
    slowly.close()
    assert go_on.is_set()
    assert not [each for each in threading.enumerate() if each.name == "priority-spark-feed"]


async def test_who_listens_after_the_end_is_served_by_a_new_thread(site):
    with stream.feed.listening():
        stream.feed.close()
        with stream.feed.listening():
            assert [each for each in threading.enumerate() if each.name == "priority-spark-feed"]
