# SPDX-License-Identifier: Apache-2.0
"""Values files for the official chart, held against what is known of it; see also test_official_chart.py."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from airflow_priority_spark import settings
from tests.deploy import rules
from tests.deploy.charts import VALUES, extra_objects_chart, manifests, merged, named, of_kind, values_of
from tests.deploy.rights import granted, needed_by_workers

SCHEMA = json.loads((Path(__file__).parent / "official_chart.json").read_text())
FILES = ("enable.yaml", "standalone.yaml", "exporter-sidecar.yaml", "off.yaml", "extra-objects.yaml")
LAYERS = [
    ("enable.yaml", *rest) for rest in ((), ("standalone.yaml",), ("exporter-sidecar.yaml",), ("off.yaml",))
]


class Configured(dict):
    """Answers like Airflow's configuration."""

    def get(self, section, key, *, fallback=None):
        return super().get(section, {}).get(key, fallback)


def test_every_values_file_is_looked_at():
    assert {path.name for path in VALUES.glob("*.yaml")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_sets_only_what_the_official_chart_knows(name):
    jsonschema.validate(values_of(name), SCHEMA)


def test_a_value_that_the_official_chart_does_not_know_is_found():
    with pytest.raises(jsonschema.ValidationError, match="extraContainer"):
        jsonschema.validate({"scheduler": {"extraContainer": []}}, SCHEMA)


@pytest.mark.parametrize("layers", LAYERS, ids="+".join)
def test_the_configuration_is_one_that_the_package_takes(layers):
    chosen = values_of(*layers)["config"]["priority_spark"]
    read = settings.load(Configured(priority_spark=chosen))
    assert read.arbiter == str(chosen["arbiter"])
    known = set(settings.Settings.__dataclass_fields__)
    assert set(chosen) <= known, "Airflow takes unknown options silently"


def test_off_is_the_word_and_not_the_boolean_that_yaml_makes_of_it():
    assert values_of("off.yaml")["config"]["priority_spark"] == {
        "arbiter": "off",
        "deployment_flow": "legacy",
    }


@pytest.mark.parametrize("layers", LAYERS, ids="+".join)
def test_the_migration_runs_in_our_image(layers):
    images = values_of(*layers)["images"]
    assert images["useDefaultImageForMigration"] is False
    assert images["airflow"]["repository"].endswith("/airflow-priority-spark")
    assert images["airflow"]["tag"].startswith(values_of(*layers)["airflowVersion"])


def test_the_exporter_beside_the_scheduler_is_careful():
    (container,) = values_of("enable.yaml", "exporter-sidecar.yaml")["scheduler"]["extraContainers"]
    assert rules.careless(container) == []


def test_the_scheduler_may_write_where_it_must_with_a_read_only_root():
    scheduler = values_of("enable.yaml")["scheduler"]
    assert scheduler["securityContexts"]["container"]["readOnlyRootFilesystem"] is True
    assert [mount["mountPath"] for mount in scheduler["extraVolumeMounts"]] == ["/tmp"]
    assert {volume["name"] for volume in scheduler["extraVolumes"]} == {"tmp"}


def test_the_umbrella_chart_enables_what_the_values_file_enables():
    umbrella = yaml.safe_load((VALUES / "umbrella" / "values.yaml").read_text())
    assert umbrella["airflow"] == values_of("enable.yaml")
    images = umbrella["airflow"]["images"]["airflow"]
    assert merged(images, umbrella["priority-spark"]["image"]) == images


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate_extra_objects", VALUES / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_extra_objects_are_those_that_the_generator_writes(generator):
    assert generator.EXAMPLE.read_text() == generator.extra_objects(generator.EXAMPLE_VALUES)


def test_as_extra_objects_the_chart_makes_the_same_as_by_itself(tmp_path):
    found = manifests(extra_objects_chart(tmp_path), values_of("extra-objects.yaml"))
    assert rules.invalid(found) == rules.duplicates(found) == rules.careless_pods(found) == []
    assert rules.without_database(named(found, "Deployment", "airflow-priority-spark-exporter")) == []
    assert set(granted(found, "airflow-worker")) == needed_by_workers(["team-a", "team-b"])
    assert of_kind(found, "ServiceMonitor")
