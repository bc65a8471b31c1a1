# SPDX-License-Identifier: Apache-2.0
"""Dashboards are as generated and ask for metrics that there are; rules fire when they should."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from airflow_priority_spark.metrics.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "dashboards").glob("*.json"))
RULES = sorted((ROOT / "dashboards" / "rules").glob("*.yaml"))
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def queries(page: Path) -> list[tuple[str, str]]:
    """Return panel title and PromQL of every query."""
    panels = json.loads(page.read_text())["panels"]
    return [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


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
    for title, expression in queries(page):
        names = set(re.findall(r"priority_spark_\w+", expression))
        assert names, title
        assert names <= known_names(), title


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_panel_has_a_unit_and_a_description_and_the_one_datasource(page):
    found = json.loads(page.read_text())
    names = [variable["name"] for variable in found["templating"]["list"]]
    assert names[:5] == ["datasource", "cluster", "namespace", "pool", "airflow_url"]
    assert any("priority-spark" in link.get("url", "") for link in found["links"])
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
