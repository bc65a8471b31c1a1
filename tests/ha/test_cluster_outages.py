# SPDX-License-Identifier: Apache-2.0
"""Outages of a Kubernetes API under a real arbiter: survived, told in one line, shown by ``status``."""

from __future__ import annotations

import datetime

import pytest

from tests.ha.arbiters import until

pytestmark = [pytest.mark.long, pytest.mark.postgresql, pytest.mark.timeout(400)]

STALE_AFTER = 2.0


@pytest.fixture
def arbiter(site):
    """One arbiter that counts a picture as stale after two seconds."""
    started = site.arbiters.start(AIRFLOW__PRIORITY_SPARK__STALE_AFTER_SECONDS=str(STALE_AFTER))
    site.arbiters.until_ready()
    return started


def shown(site) -> dict:
    [cluster] = site.status()["clusters"]
    return cluster


def is_stale(site) -> bool:
    """Whether the newest picture in the tables is stale."""
    [[fresh]] = site.arbiters.ask(
        "SELECT data->>'fresh' FROM priority_spark_capacity_snapshot ORDER BY taken_at DESC LIMIT 1"
    )
    return fresh == "false"


def troubled(site) -> bool:
    [[trouble]] = site.arbiters.ask(
        "SELECT data->>'trouble' FROM priority_spark_capacity_snapshot ORDER BY taken_at DESC LIMIT 1"
    )
    return bool(trouble)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("refused", {}, "does not answer"),
        ("expired-token", {}, "are not accepted; renew them"),
        ("throttled", {"retry_after": 3}, "too many requests"),
        ("server-error", {"code": 500}, "HTTP 500"),
    ],
)
def test_an_api_that_does_not_answer_stops_admissions_until_it_does(site, arbiter, kind, options, words):
    faults = site.cluster.faults
    with site.workers(backlog=6, runtime="300ms") as workers:
        site.goes_on()
        faults.add(kind, **options)
        # An open watch does not ask again: let each end once.
        if kind != "refused":
            faults.add("gone", for_="1s")
        until(lambda: is_stale(site), 60, "the picture is stale")
        said = shown(site)
        began = datetime.datetime.fromisoformat(said["troubled_since"])
        assert words in said["trouble"]
        assert words in said["stale_reason"]
        assert said["fresh"] is False
        assert abs((datetime.datetime.now(datetime.UTC) - began).total_seconds()) < 90
        faults.clear()
        until(lambda: not is_stale(site), 90, "the picture is fresh again")
        site.goes_on(60)
        site.finish(workers)
    assert site.status()["clusters"][0]["trouble"] is None
    lost = arbiter.lines("watch of pods lost")
    assert len(lost) == 1, "one line, not one for each attempt"
    assert words in lost[0]
    assert len(arbiter.lines("watch of pods of", "regained after")) == 1
    assert arbiter.lives()


def test_a_storm_of_410_is_shown_and_jobs_go_on(site, arbiter):
    with site.workers(backlog=6, runtime="300ms") as workers:
        site.goes_on()
        site.cluster.faults.add("gone")
        until(lambda: troubled(site), 60, "it is shown")
        said = shown(site)
        assert "begins again and again with a list: the server does not keep the events" in said["trouble"]
        site.goes_on(90)
        site.cluster.faults.clear()
        site.finish(workers)
        until(lambda: not troubled(site), 90, "it is over")
    assert len(arbiter.lines("watch of pods of", "begins again with a list")) <= 2


def test_half_open_connections_are_noticed_by_their_silence_and_lose_no_job(site, arbiter):
    with site.workers(backlog=4, runtime="300ms") as workers:
        site.goes_on()
        site.cluster.faults.add("half-open", for_="20s")
        # Jobs go on by what tables say; after 120 s without a bookmark a new list shows the rest.
        silent = ("watch of pods of", "nothing came for 120 s")
        until(lambda: arbiter.lines(*silent), 200, "the silence is noticed")
        site.goes_on(60)
        site.finish(workers)
    assert len(arbiter.lines(*silent)) == 1


def test_ten_seconds_of_latency_do_not_cost_the_lead(site, arbiter):
    with site.workers(backlog=4, runtime="300ms") as workers:
        site.goes_on()
        epoch = site.arbiters.lease()[1]
        site.cluster.faults.add("latency", by="10s")
        site.cluster.faults.add("gone", for_="1s")
        until(lambda: arbiter.lines("watch of pods of", "is slow: a list took 10"), 90, "it is told")
        second = site.arbiters.start()
        until(second.is_ready, 60, "another arbiter stands by")
        site.goes_on(120, jobs=1)
        assert site.arbiters.lease()[1] == epoch, "nobody else leads"
        site.cluster.faults.clear()
        site.finish(workers)
    assert len(arbiter.lines("watch of pods of", "is slow")) == 1
