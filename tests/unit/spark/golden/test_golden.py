# SPDX-License-Identifier: Apache-2.0
"""Every golden case: each number of the demand, and nothing beside them."""

from __future__ import annotations

import pytest

from airflow_priority_spark.scheduling.resources import CPU, MEMORY
from airflow_priority_spark.spark.demand import compute_demand, demand_document
from airflow_priority_spark.spark.manifest import validate_manifest
from airflow_priority_spark.spark.memory import MIB
from tests.unit.spark.golden import compute, memory, pods
from tests.unit.spark.golden.case import KUBERNETES, OPERATOR, SPARK

CASES = [*memory.CASES, *compute.CASES, *pods.CASES]
_UPSTREAM = (SPARK, OPERATOR, KUBERNETES, "https://github.com/apache/spark/")
every_case = pytest.mark.parametrize("case", CASES, ids=[case.sentence for case in CASES])


def is_storage(key):
    return "storage" in key.split("/")[-1] or key.endswith("persistentvolumeclaims")


@every_case
def test_the_demand_is(case):
    validate_manifest(case.body)
    demand = compute_demand(case.body, **case.options).demand
    driver, executor = demand.pod_sets
    assert driver.requests.as_dict() == expected(case.driver, case.driver_other)
    assert executor.requests.as_dict() == expected(case.executor, case.executor_other)
    assert (driver.count, executor.count) == (1, case.count)
    assert {key: amount for key, amount in demand.objects.items() if is_storage(key)} == case.storage


def expected(size, other):
    millis, mebibytes = size
    return {CPU: millis, MEMORY: mebibytes * MIB, **other}


@every_case
def test_the_document_adds_up_and_says_why(case):
    document = demand_document(compute_demand(case.body, **case.options))
    assert list(document) == ["driver", "executor", "total", "explain", "warnings"]
    driver, executor, total = document["driver"], document["executor"], document["total"]
    assert total["pods"] == 1 + executor["count"]
    for key in ("cpu_millis", "memory_bytes"):
        assert total[key] == driver[key] + executor[key] * executor["count"]
    others = {**driver["resources"], **(executor["resources"] if executor["count"] else {})}
    for key in others:
        part = executor["resources"].get(key, 0) * executor["count"]
        assert total["resources"][key] == driver["resources"].get(key, 0) + part
    assert set(total["resources"]) == set(others)
    for role, other in (("driver", case.driver_other), ("executor", case.executor_other)):
        for what in ("cpu", "memory", *other):
            assert any(line.startswith(f"{role} {what}: ") for line in document["explain"])


def test_every_case_is_a_sentence_of_its_own_and_names_its_source():
    assert len({case.sentence for case in CASES}) == len(CASES) >= 60
    assert [case.sentence for case in CASES if not case.source.startswith(_UPSTREAM)] == []
