# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes a real exporter, and every query of every dashboard gets data."""

import shutil

import pytest
import yaml

from airflow_priority_spark.metrics.exporter import Exporter, Listening
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store import tallies
from tests.dashboards.prometheus import Prometheus
from tests.dashboards.test_dashboards import PAGES, RULES, filled, queries
from tests.metrics.conftest import later

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def exporters(site, session, database):
    """Two exporters of a site on which a leader has measured something."""
    line = (str(site.id), "normal")
    measured = {
        ("admission_attempts", (*line, "blocked")): tallies.Amount(sum=3),
        ("watch_restarts", ("spark-prod", "pods")): tallies.Amount(sum=1),
        ("api_errors", ("spark-prod", "pods")): tallies.Amount(sum=1),
        ("failed_cycles", ()): tallies.Amount(sum=1),
        ("cycle_duration_seconds", ()): tallies.observed(0.02, tallies.SHORT_BUCKETS),
    }
    tallies.add_to_tallies(session, measured)
    session.commit()
    made = [
        Exporter(Listening("127.0.0.1", 0), database.session, Settings(), lambda: later(200))
        for _ in range(2)
    ]
    for exporter in made:
        exporter.start()
    yield made
    for exporter in made:
        exporter.close()


@pytest.fixture
def prometheus(exporters, tmp_path):
    """A Prometheus with our rules that scrapes both exporters, once it has done so a few times."""
    targets = [f"127.0.0.1:{exporter.port}" for exporter in exporters]
    with Prometheus(tmp_path / "prometheus", targets, RULES) as started:
        started.wait("count(count_over_time(priority_spark_build_info[5m]) >= 3) == 2")
        yield started


def test_every_query_of_every_dashboard_returns_data(prometheus):
    empty = []
    for page in PAGES:
        for panel in queries(page):
            text = filled(panel.expression, {"$__rate_interval": "1m", "$__range": "1m"})
            if not prometheus.ask(text):
                empty.append((page.stem, panel.title, text))
    assert empty == []


def test_two_exporters_make_no_number_twice_as_large(prometheus):
    merged = "max without (instance, job, pod) (priority_spark_pending_jobs)"
    [waiting] = prometheus.ask(f"sum({merged})")
    [one] = prometheus.ask("sum(priority_spark_pending_jobs) / 2")
    assert float(waiting["value"][1]) == float(one["value"][1]) == 3


def test_every_rule_is_loaded_and_evaluated_without_an_error(prometheus):
    written = [
        rule.get("alert") or rule["record"]
        for file in RULES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]
    prometheus.wait("priority_spark:pending_jobs:sum")
    rules = prometheus.rules()
    assert sorted(rule["name"] for rule in rules) == sorted(written)
    assert {(rule["health"], rule.get("lastError", "")) for rule in rules} == {("ok", "")}
