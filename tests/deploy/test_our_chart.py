# SPDX-License-Identifier: Apache-2.0
"""The chart priority-spark: whatever is switched on, what comes out is valid, careful and fits together."""

from __future__ import annotations

import itertools
import json

import pytest
import yaml
from helm_python import lint
from helm_python.errors import HelmValuesError

import airflow_priority_spark
from tests.deploy import rules
from tests.deploy.charts import (
    EVERYTHING,
    OURS,
    ROOT,
    VALUES,
    manifests,
    merged,
    named,
    of_kind,
    pod_template,
)

EXPORTER, ARBITER = "airflow-priority-spark-exporter", "airflow-priority-spark-arbiter"
VARIANTS = {
    "as it comes": {},
    "rights only": {"exporter": {"enabled": False}, "dashboards": {"enabled": False}},
    "arbiter of its own": {"arbiter": {"enabled": True}},
    "service monitor": {"serviceMonitor": {"enabled": True}},
    "pod monitor": {"podMonitor": {"enabled": True}},
    "everything": EVERYTHING,
}


@pytest.fixture(scope="module", params=VARIANTS, ids=str)
def found(request):
    return manifests(OURS, VARIANTS[request.param])


@pytest.fixture(scope="module")
def everything():
    return manifests(OURS, EVERYTHING)


def test_the_oldest_and_the_newest_kubernetes_would_take_every_manifest(found):
    assert rules.invalid(found) == []
    assert rules.duplicates(found) == []


def test_every_pod_is_careful_and_finds_its_database(found):
    assert rules.careless_pods(found) == []
    assert rules.unmounted_volumes(found) == []
    for item in of_kind(found, "Deployment"):
        assert rules.without_database(item) == []
        for container in rules.containers(item):
            assert container["image"] == "registry.example.org/airflow-priority-spark:3.3.2-0.1.0"


def test_selectors_of_services_budgets_policies_and_monitors_meet_exactly_one_kind_of_pod(everything):
    pods = {
        item["metadata"]["name"]: pod_template(item)["metadata"]["labels"]
        for item in of_kind(everything, "Deployment")
    }
    kinds = ("Service", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor")
    for item in of_kind(everything, *kinds):
        spec = item["spec"]
        selector = spec["podSelector"] if "podSelector" in spec else spec["selector"]
        wanted = (selector.get("matchLabels") or selector).items()
        met = [name for name, labels in pods.items() if wanted <= labels.items()]
        assert met == [item["metadata"]["name"]], rules.label(item)


def test_the_service_monitor_meets_the_service(everything):
    wanted = named(everything, "ServiceMonitor", EXPORTER)["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= named(everything, "Service", EXPORTER)["metadata"]["labels"].items()


def test_monitors_keep_the_namespace_of_the_queue_and_use_what_the_exporter_asks_for(everything):
    endpoints = [
        *named(everything, "ServiceMonitor", EXPORTER)["spec"]["endpoints"],
        *named(everything, "PodMonitor", EXPORTER)["spec"]["podMetricsEndpoints"],
    ]
    for endpoint in endpoints:
        assert endpoint["honorLabels"] is True
        assert (endpoint["port"], endpoint["path"], endpoint["scheme"]) == ("metrics", "/metrics", "https")
    assert endpoints[0]["basicAuth"]["username"] == {"name": "scraper", "key": "username"}


def test_commands_and_options_are_those_of_the_command_line(everything):
    from airflow_priority_spark.cli.definition import COMMANDS
    from airflow_priority_spark.settings import Settings

    commands = {command.name: command for command in COMMANDS}
    for name, verb in ((EXPORTER, "exporter"), (ARBITER, "arbiter")):
        (container,) = rules.containers(named(everything, "Deployment", name))
        assert container["args"][:3] == ["airflow", "priority-spark", verb]
        flags = {flag for argument in commands[verb].args for flag in argument.flags}
        assert {word for word in container["args"] if word.startswith("-")} <= flags
        options = [one["name"].removeprefix("AIRFLOW__PRIORITY_SPARK__").lower() for one in container["env"]]
        for option in options:
            assert (
                option.startswith("airflow")
                or option in Settings.__dataclass_fields__
                or option.startswith("python")
            )
    assert "check" in commands


def test_the_exporter_has_no_token_and_the_arbiter_has(everything):
    exporter = pod_template(named(everything, "Deployment", EXPORTER))["spec"]
    assert exporter["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in exporter
    assert (
        pod_template(named(everything, "Deployment", ARBITER))["spec"]["automountServiceAccountToken"] is True
    )


def test_nobody_reaches_an_arbiter_without_a_metrics_port():
    found = manifests(OURS, {"arbiter": {"enabled": True}})
    assert named(found, "NetworkPolicy", ARBITER)["spec"]["ingress"] == []


def test_named_scrapers_alone_reach_the_metrics():
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    found = manifests(OURS, {"networkPolicy": {"scrapers": [peer]}})
    (rule,) = named(found, "NetworkPolicy", EXPORTER)["spec"]["ingress"]
    assert rule["from"] == [peer]


def test_a_placeholder_class_has_a_value_with_which_placeholders_work(everything):
    from airflow_priority_spark.cluster.placeholders import HIGHEST_PRIORITY, LOWEST_PRIORITY

    (made,) = of_kind(everything, "PriorityClass")
    assert LOWEST_PRIORITY <= made["value"] <= HIGHEST_PRIORITY
    with pytest.raises(HelmValuesError, match="maximum"):
        manifests(OURS, {"placeholderPriorityClass": {"create": True, "value": 0}})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"arbitr": {"enabled": True}}, "'arbitr' not allowed"),
        ({"exporter": {"port": "http"}}, "/exporter/port"),
        ({"rbac": {"namespaces": ["Team_A"]}}, "/rbac/namespaces/0"),
        ({"arbiter": {"replicas": 0}}, "/arbiter/replicas"),
    ],
)
def test_a_mistake_in_values_stops_the_installation_and_is_named(values, said):
    with pytest.raises(HelmValuesError, match=said):
        manifests(OURS, values)


def test_the_schema_knows_every_default_value_and_only_those():
    def paths(schema, prefix=""):
        for key, part in (schema.get("properties") or {}).items():
            yield prefix + key
            yield from paths(part, f"{prefix}{key}.")

    def keys(values, prefix=""):
        for key, value in values.items():
            yield prefix + key
            if isinstance(value, dict):
                yield from keys(value, f"{prefix}{key}.")

    schema = yaml.safe_load((OURS / "values.schema.json").read_text())
    defaults = yaml.safe_load((OURS / "values.yaml").read_text())
    known = set(paths(schema)) - {"global"}
    free = tuple(f"{path}." for path in keys(defaults) if path.endswith(("resources", "labels")))
    assert {path for path in keys(defaults) if not path.startswith(free)} == known


def test_charts_and_package_have_one_version():
    version = airflow_priority_spark.__version__
    ours = yaml.safe_load((OURS / "Chart.yaml").read_text())
    both = yaml.safe_load((VALUES / "umbrella" / "Chart.yaml").read_text())
    assert {ours["version"], ours["appVersion"], both["version"], both["appVersion"]} == {version}
    assert [item["version"] for item in both["dependencies"] if item["name"] == ours["name"]] == [version]
    tags = [
        yaml.safe_load((OURS / "values.yaml").read_text())["image"]["tag"],
        yaml.safe_load((VALUES / "enable.yaml").read_text())["images"]["airflow"]["tag"],
    ]
    assert {tag.rpartition("-")[2] for tag in tags} == {version}


def test_every_dashboard_is_a_config_map_that_grafanas_sidecar_finds(everything):
    boards = {path.name: path.read_text() for path in (ROOT / "dashboards").glob("*.json")}
    maps = of_kind(everything, "ConfigMap")
    assert {name: text for item in maps for name, text in item["data"].items()} == boards
    assert boards
    for item in maps:
        assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert len(json.dumps(item)) < 1024 * 1024, "what a config map may hold"


def test_the_rules_are_all_groups_of_the_rule_files(everything):
    files = sorted((ROOT / "dashboards" / "rules").glob("*.yaml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    (made,) = of_kind(everything, "PrometheusRule")
    assert made["spec"]["groups"] == groups
    assert groups


def test_helm_lint_finds_nothing_to_mend():
    report = lint(OURS, merged(EVERYTHING, {"arbiter": {"replicas": 3}}), strict=True)
    said = [message for message in report["messages"] if message["severity"] > 1]
    assert list(itertools.chain(said, report["errors"])) == []
