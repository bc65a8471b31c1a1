# SPDX-License-Identifier: Apache-2.0
"""Airflow starts tasks of a higher priority pool first."""

from types import SimpleNamespace

import pytest

from airflow_priority_spark.plugin import weights
from airflow_priority_spark.plugin.weights import PriorityPoolWeight, weight_of

POOLS = {"high": 90, "normal": 10, "very.high": 200}


def task(**fields):
    return SimpleNamespace(**{"pool": "default_pool", "priority_weight": 7, **fields})


@pytest.mark.parametrize(
    ("fields", "weight"),
    [
        ({"pool": "spark.prod.team-a.high"}, 90),
        ({"pool": "spark.prod.eu.team-a.very.high"}, 200),
        ({"pool": "spark.prod.team-a.high", "priority": "normal"}, 90),
        ({"pool": "spark.prod.team-a.unknown"}, None),
        ({"pool": "sparkling.high"}, None),
        ({"priority": "high"}, 90),
        ({"priority": None}, 10),
        ({"priority": "{{ params.priority }}"}, None),
        ({}, None),
    ],
)
def test_the_pool_decides_else_the_priority_else_nothing(fields, weight):
    assert weight_of(POOLS, "normal", task(**fields)) == weight


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__PRIORITY_POOLS", "urgent:70,high:20,normal:10")
    weights._weights.cache_clear()
    yield
    weights._weights.cache_clear()


@pytest.mark.parametrize(("fields", "weight"), [({"priority": "urgent"}, 70), ({}, 7)])
def test_a_task_gets_the_weight_of_its_pool_or_keeps_its_own(fresh, fields, weight):
    assert PriorityPoolWeight().get_weight(SimpleNamespace(task=task(**fields))) == weight


def test_airflow_knows_the_strategy_by_its_name():
    from airflow.plugins_manager import get_priority_weight_strategy_plugins

    name = "airflow_priority_spark.plugin.weights.PriorityPoolWeight"
    assert get_priority_weight_strategy_plugins()[name] is PriorityPoolWeight


def test_a_dag_that_names_it_is_serialized_and_its_task_instances_have_the_weight(session, database):
    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk import DAG
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import DagSerialization

    from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

    with DAG("weighted", schedule=None) as dag:
        for task_id, options in {
            "by_pool": {"pool": "spark.prod.team-a.high"},
            "by_priority": {"priority": "high"},
            "by_default": {},
        }.items():
            PrioritySparkKubernetesOperator(
                task_id=task_id,
                template_spec={"spark": {}},
                weight_rule="airflow_priority_spark.plugin.weights.PriorityPoolWeight",
                **options,
            )
    read: SerializedDAG = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    found = {}
    for each in read.tasks:
        ti = TaskInstance(task=each, run_id="run", dag_version_id=None)
        found[each.task_id] = ti.priority_weight
    assert found == {"by_pool": 90, "by_priority": 90, "by_default": 10}
