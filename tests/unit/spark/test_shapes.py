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
    [{"resources": {"requests": "text"}}],
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
