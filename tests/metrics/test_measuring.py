# SPDX-License-Identifier: Apache-2.0
"""What the leader adds to the tallies itself, and tells Airflow's own metrics."""

import pytest

from airflow_priority_spark.arbiter import measuring
from airflow_priority_spark.metrics.bounds import Bounds
from airflow_priority_spark.metrics.collector import SiteCollector
from tests.metrics.conftest import Scrape
from tests.unit.arbiter.world import World


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def told(monkeypatch):
    """What Airflow's metrics were told."""
    found = []
    monkeypatch.setattr(
        measuring.stats, "incr", lambda name, count=1, tags=None: found.append((name, count, tags))
    )
    return found


@pytest.fixture
def world(database):
    made = World(database)
    made.loop.pictures._saved_at = None
    return made


def look(world) -> Scrape:
    return Scrape(SiteCollector(world.database.session, Bounds(), lambda: world.now).collect())


def written(world) -> None:
    """Run cycles until the pictures are due, as they are every ten seconds."""
    world.cycle()
    world.loop.pictures._saved_at = None
    world.cycle()


def test_a_job_that_fits_and_one_that_does_not_are_attempts_with_different_results(world):
    world.defer("first")
    for number in range(3):
        world.defer(f"more-{number}")
    written(world)
    found = look(world)
    assert found("admission_attempts_total", result="admitted") >= 1
    assert found("admission_attempts_total", result="blocked") >= 1
    assert found("admitted_jobs_total") == found("admission_attempts_total", result="admitted")


def test_airflows_own_metrics_count_each_event_once(world, told):
    world.defer("first")
    written(world)
    written(world)
    queued = [(count, tags) for name, count, tags in told if name == "priority_spark.queued_jobs"]
    assert queued == [(1, {"pool": "normal", "namespace": "team-a"})]


def test_cycles_that_work_and_cycles_that_fail_are_counted(world):
    world.loop.measures.cycle(0.02)
    world.loop.measures.failed()
    world.defer("first")
    written(world)
    found = look(world)
    assert found("cycle_duration_seconds_count") == 1
    assert found("failed_cycles_total") == 1


def test_watches_count_what_is_new_since_the_last_look(world, monkeypatch):
    from airflow_priority_spark.cluster.health import WatchState

    states = [WatchState(restarts=2, errors=1), WatchState(restarts=5, errors=1)]
    world.defer("first")
    world.cycle(2)
    for state in states:
        monkeypatch.setattr(
            type(world.cluster), "counters", lambda self, state=state: {"pods in team-a": state}
        )
        written(world)
    found = look(world)
    assert found("watch_restarts_total", kind="pods") == 5
    assert found("api_errors_total", kind="pods") == 1


def test_a_cycle_is_a_span_where_tracing_is_on(world, monkeypatch):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from airflow_priority_spark.arbiter import loop

    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(loop, "tracer", provider.get_tracer("test"))
    world.defer("first")
    world.cycle(2)
    found = [span for span in spans.get_finished_spans() if span.name == "priority_spark.cycle"]
    assert sum(span.attributes["priority_spark.admitted"] for span in found) == 1
