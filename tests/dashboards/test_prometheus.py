# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes a real exporter, and every query of every dashboard gets data."""

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from airflow_priority_spark.metrics.exporter import Exporter, Listening
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store import tallies
from tests.dashboards.test_dashboards import PAGES, queries
from tests.metrics.conftest import later

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")

#: What Grafana puts in for its variables.
VARIABLES = {
    "$__rate_interval": "1m",
    "$__range": "1m",
    "$cluster": ".*",
    "$namespace": ".*",
    "$pool": ".*",
    "$cpu_price": "0.04",
    "$memory_price": "0.005",
}


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
def ask(exporters, tmp_path):
    """Ask a Prometheus that scrapes both exporters, once it has done so a few times."""
    targets = [f"127.0.0.1:{exporter.port}" for exporter in exporters]
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [{"job_name": "priority-spark", "static_configs": [{"targets": targets}]}],
    }
    path = tmp_path / "prometheus.yml"
    path.write_text(json.dumps(configuration))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={path}",
                f"--storage.tsdb.path={tmp_path}/tsdb",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield _asking(port, tmp_path / "log")
    finally:
        process.terminate()
        process.wait(20)


def _asking(port: int, log: Path):
    def ask(expression: str) -> list:
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=10) as answer:
            found = json.load(answer)
        assert found["status"] == "success"
        return found["data"]["result"]

    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            seen = ask("count_over_time(priority_spark_build_info[5m])")
            if len(seen) == 2 and all(float(series["value"][1]) >= 3 for series in seen):
                return ask
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"Prometheus has not scraped both exporters: {log.read_text()[-2000:]}")


def test_every_query_of_every_dashboard_returns_data(ask):
    empty = []
    for page in PAGES:
        for title, expression in queries(page):
            text = expression
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            assert "$" not in text, (page.stem, title)
            # An answer about the last minute needs a sample on the minute; a shorter step finds one sooner.
            if not ask(text.replace("[1m:1m]", "[1m:1s]")):
                empty.append((page.stem, title, text))
    assert empty == []


def test_two_exporters_make_no_number_twice_as_large(ask):
    merged = "max without (instance, job, pod) (priority_spark_pending_jobs)"
    [waiting] = ask(f"sum({merged})")
    [one] = ask("sum(priority_spark_pending_jobs) / 2")
    assert float(waiting["value"][1]) == float(one["value"][1]) == 3
