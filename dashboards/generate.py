# SPDX-License-Identifier: Apache-2.0
"""Writes the Grafana dashboards: ``python dashboards/generate.py``; ``--check`` only compares.

They are made with grafana-foundation-sdk from ``panels.py``, so that what all have in common (one data source
variable, the choice of cluster, namespace and pool, links) is written once, and a query can be tested.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef, VariableRefresh
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

sys.path.insert(0, str(Path(__file__).resolve().parent))
from panels import PAGES, Page, Panel

HERE = Path(__file__).resolve().parent
_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
_WIDTH = {"number": 4, "lines": 12, "table": 12}
_HEIGHT = {"number": 4, "lines": 8, "table": 8}
_KINDS = {"number": stat.Panel, "lines": timeseries.Panel, "table": table.Panel}


def render(page: Page) -> str:
    """Return a dashboard as JSON text."""
    made = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags(["priority-spark", "airflow", "spark"])
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .link(_link())
        .link(_below_airflow("Queues in Airflow", "/plugin/spark-queues"))
    )
    for variable in _variables(page):
        made = made.with_variable(variable)
    for panel in page.panels:
        made = made.with_panel(_panel(panel))
    return (
        json.dumps(json.loads(JSONEncoder(sort_keys=True).encode(made.build())), indent=2, sort_keys=True)
        + "\n"
    )


def _link() -> dashboard.DashboardLink:
    kind = DashboardLinkType.DASHBOARDS
    return (
        dashboard.DashboardLink("Priority Spark")
        .type(kind)
        .tags(["priority-spark"])
        .keep_time(True)
        .as_dropdown(True)
    )


def _below_airflow(title: str, path: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title).type(DashboardLinkType.LINK).url("${airflow_url}" + path)


def _variables(page: Page) -> list:
    found = [dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")]
    metric = "priority_spark_queue_status"
    for name, query in (
        ("cluster", f"label_values({metric}, cluster)"),
        ("namespace", f'label_values({metric}{{cluster=~"$cluster"}}, namespace)'),
        ("pool", 'label_values(priority_spark_queued_jobs_total{namespace=~"$namespace"}, pool)'),
    ):
        found.append(
            dashboard.QueryVariable(name)
            .label(name.capitalize())
            .datasource(_SOURCE)
            .query(query)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    found.append(
        dashboard.TextBoxVariable("airflow_url").label("Airflow").default_value("http://localhost:8080")
    )
    if page.prices:
        found.append(
            dashboard.TextBoxVariable("cpu_price").label("Price of a core hour").default_value("0.04")
        )
        found.append(
            dashboard.TextBoxVariable("memory_price").label("Price of a GiB hour").default_value("0.005")
        )
    return found


def _panel(panel: Panel) -> stat.Panel | timeseries.Panel | table.Panel:
    made = (
        _KINDS[panel.kind]()
        .title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .datasource(_SOURCE)
        .span(_WIDTH[panel.kind])
        .height(_HEIGHT[panel.kind])
    )
    if panel.link:
        made = made.data_links([_below_airflow("Show in Airflow", panel.link)])
    for number, (expression, legend) in enumerate(panel.queries):
        query = (
            prometheus.Dataquery().expr(expression).legend_format(legend or "__auto").ref_id(chr(65 + number))
        )
        query = query.range() if panel.kind == "lines" else query.instant()
        made = made.with_target(query.format(PromQueryFormat.TABLE) if panel.kind == "table" else query)
    return made


def main() -> int:
    """Write every dashboard, or with ``--check`` name those that differ from what would be written."""
    stale = []
    for page in PAGES:
        path, text = HERE / f"{page.uid}.json", render(page)
        if path.is_file() and path.read_text() == text:
            continue
        stale.append(path.name)
        if "--check" not in sys.argv:
            path.write_text(text)
    print("changed: " + ", ".join(stale) if stale else "all dashboards are up to date")
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
