# SPDX-License-Identifier: Apache-2.0
"""The demo, an exporter beside it, and a Prometheus: what a person sees in Grafana on the first day.

Everything is real: ``demo/run.py`` with its Airflow and its cluster, ``airflow priority-spark exporter`` as a
process, Prometheus with the rules of ``dashboards/rules``. Every panel must have numbers in it, no rule may
fail and no alert fire, and in the end the counters must say what the demo says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.dashboards.prometheus import Prometheus
from tests.dashboards.test_dashboards import PAGES, RULES, filled, queries
from tests.e2e.test_demo import demo, interruptible  # noqa: F401 - fixtures
from tests.e2e.work import until
from tests.metrics.process import ExporterProcess

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]

#: When some jobs have ended, some run and some wait, as on any day.
BUSY = (
    "max(priority_spark_job_usage) and on() sum(priority_spark_pending_jobs) > 0 "
    "and on() sum(priority_spark_finished_jobs_total) > 0"
)


def environment_of(home: Path) -> dict[str, str]:
    """Return the environment that the demo tells a person to source."""
    file = until(lambda: (home / "environment.sh").is_file() and home / "environment.sh", lambda: "", 60)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    said = subprocess.run(
        ["bash", "-c", f"set -a; source {file} && env -0"], env=clean, capture_output=True, check=True
    )
    return dict(line.split("=", 1) for line in said.stdout.decode().split("\0") if line)


@pytest.fixture
def seen(demo, tmp_path):  # noqa: F811
    """A demo that has come to its end, the two exporters beside it, and the Prometheus that watched."""
    running = demo("--keep")
    environment = environment_of(running.directory() / "airflow")
    words = ("--bind-address", "127.0.0.1")
    exporters = [ExporterProcess(environment, tmp_path / f"exporter-{n}.log", *words) for n in range(2)]
    began = time.time()
    try:
        targets = [f"127.0.0.1:{exporter.listens().port}" for exporter in exporters]
        with Prometheus(tmp_path / "prometheus", targets, RULES, seconds=2) as prometheus:
            until(lambda: over(running), lambda: running.text, 600)
            # The last events reach the exporters with their next scrape.
            time.sleep(3)
            yield running, exporters, prometheus, (began, time.time())
    finally:
        for exporter in exporters:
            exporter.stop()


def over(running) -> bool:
    assert running.process.poll() is None, running.text
    return "Still running" in running.text


def numbers(series: dict) -> list[float]:
    values = series["values"] if "values" in series else [series["value"]]
    return [float(value) for _, value in values if value != "NaN"]


def test_every_panel_has_data_every_rule_works_and_the_counters_say_what_the_demo_says(seen):
    running, exporters, prometheus, (began, ended) = seen
    assert "jobs: 13 succeeded, 1 rejected as expected, 0 lost" in running.text
    [busy] = prometheus.ask_range(BUSY, began, ended)
    moment = busy["values"][-1][0]
    times = {"$__rate_interval": "30s", "$__range": f"{moment - began:.0f}s"}
    empty = []
    for page in PAGES:
        for query in queries(page):
            text = filled(query.expression, times)
            found = (
                prometheus.ask(text, moment) if query.instant else prometheus.ask_range(text, began, ended)
            )
            if not any(numbers(series) for series in found):
                empty.append((page.stem, query.title, text))
    assert empty == []

    rules = prometheus.rules()
    named = [line for file in RULES for line in file.read_text().splitlines() if "- alert:" in line]
    assert len([rule for rule in rules if rule["type"] == "alerting"]) == len(named) > 0
    assert {(rule["name"], rule["lastError"]) for rule in rules if rule.get("lastError")} == set()
    assert {rule["health"] for rule in rules} == {"ok"}
    assert prometheus.ask('ALERTS{alertstate="firing"}') == []

    merged = "max without (instance, job, pod) (priority_spark_finished_jobs_total{outcome='succeeded'})"
    [succeeded] = prometheus.ask(f"sum({merged})")
    assert numbers(succeeded) == [13]
    first, second = (steady(exporter.get()[2]) for exporter in exporters)
    assert first == second
    assert_same_as_the_rest_api(running, first)


def steady(text: str) -> dict[str, float]:
    """Return the samples that do not grow with the time alone."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {
        name: float(value)
        for name, _, value in lines
        if not any(word in name for word in ("age_seconds", "scrape_duration", "cycle_duration"))
    }


def ask_json(url: str, **headers: str):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return json.load(answer)


def assert_same_as_the_rest_api(running, samples: dict[str, float]) -> None:
    """Compare with what the API server of the demo answers."""
    base = running.says(r"Airflow: (http://\S+);")[1]
    token = ask_json(f"{base}/auth/token")["access_token"]
    found = ask_json(f"{base}/priority-spark/api/v1/queues", Authorization=f"Bearer {token}")["queues"]
    assert {queue["namespace"] for queue in found} >= {"team-a", "team-b"}
    for queue in found:
        place = f'cluster="{queue["cluster"]}",namespace="{queue["namespace"]}"'
        for pool in queue["pools"]:
            labels = f'{{{place},pool="{pool["name"]}"}}'
            assert samples.get(f"priority_spark_running_jobs{labels}", 0) == pool["running"], labels
        for item in queue["resources"]:
            cores = 1000 if item["resource"].endswith("cpu") else 1
            labels = f'{{{place},resource="{item["resource"]}"}}'
            for word in ("hard", "used", "granted", "free"):
                shown = samples.get(f"priority_spark_quota_{word}{labels}")
                assert shown == (None if item[word] is None else item[word] / cores), (word, json.dumps(item))
