# SPDX-License-Identifier: Apache-2.0
"""The real official chart with our values: its own schema takes them, and they do what they are for.

Charts are named in ``TEST_AIRFLOW_CHARTS``; without it this file is not collected, and pytest's first lines
say so.
"""

from __future__ import annotations

import pytest
from helm_python.errors import HelmValuesError

from tests.deploy import rules
from tests.deploy.charts import (
    OFFICIAL,
    manifests,
    merged,
    named,
    of_kind,
    pod_template,
    rendered,
    umbrella,
    values_of,
)

IMAGE = "registry.example.org/airflow-priority-spark:3.3.2-0.1.0"
EXECUTORS = ("CeleryExecutor", "KubernetesExecutor", "LocalExecutor")
#: Containers that are Airflow's own or of our making run in our image; these need none of our code.
OTHERS = ("statsd", "redis", "postgresql")


@pytest.fixture(scope="module", params=OFFICIAL, ids=lambda path: path.name)
def chart(request):
    return request.param


@pytest.fixture(scope="module", params=EXECUTORS)
def enabled(request, chart):
    return manifests(chart, merged(values_of("enable.yaml"), {"executor": request.param}))


@pytest.fixture(scope="module")
def with_exporter(chart):
    return manifests(chart, values_of("enable.yaml", "standalone.yaml", "exporter-sidecar.yaml"))


def configuration(found):
    return named(found, "ConfigMap", "airflow-config")["data"]["airflow.cfg"]


def test_the_migration_and_every_component_of_airflow_run_in_our_image(enabled):
    assert rules.containers(named(enabled, "Job", "airflow-run-airflow-migrations"))
    for item in enabled:
        for container in rules.containers(item):
            if not any(word in container["image"] for word in OTHERS):
                assert container["image"] == IMAGE, rules.label(item)


def test_the_migration_finds_the_database(enabled):
    assert rules.without_database(named(enabled, "Job", "airflow-run-airflow-migrations")) == []


def test_the_scheduler_is_careful_and_so_is_its_arbiter(enabled):
    (scheduler,) = [
        item for item in enabled if item["metadata"]["name"] == "airflow-scheduler" and pod_template(item)
    ]
    (container,) = [one for one in rules.containers(scheduler) if one["name"] == "scheduler"]
    assert rules.careless(container) == []
    assert pod_template(scheduler)["spec"]["securityContext"]["runAsNonRoot"] is True
    assert rules.unmounted_volumes([scheduler]) == []
    assert named(enabled, "PodDisruptionBudget", "airflow-scheduler-pdb")["spec"]["minAvailable"] == 1


def test_what_is_rendered_is_valid(enabled):
    workloads = of_kind(enabled, "Deployment", "StatefulSet", "Job", "PodDisruptionBudget", "ConfigMap")
    assert rules.invalid(workloads) == []


def test_our_options_reach_the_configuration_of_every_process(enabled):
    assert "[priority_spark]\narbiter = scheduler\ndeployment_flow = priority\n" in configuration(enabled)


def test_the_exporter_finds_image_secrets_and_volumes(with_exporter):
    scheduler = named(with_exporter, "Deployment", "airflow-scheduler")
    (exporter,) = [one for one in rules.containers(scheduler) if one["name"] == "priority-spark-exporter"]
    assert exporter["image"] == IMAGE
    assert rules.unmounted_volumes([scheduler]) == []
    only = {**scheduler, "spec": {"template": {"spec": {"containers": [exporter]}}}}
    assert rules.without_database(only) == []
    secrets = {one["valueFrom"]["secretKeyRef"]["name"] for one in exporter["env"] if "valueFrom" in one}
    assert secrets <= {item["metadata"]["name"] for item in of_kind(with_exporter, "Secret")}
    assert "arbiter = standalone" in configuration(with_exporter)


def test_switched_off_no_arbiter_runs_and_tasks_go_straight_to_the_cluster(chart):
    found = manifests(chart, values_of("enable.yaml", "off.yaml"))
    assert "[priority_spark]\narbiter = off\ndeployment_flow = legacy\n" in configuration(found)


def test_names_that_our_chart_derives_are_those_that_the_official_chart_makes(with_exporter):
    made = {(item["kind"], item["metadata"]["name"]) for item in with_exporter}
    accounts = ("scheduler", "worker", "triggerer")
    assert {("ServiceAccount", f"airflow-{name}") for name in accounts} <= made
    assert {
        ("Secret", "airflow-metadata"),
        ("Secret", "airflow-fernet-key"),
        ("ConfigMap", "airflow-config"),
    } <= made


def test_as_one_umbrella_release_both_charts_fit_together(chart, tmp_path):
    found = manifests(umbrella(tmp_path, chart), {"priority-spark": {"rbac": {"namespaces": ["team-a"]}}})
    assert rules.duplicates(found) == []
    exporter = named(found, "Deployment", "airflow-priority-spark-exporter")
    assert rules.without_database(exporter) == []
    assert "arbiter = scheduler" in configuration(found)


LAYERS = [
    ("enable.yaml", *rest) for rest in ((), ("standalone.yaml", "exporter-sidecar.yaml"), ("off.yaml",))
]


@pytest.mark.parametrize("layers", LAYERS, ids="+".join)
def test_no_value_of_ours_is_one_that_the_chart_warns_of(chart, layers):
    """What 1.2x warns of is what 2.0 drops; of its own defaults it warns too."""
    assert warned_of(chart, values_of(*layers)) - warned_of(chart, {}) == set()


def test_a_value_that_the_chart_warns_of_is_found(chart):
    found = warned_of(chart, {"securityContext": {"runAsUser": 50000}}) - warned_of(chart, {})
    assert "`securityContext` has been renamed" in "".join(found)


def warned_of(chart, values):
    """Each deprecation warning of the notes, without its headline."""
    lines = rendered(chart, values)["airflow/templates/NOTES.txt"].splitlines()
    starts = [number for number, line in enumerate(lines) if "DEPRECATION WARNING" in line]
    return {lines[number + 1].strip() for number in starts}


def test_with_a_database_of_ones_own_as_2_x_demands_everything_of_ours_follows_it(chart):
    own = {"postgresql": {"enabled": False}, "data": {"metadataSecretName": "my-database"}}
    found = manifests(chart, merged(values_of("enable.yaml", "exporter-sidecar.yaml"), own))
    for item in (
        named(found, "Deployment", "airflow-scheduler"),
        named(found, "Job", "airflow-run-airflow-migrations"),
    ):
        for container in rules.containers(item):
            named_secrets = {
                one["valueFrom"]["secretKeyRef"]["name"]
                for one in container.get("env", ())
                if one["name"] == "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
            }
            assert named_secrets <= {"my-database"}, container["name"]
    names = {one["name"] for one in rules.containers(named(found, "Deployment", "airflow-scheduler"))}
    assert "priority-spark-exporter" in names


def test_a_misspelt_value_is_refused_by_the_official_charts_own_schema(chart):
    with pytest.raises(HelmValuesError, match="extraContainer"):
        manifests(chart, {"scheduler": {"extraContainer": []}})
