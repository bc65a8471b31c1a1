# SPDX-License-Identifier: Apache-2.0
"""A manifest of the wrong shape is refused by the name of the field, whatever stands there instead."""

from __future__ import annotations

import pytest

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.spark.demand import compute_demand
from airflow_priority_spark.spark.manifest import validate_manifest
from tests.unit.spark.manifests import manifest

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"sidecars": {"name": "proxy"}},
            "spec.driver.sidecars: {'name': 'proxy'} is not valid; allowed: a list",
        ),
        ({"sidecars": ["proxy"]}, "spec.driver.sidecars[0]: 'proxy' is not valid; allowed: a mapping"),
        ({"sidecars": [None]}, "spec.driver.sidecars[0]: None is not valid; allowed: a mapping"),
        (
            {"initContainers": [{"name": ["login"]}]},
            "spec.driver.initContainers[0].name: ['login'] is not valid; allowed: a string",
        ),
        (
            {"tolerations": [{"key": "spot", "value": True}]},
            "spec.driver.tolerations[0].value: True is not valid; allowed: a string",
        ),
        (
            {"template": {"spec": {"runtimeClassName": ["kata"]}}},
            "spec.driver.template.spec.runtimeClassName: ['kata'] is not valid; allowed: a string",
        ),
        ({"gpu": 2}, "spec.driver.gpu: 2 is not valid; allowed: a mapping"),
        (
            {"template": {"spec": {"containers": [{"resources": {"requests": "1Gi"}}]}}},
            "spec.driver.template.spec.containers[0].resources.requests: '1Gi' is not valid; allowed: a map",
        ),
        (
            {"affinity": {"nodeAffinity": {REQUIRED: []}}},
            f"spec.driver.affinity.nodeAffinity.{REQUIRED}: [] is not valid; allowed: a mapping",
        ),
    ],
)
def test_a_wrong_shape_is_named(fields, message):
    with pytest.raises(InvalidInput) as caught:
        validate_manifest(manifest(driver=fields))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [(2, "values: 2 is not valid; allowed: a list"), ([2], "values[0]: 2 is not valid; allowed: a string")],
)
def test_what_an_affinity_compares_with_is_a_list_of_strings(values, message):
    expression = {"key": "zone", "operator": "In", "values": values}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    with pytest.raises(InvalidInput) as caught:
        validate_manifest(manifest(driver={"affinity": {"nodeAffinity": {REQUIRED: terms}}}))
    place = f"spec.driver.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0]"
    assert str(caught.value) == f"{place}.{message}"


FIELDS = ["sidecars", "initContainers", "template", "tolerations", "gpu", "affinity", "nodeSelector"]
ODD = [
    7,
    True,
    "text",
    [1],
    ["text"],
    {"spec": "text"},
    {"spec": {"containers": "text"}},
    {"spec": {"containers": ["text"], "nodeSelector": []}},
    [None],
    [{"name": ["text"], "image": {}}],
    [{"resources": {"requests": "text"}}],
    [{"resources": {"requests": {1: "2"}}}],
    {"spec": {"runtimeClassName": [1], "tolerations": [None]}},
    {"nodeAffinity": "text"},
    {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": ["text"]}]}}},
]


@pytest.mark.parametrize("role", ["driver", "executor"])
@pytest.mark.parametrize("field", [*FIELDS, "volumeMounts", "memory", "cores", "coreRequest", "memoryLimit"])
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_nothing_odd_ends_in_anything_but_a_refusal_or_a_demand(role, field, odd):
    body = manifest(**{role: {field: odd}})
    refused = ""
    try:
        validate_manifest(body)
        compute_demand(body)
    except InvalidInput as error:
        refused = error.field
    assert refused.startswith(f"spec.{role}.{field}") or not refused
