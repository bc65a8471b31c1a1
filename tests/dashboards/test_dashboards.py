# SPDX-License-Identifier: Apache-2.0
"""Dashboards are as generated and ask for metrics that there are; rules fire when they should."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from airflow_priority_spark.metrics.catalogue import CATALOGUE
from airflow_priority_spark.plugin.react_apps import react_apps

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "dashboards").glob("*.json"))
RULES = sorted((ROOT / "dashboards" / "rules").glob("*.yaml"))
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


#: What Grafana puts in for the variables of the dashboards.
VARIABLES = {
    "$cluster": ".*",
    "$namespace": ".*",
    "$pool": ".*",
    "$cpu_price": "0.04",
    "$memory_price": "0.005",
}


class Query(NamedTuple):
    """One query of a panel; ``instant``: Grafana asks for the end of the time shown only."""

    title: str
    expression: str
    instant: bool


def queries(page: Path) -> list[Query]:
    panels = json.loads(page.read_text())["panels"]
    return [
        Query(panel["title"], target["expr"], bool(target.get("instant")))
        for panel in panels
        for target in panel["targets"]
    ]


def filled(expression: str, times: dict[str, str]) -> str:
    """Return a query as Prometheus gets it, with samples a second apart where they were a minute apart."""
    for name, value in {**times, **VARIABLES}.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    # A sample a minute needs a job that lasts for minutes; more of them only find one sooner.
    return expression.replace(":1m]", ":1s]")


def known_names() -> set[str]:
    names = {metric.name for metric in CATALOGUE}
    return names | {
        f"{metric.name}_{part}"
        for metric in CATALOGUE
        if metric.kind == "histogram"
        for part in ("bucket", "sum", "count")
    }


def test_the_committed_dashboards_are_what_the_generator_writes():
    command = [sys.executable, str(ROOT / "dashboards" / "generate.py"), "--check"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_query_asks_for_a_metric_that_there_is(page):
    for title, expression, _ in queries(page):
        names = set(re.findall(r"priority_spark_\w+", expression))
        assert names, title
        assert names <= known_names(), title


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_panel_has_a_unit_and_a_description_and_the_one_datasource(page):
    found = json.loads(page.read_text())
    names = [variable["name"] for variable in found["templating"]["list"]]
    assert names[:5] == ["datasource", "cluster", "namespace", "pool", "airflow_url"]
    for panel in found["panels"]:
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.stem)
def test_every_rule_asks_for_a_metric_that_there_is(rules):
    for group in yaml.safe_load(rules.read_text())["groups"]:
        for rule in group["rules"]:
            assert set(re.findall(r"priority_spark_\w+", rule["expr"])) <= known_names()


def test_every_alert_has_a_runbook_and_a_test():
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "alerts.md").read_text(), re.MULTILINE)
    tested = (ROOT / "tests" / "dashboards" / "rules_test.yaml").read_text()
    [group] = yaml.safe_load((ROOT / "dashboards" / "rules" / "alerts.yaml").read_text())["groups"]
    assert [rule["alert"] for rule in group["rules"]] == headings
    for rule in group["rules"]:
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert f"alertname: {rule['alert']}\n        exp_alerts:" in tested


@promtool
def test_promtool_accepts_the_rules():
    said = subprocess.run(
        ["promtool", "check", "rules", *map(str, RULES)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 0, said.stderr


@promtool
def test_the_rules_fire_when_they_should_and_only_then():
    path = ROOT / "tests" / "dashboards" / "rules_test.yaml"
    said = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_to_a_page_of_the_plugin_with_parameters_that_it_reads(page):
    found = json.loads(page.read_text())
    links = [link["url"] for link in found["links"] if link["type"] == "link"]
    for panel in found["panels"]:
        links += [link["url"] for link in panel["fieldConfig"]["defaults"].get("links", [])]
    addresses = (ROOT / "airflow_priority_spark/plugin/www/src/shared/urlState.ts").read_text()
    [nav] = [app["url_route"] for app in react_apps() if app["destination"] == "nav"]
    assert links[0] == f"${{airflow_url}}/plugin/{nav}"
    for url in links:
        path, _, query = url.partition("?")
        assert path == links[0]
        for name, value in (part.split("=") for part in query.split("&") if part):
            assert f'"{name}"' in addresses, url
            assert value.startswith("${__") or f'"{value}"' in addresses, url
