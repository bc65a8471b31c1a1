# SPDX-License-Identifier: Apache-2.0
"""Charts, rendered as Helm renders them: by its own SDK, without a helm binary and without a cluster."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml
from helm_python import Chart

ROOT = Path(__file__).resolve().parents[2]
VALUES = ROOT / "helm-values"
OURS = VALUES / "priority-spark"
RELEASE, NAMESPACE = "airflow", "airflow-system"
#: Directories or archives of the official chart, separated by colons; see CONTRIBUTING.md.
OFFICIAL = [Path(item) for item in os.environ.get("TEST_AIRFLOW_CHARTS", "").split(":") if item]

#: All that the chart priority-spark can make.
EVERYTHING = {
    "rbac": {"namespaces": ["team-a", "team-b"], "dryRun": True, "placeholders": True, "podOperator": True},
    "arbiter": {"enabled": True, "metricsPort": 8001},
    "exporter": {"tlsSecret": "exporter-tls", "usersSecret": "exporter-users", "scrapeAnnotations": True},
    "serviceMonitor": {"enabled": True, "basicAuthSecret": "scraper"},
    "podMonitor": {"enabled": True},
    "placeholderPriorityClass": {"create": True},
    "rules": {"enabled": True},
    "env": [{"name": "AIRFLOW_CONN_KUBERNETES_DEFAULT", "value": '{"conn_type": "kubernetes"}'}],
}


def merged(*layers: Mapping) -> dict:
    """Return later layers over earlier ones, as Helm lays values files over each other."""
    result: dict = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merged(result[key], value) if both else value
    return result


def values_of(*names: str) -> dict:
    return merged(*(yaml.safe_load((VALUES / name).read_text()) for name in names))


def rendered(chart: Path, values: Mapping | None = None) -> dict[str, str]:
    """Render a chart: template → text.

    :raises HelmValuesError: when values do not fit its schema.
    """
    with Chart.load(chart) as loaded:
        return loaded.render(dict(values or {}), name=RELEASE, namespace=NAMESPACE)


def manifests(chart: Path, values: Mapping | None = None) -> list[dict]:
    """Render a chart and read what comes out.

    :raises HelmValuesError: when values do not fit its schema.
    """
    texts = [text for path, text in sorted(rendered(chart, values).items()) if not path.endswith(".txt")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def of_kind(found: list[dict], *kinds: str) -> list[dict]:
    return [item for item in found if item["kind"] in kinds]


def named(found: list[dict], kind: str, name: str) -> dict:
    return next(item for item in found if item["kind"] == kind and item["metadata"]["name"] == name)


def pod_template(item: dict) -> dict | None:
    """Return the pods that a workload makes, ``None`` of what makes none."""
    if item["kind"] == "CronJob":
        item = item["spec"]["jobTemplate"]
    return item.get("spec", {}).get("template") if isinstance(item.get("spec"), dict) else None


def umbrella(directory: Path, airflow: Path) -> Path:
    """Put the umbrella chart together, as ``helm dependency build`` does."""
    place = directory / "umbrella"
    shutil.copytree(VALUES / "umbrella", place)
    shutil.copytree(OURS, place / "charts" / "priority-spark")
    if airflow.is_dir():
        shutil.copytree(airflow, place / "charts" / "airflow")
    else:
        shutil.copy(airflow, place / "charts")
    return place


def extra_objects_chart(directory: Path) -> Path:
    """Make a chart that has of the one proposed for 2.x only ``extraObjects``: each through ``tpl``."""
    place = directory / "extra-objects"
    (place / "templates").mkdir(parents=True)
    (place / "Chart.yaml").write_text("apiVersion: v2\nname: airflow\nversion: 2.0.0\n")
    (place / "templates" / "extra.yaml").write_text(
        "{{- range .Values.extraObjects }}\n---\n"
        '{{ tpl (typeIs "string" . | ternary . (toYaml .)) $ }}\n{{- end }}\n'
    )
    return place
