# SPDX-License-Identifier: Apache-2.0
"""The database crashes and comes back under three arbiters: nothing is lost, and each says it in one line."""

from __future__ import annotations

import time

import psycopg2
import pytest

from tests.ha.arbiters import until

pytestmark = [pytest.mark.long, pytest.mark.postgresql, pytest.mark.timeout(500)]

AWAY, BACK = "Airflow's database does not answer", "Cycles work again after"


def crash(server, seconds: float) -> None:
    server.crash()
    time.sleep(seconds)
    server.start()


def look_again(site) -> None:
    """The connection that the tests look through was cut as well."""
    dsn = site.database.url.replace("+psycopg2", "")
    site.arbiters._look = psycopg2.connect(dsn)
    site.arbiters._look.autocommit = True


@pytest.mark.parametrize("seconds", [0.0, 6.0], ids=["restarted at once", "away for a while"])
def test_a_database_that_restarts_loses_no_job_and_is_told_of_once(site, server, seconds):
    started = [site.arbiters.start() for _ in range(3)]
    site.arbiters.until_ready()
    with site.workers(backlog=10) as workers:
        site.goes_on()
        for _ in range(2):
            crash(server, seconds)
            look_again(site)
            until(site.arbiters.leader, 40, "one leads again")
            site.goes_on(60)
        site.finish(workers)
    assert all(arbiter.lives() for arbiter in started)
    for arbiter in started:
        said, again = arbiter.lines(AWAY), arbiter.lines(BACK)
        assert len(said) <= 2, "one line for each outage, not for each cycle"
        assert all("with pauses of up to 15 s" in line for line in said)
        assert len(again) == len(said)
        assert not arbiter.lines("Traceback"), arbiter.log
    assert any(arbiter.lines(AWAY) for arbiter in started)


def test_status_names_a_database_that_is_away_and_the_last_outage_after_it(site, server):
    site.arbiters.start()
    site.arbiters.until_ready()
    assert site.status()["arbiter"]["last_outage"] is None
    server.crash()
    try:
        away = site.database.airflow("priority-spark", "status", check=False)
        time.sleep(2)
    finally:
        server.start()
    assert away.returncode == 1
    assert "priority-spark: Airflow's database does not answer: " in away.stdout
    assert "Traceback" not in away.stdout

    look_again(site)
    until(
        lambda: site.arbiters.ask(
            "SELECT 1 FROM priority_spark_arbiter_state WHERE summary::text LIKE '%%outage%%'"
        ),
        60,
        "it is noted",
    )
    said = site.status()["arbiter"]
    assert said["last_outage"].startswith("database: ")
    assert said["last_outage_since"] < said["last_outage_until"]
