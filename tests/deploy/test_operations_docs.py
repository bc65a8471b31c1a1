# SPDX-License-Identifier: Apache-2.0
"""What the pages for operators say can be done: links lead somewhere, commands, options and values exist."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.deploy.charts import OURS, ROOT

PAGES = [ROOT / "docs" / name for name in ("operations.md", "runbook.md", "security.md")]
ALERTS = ROOT / "dashboards" / "rules" / "alerts.yaml"


def anchors(page):
    """Headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request):
    return request.param


def test_links_lead_to_pages_and_headings_that_exist(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), f"{target}#{anchor}"


def test_every_command_of_ours_exists_with_its_options(page):
    from airflow.cli.cli_config import GroupCommand

    from airflow_priority_spark.cli.definition import get_cli_commands

    (ours,) = get_cli_commands()
    for line in re.findall(r"airflow priority-spark ([^`\n#]+)", page.read_text()):
        command, words = ours, line.split()
        while isinstance(command, GroupCommand):
            names = {one.name: one for one in command.subcommands}
            assert words[:1] in [[name] for name in names], line
            command = names[words.pop(0)]
        known = {flag for argument in command.args for flag in argument.flags}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_every_value_of_our_chart_exists(page):
    defaults = yaml.safe_load((OURS / "values.yaml").read_text())
    sections = "|".join(name for name, value in defaults.items() if isinstance(value, dict))
    for path in re.findall(rf"(?<![\w./-])((?:{sections})\.[a-zA-Z.]+)", page.read_text()):
        node = defaults
        for part in path.rstrip(".").split("."):
            if node == {} and part:  # labels and annotations are free
                break
            assert part in node, path
            node = node[part]


def test_options_that_are_named_exist(page):
    from airflow_priority_spark.settings import Settings

    named = re.findall(r"`([a-z]+(?:_[a-z]+)+)(?: = [^`]+)?`", page.read_text())
    known = set(Settings.__dataclass_fields__) | FOREIGN
    assert set(named) <= known, set(named) - known


#: Words of Airflow, Prometheus and Kubernetes, and of the queue file, that look like options.
FOREIGN = {
    "exported_namespace",
    "honor_labels",
    "max_active_tasks_per_dag",
    "node_maxima",
    "task_instance",
    "tls_config",
    "basic_auth",
    "priority_spark_cycle_duration_seconds",
    "priority_spark_head_missing",
}


def test_metrics_that_are_named_exist(page):
    from airflow_priority_spark.metrics.catalogue import CATALOGUE

    known = {metric.name for metric in CATALOGUE}
    assert set(re.findall(r"`(priority_spark_[a-z_]*[a-z])`", page.read_text())) <= known


def test_every_alert_is_in_the_runbook_and_leads_to_a_heading():
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    alerts = [rule for rule in rules if "alert" in rule]
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert alerts
    for rule in alerts:
        assert f"`{rule['alert']}`" in runbook
        target, _, anchor = rule["annotations"]["runbook_url"].rpartition("docs/")[2].partition("#")
        assert anchor in anchors(ROOT / "docs" / target), rule["alert"]
