# SPDX-License-Identifier: Apache-2.0
"""Whoever is asked, and whoever leads: exporters, the REST API and the rows themselves say the same."""

from __future__ import annotations

import datetime
import urllib.request
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, select

from airflow_priority_spark.metrics.exporter import Exporter, Listening
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store import jobs, tallies
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Event, Job
from tests.api.conftest import make_host, simple_site
from tests.builders import make_dag
from tests.metrics.conftest import Scrape, later
from tests.unit.arbiter.world import World


@pytest.fixture
def exporters(database):
    """Make exporters whose clock stands still at a moment; they answer over HTTP."""
    made = []

    def start(now: datetime.datetime) -> Exporter:
        exporter = Exporter(Listening("127.0.0.1", 0), database.session, Settings(), lambda: now)
        exporter.start()
        made.append(exporter)
        return exporter

    yield start
    for exporter in made:
        exporter.close()


def read(exporter: Exporter) -> Scrape:
    """Return what an exporter answers, parsed as Prometheus parses it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{exporter.port}/metrics", timeout=30) as answer:
        return Scrape(text_string_to_metric_families(answer.read().decode()))


@pytest.fixture
def api(site, session, database, monkeypatch):
    """The REST API of the same site, at the same moment."""
    for dag_id in ("etl", "fresh", "report"):
        make_dag(session, dag_id)
    session.commit()
    with simple_site(database, monkeypatch) as made:
        made.host = make_host(later(200))
        yield made


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_two_exporters_and_the_rest_api_say_the_same_at_the_same_moment(api, exporters):
    first, second = (read(exporters(later(200))) for _ in range(2))
    assert first.steady() == second.steady()
    [queue] = api.get("/queues").json()["queues"]
    assert {pool["name"] for pool in queue["pools"]} == {"high", "normal"}
    for pool in queue["pools"]:
        line = {"namespace": "team-a", "pool": pool["name"]}
        pending = first.all("pending_jobs", **line)
        assert sum(pending.values()) == pool["length"] + pool["held"]
        assert sum(first.all("pending_jobs", status="held", **line).values()) == pool["held"]
        assert sum(first.all("admitted_active_jobs", **line).values()) == pool["active"]
        assert sum(first.all("running_jobs", **line).values()) == pool["running"]
        if pool["length"]:
            assert first("oldest_wait_seconds", **line) == pool["oldest_wait_seconds"]
        if pool["head"]:
            assert first("head_blocked_seconds", **line) == (pool["head"]["blocked_seconds"] or 0)
            assert bool(first("head_missing", **line)) == bool(pool["head"]["blocking_resource"])
    for item in queue["resources"]:
        unit = 1000 if item["resource"].endswith("cpu") else 1
        for word in ("hard", "used", "granted", "free"):
            shown = list(first.all(f"quota_{word}", resource=item["resource"]).values())
            assert shown == ([] if item[word] is None else [item[word] / unit]), item
    assert {item["resource"] for item in queue["resources"]} > {"requests.cpu", "requests.memory"}


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_state_of_arbiter_clusters_and_every_job_is_the_rest_apis(api, exporters):
    found = read(exporters(later(200)))
    arbiter = api.get("/arbiter").json()
    assert (found("arbiter_leading"), found("leader_changes_total")) == (arbiter["alive"], arbiter["epoch"])
    assert found("arbiter_last_cycle_age_seconds") == arbiter["idle_seconds"]
    [cluster] = api.get("/capacity").json()["clusters"]
    assert found("snapshot_age_seconds", cluster=cluster["cluster"]) == cluster["age_seconds"]
    assert found("snapshot_fresh") == cluster["fresh"]
    assert found("nodes", status="ready") == cluster["nodes"]["ready"]
    listed = api.get("/jobs", limit=100, state=[state.value for state in JobState]).json()["jobs"]
    states = Counter(job["state"] for job in listed)
    assert len(listed) == 7
    assert sum(found.all("pending_jobs").values()) == states["queued"] + states["held"]
    assert sum(found.all("running_jobs").values()) == states["running"]
    for outcome in ("succeeded", "cancelled"):
        assert sum(found.all("finished_jobs_total", outcome=outcome).values()) == states[outcome] == 1


def counted(database) -> Counter:
    """Count events in another way than the tallies do: one by one, in Python."""
    found: Counter = Counter()
    with database.session() as session:
        for event in session.scalars(select(Event)):
            if event.from_state is None:
                found["queued_jobs_total"] += 1
            elif event.to_state == "admitted" != event.from_state:
                found["admitted_jobs_total"] += 1
                found["queue_wait_seconds_count"] += 1
            elif event.from_state != event.to_state in {"succeeded", "failed", "cancelled"}:
                found["finished_jobs_total"] += 1
    return found


def sums(scrape: Scrape) -> Counter:
    names = ("queued_jobs_total", "admitted_jobs_total", "queue_wait_seconds_count", "finished_jobs_total")
    return Counter({name: int(sum(scrape.all(name).values())) for name in names})


def test_two_arbiters_that_lead_in_turn_count_everything_once(database, exporters):
    """Two replicas with an exporter each; the first is killed between two recordings and comes back later."""
    world = World(database)
    first, second = world.loop, world.arbiter("arbiter-2")
    answers = [exporters(world.now), exporters(world.now)]

    def work(name: str) -> None:
        world.defer(name)
        world.cycle(2)
        world.start(name)
        world.cycle(2)
        world.end(name)
        world.cycle(2)
        scrapes = [read(exporter) for exporter in answers]
        assert sums(scrapes[0]) == sums(scrapes[1]) == counted(database)

    work("one")
    # Killed: what it knew is lost, its lease runs out, and another one leads.
    world.now += datetime.timedelta(seconds=60)
    world.loop = second
    work("two")
    world.loop.pictures._saved_at = None
    work("three")
    world.now += datetime.timedelta(seconds=60)
    world.loop = world.arbiter("arbiter-1")
    assert world.loop is not first
    work("four")
    assert counted(database) == {
        "queued_jobs_total": 4,
        "admitted_jobs_total": 4,
        "queue_wait_seconds_count": 4,
        "finished_jobs_total": 4,
    }
    assert read(answers[0])("leader_changes_total") == 3


def test_a_new_exporter_goes_on_where_the_last_one_stopped_and_deleted_events_stay_counted(
    site, database, exporters
):
    before = sums(read(exporters(later(200))))
    leader = Leadership(database.session, "host/2", lambda: later(300), 10)
    assert leader.acquire()
    with leader.transaction() as session:
        tallies.settle(session)
        assert session.execute(delete(Event).where(~Event.to_tally)).rowcount > 7
    assert sums(read(exporters(later(320)))) == before
    with database.session() as session, session.begin():
        job = session.scalars(select(Job).where(Job.state == "running")).first()
        jobs.move(session, job, JobState.SUCCEEDED, "done", "arbiter", later(310))
    assert sums(read(exporters(later(320)))) == before + Counter(finished_jobs_total=1)
