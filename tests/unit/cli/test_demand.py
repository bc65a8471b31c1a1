# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark demand``: a file in, numbers and reasons out; no database is opened."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml

from airflow_priority_spark.spark.memory import GIB, MIB
from tests.unit.cli.conftest import Typed
from tests.unit.spark.manifests import jvm, manifest, volume

FULL = jvm(
    sparkVersion="4.0.1",
    driver={"coreRequest": "500m"},
    executor={
        "instances": 2,
        "memory": "4g",
        "gpu": {"name": "nvidia.com/gpu", "quantity": 1},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
    },
    sparkConf=volume(claimName="OnDemand", storageClass="gp3", sizeLimit="10Gi"),
)


@pytest.fixture
def airflow(capsys):
    return Typed(capsys)


@pytest.fixture
def file(tmp_path):
    def write(body):
        path = tmp_path / "app.yaml"
        path.write_text(body if isinstance(body, str) else yaml.safe_dump(body))
        return str(path)

    return write


def test_programs_get_numbers_in_base_units_under_the_documented_keys(airflow, file):
    found = airflow.json("demand", file(FULL))
    assert set(found) == {"driver", "executor", "total", "explain", "warnings"}
    assert found["driver"] == {
        "count": 1,
        "cpu_millis": 500,
        "memory_bytes": (1024 + 384) * MIB,
        "resources": {},
    }
    storage = {
        "gp3.storageclass.storage.k8s.io/persistentvolumeclaims": 1,
        "gp3.storageclass.storage.k8s.io/requests.storage": 10 * GIB,
        "persistentvolumeclaims": 1,
        "requests.storage": 10 * GIB,
    }
    assert found["executor"] == {
        "count": 2,
        "cpu_millis": 1000,
        "memory_bytes": (4096 + 409) * MIB,
        "resources": {"nvidia.com/gpu": 1, **storage},
    }
    assert found["total"] == {
        "pods": 3,
        "cpu_millis": 2500,
        "memory_bytes": (1024 + 384 + 2 * (4096 + 409)) * MIB,
        "resources": {"nvidia.com/gpu": 2, **{key: amount * 2 for key, amount in storage.items()}},
    }
    assert found["warnings"] == []
    assert "driver cpu: 0.5 CPU (spec.driver.coreRequest)" in found["explain"]
    assert "executors: 2 (spec.executor.instances)" in found["explain"]
    assert "executor nvidia.com/gpu: 1 (spec.executor.gpu)" in found["explain"]
    assert "executor node selector: disk=ssd (spec.executor.nodeSelector)" in found["explain"]


def test_yaml_says_the_same_as_json(airflow, file):
    path = file(FULL)
    assert yaml.safe_load(airflow("demand", path, "-o", "yaml")) == airflow.json("demand", path)


def test_people_get_units_constraints_and_reasons(airflow, file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    said = airflow("demand", file(FULL), "-o", "table")
    assert "one executor" in said
    assert "4.4 GiB" in said
    assert "1 nvidia.com/gpu" in said
    assert "disk=ssd, tolerates spot NoSchedule" in said
    assert "driver cpu: 0.5 CPU (spec.driver.coreRequest)" in said


def test_a_manifest_may_come_from_standard_input(airflow, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(manifest(executor={"instances": 4}))))
    assert airflow.json("demand", "-")["executor"]["count"] == 4


def test_the_stock_operators_sections_are_understood(airflow, file):
    body = {"spark": jvm(), "kubernetes": {"node_selector": {"zone": "a"}}}
    assert (
        "driver node selector: zone=a (spec.driver.nodeSelector)"
        in (airflow.json("demand", file(body))["explain"])
    )


def test_another_spark_version_has_other_rules(airflow, file):
    path = file(jvm(sparkVersion="3.5.1", sparkConf={"spark.driver.minMemoryOverhead": "1g"}))
    assert airflow.json("demand", path)["driver"]["memory_bytes"] == 1408 * MIB
    assert airflow.json("demand", path)["warnings"] != []
    newer = airflow.json("demand", path, "--spark-version", "4.0.1")
    assert newer["driver"]["memory_bytes"] == 2 * GIB


def test_the_example_of_the_documentation_is_what_is_printed(airflow, file):
    page = (Path(__file__).parents[3] / "docs" / "demand.md").read_text()
    body, printed = (page.split(f"```{kind}\n")[1].split("```")[0] for kind in ("yaml", "json"))
    assert airflow.json("demand", file(body)) == json.loads(printed)


@pytest.mark.parametrize(("reserve", "count"), [("initial", 3), ("min", 1), ("max", 9)])
def test_the_reserve_decides_the_executors_of_dynamic_allocation(airflow, file, reserve, count):
    allocation = {"enabled": True, "initialExecutors": 3, "minExecutors": 1, "maxExecutors": 9}
    found = airflow.json("demand", file(jvm(dynamicAllocation=allocation)), "--reserve", reserve)
    assert found["executor"]["count"] == count
    assert bool(found["warnings"]) == (reserve != "max")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (manifest(driver={"memory": "4Gi"}), "priority-spark: spec.driver.memory: '4Gi' is not valid"),
        (manifest(driver={"memroy": "4g"}), "did you mean 'memory'?"),
        ("spark: [", "FILE: "),
        ("just text", "manifest: 'just text' is not valid; allowed: a mapping"),
        ("a: 1\n---\nb: 2\n", "allowed: one manifest; it holds 2"),
        ("", "allowed: one manifest; it holds 0"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(airflow, file, body, message):
    said = airflow.refused("demand", file(body))
    assert message in said
    assert "\n" not in said


def test_a_file_that_is_not_there_is_named(airflow, tmp_path):
    said = airflow.refused("demand", str(tmp_path / "no.yaml"))
    assert f"FILE: '{tmp_path}/no.yaml' is not valid; allowed: a file that can be read, or -" in said


def test_a_version_that_is_none_is_refused(airflow, file):
    said = airflow.refused("demand", file(jvm()), "--spark-version", "latest")
    assert said == (
        "priority-spark: --spark-version: 'latest' is not valid; allowed: a version such as 3.5 or 4.0.1"
    )
