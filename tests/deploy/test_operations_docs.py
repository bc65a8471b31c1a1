# SPDX-License-Identifier: Apache-2.0
"""What the pages for operators say can be done: links lead somewhere, commands, options and values exist."""

from __future__ import annotations

import json
import re
import shlex

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


def test_every_command_of_airflow_is_one_it_takes(page, capsys):
    from airflow.cli.cli_parser import get_parser

    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.DOTALL)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        if line.strip().startswith("airflow "):
            words = shlex.split(line, comments=True)[1:]
            try:
                get_parser().parse_args(words)
            except SystemExit:
                pytest.fail(f"{line}: {capsys.readouterr().err}")


def test_files_and_targets_of_this_repository_that_commands_name_exist(page):
    text = page.read_text()
    for file in re.findall(r"(?:-f|--values) (\S+\.yaml)", text):
        assert (ROOT / file).exists() or file == "yours.yaml", file
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, flags=re.MULTILINE)) <= targets
    for chart in re.findall(
        r"helm (?:upgrade --install|dependency build|template) ?\S* (helm-values/[a-z/-]+)", text
    ):
        assert (ROOT / chart / "Chart.yaml").exists(), chart


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


def documented_rights():
    """(who, where, verb, resource) → the option that switches it on, of the table in security.md."""
    found, last = {}, [""] * 3
    for line in (ROOT / "docs" / "security.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5 or cells[0] in ("who", "---"):
            continue
        last = [new or old for new, old in zip(cells[:3], last, strict=True)] if not cells[0] else cells[:3]
        who, where, what = last
        option = next(iter(re.findall(r"`(rbac\.\w+)`", cells[3])), "")
        for verb in re.findall(r"\b(?:get|list|watch|create|patch|delete)\b", cells[3].partition("(")[0]):
            assert cells[4], f"{verb} {what} has no reason"
            found[who, where, verb, what] = option
    return found


def test_the_table_of_rights_has_each_right_that_the_code_declares_and_no_other():
    from airflow_priority_spark.cluster.kinds import PERMISSIONS, WORKER_PERMISSIONS

    documented = documented_rights()
    expected = {
        (who, "cluster" if item.cluster_wide else "Spark namespaces", item.verb, item.kind.plural)
        for who, table in (("arbiter", PERMISSIONS), ("worker, triggerer", WORKER_PERMISSIONS))
        for item in table
    }
    of_options = {
        key
        for key, option in documented.items()
        if option == "rbac.podOperator" or key[1] == "its own namespace" or key[1:] in EVERYONES_PODS
    }
    assert set(documented) - of_options == expected
    assert ("worker, triggerer", "Spark namespaces", "list", "events") in documented


#: What the node mode needs besides: the code asks for pods of all namespaces at once.
EVERYONES_PODS = {("cluster", "list", "pods"), ("cluster", "watch", "pods")}


def test_the_options_in_the_table_of_rights_are_values_of_the_chart():
    rbac = yaml.safe_load((OURS / "values.yaml").read_text())["rbac"]
    assert {option.partition(".")[2] for option in documented_rights().values() if option} <= set(rbac)


RESULTS = ROOT / "benchmarks" / "results"


def _row(name, case, count, of="jobs"):
    rows = json.loads((RESULTS / f"{name}.json").read_text())["rows"]
    return next(row for row in rows if row.get("case", case) == case and row.get(of, count) == count)


#: A figure of the sizing table → the same in its benchmark's file.
MEASURED = {
    "a decision that admits 1,000 of 10,000 waiting jobs, no nodes": lambda: _row(
        "decisions", "no nodes", 10_000
    )["ms_per_cycle"],
    "the same on 5,000 nodes": lambda: _row("decisions", "5,000 nodes, 1 pods each", 10_000)["ms_per_cycle"],
    "a decision that admits 1,000 of 50,000 waiting jobs, on 5,000 nodes": lambda: _row(
        "decisions", "5,000 nodes, 1 pods each", 50_000
    )["ms_per_cycle"],
    "admissions through PostgreSQL, nothing else going on": lambda: _row("rates", "admission", 15_000)[
        "per_s"
    ],
    "admissions through PostgreSQL, while jobs also come and end, 30 queues": lambda: _row(
        "baseline", "with PostgreSQL", 15_000
    )["admissions_per_s"],
    "from freed room to a resumed task, median": lambda: (
        _row("rates", "freed capacity → resumed task", 40)["p50_ms"] / 1000
    ),
    "another arbiter leads after the leader was killed, median": lambda: json.loads(
        (RESULTS / "ha.json").read_text()
    )["leads_s"]["median"],
    "the same, worst of 20": lambda: json.loads((RESULTS / "ha.json").read_text())["leads_s"]["max"],
    "a page of the REST API while 10,000 jobs wait, median": lambda: (
        _row("api", "jobs", 10_000, of="waiting")["median_ms"] / 1000
    ),
    "a scrape while 10,000 jobs wait": lambda: _row("metrics", None, None)["median_ms"] / 1000,
    "its size": lambda: _row("metrics", None, None)["bytes"] / 1000,
    "worker slots that 24 applications of a burst held at once": lambda: json.loads(
        (RESULTS / "burst.json").read_text()
    )["priority"]["worker_slots"],
    "the same with the stock operator": lambda: json.loads((RESULTS / "burst.json").read_text())["stock"][
        "worker_slots"
    ],
}


def test_each_figure_of_the_sizing_table_is_the_one_its_benchmark_has_measured():
    """Within a half: a benchmark that is run again on a busy machine need not change the page."""
    lines = (ROOT / "docs" / "operations.md").read_text().partition("## Size")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) ?[^|]* \| `(\w+\.json)` \|$", lines, flags=re.MULTILINE)
    assert {what for what, _, _ in rows} == set(MEASURED)
    for what, figure, file in rows:
        assert (RESULTS / file).exists()
        assert float(figure) == pytest.approx(MEASURED[what](), rel=0.5), what


def test_what_of_the_sizes_is_not_measured_says_so():
    size = (ROOT / "docs" / "operations.md").read_text().partition("## Size")[2].partition("\n## ")[0]
    header = next(line for line in size.splitlines() if line.startswith("| site |"))
    assert header.count("(estimated)") == header.count("|") - 2
