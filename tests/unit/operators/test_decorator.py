# SPDX-License-Identifier: Apache-2.0
"""``@task.priority_spark``: a function says what is to run, each time the task is on a worker."""

from __future__ import annotations

import json

import pytest
import yaml
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization

from airflow_priority_spark.operators.decorator import priority_spark_task
from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator
from airflow_priority_spark.spark.request import AdmissionRequest
from tests.unit.operators.tasks import admitted, deferral
from tests.unit.spark_cluster import names, spark_application, task_context


def request_of(deferred):
    return AdmissionRequest.from_json(deferred.trigger.request)


def made(function, *arguments, ref=None, **options):
    """Decorate a function, call it in a DAG and return its operator."""
    way = {"kubernetes_conn_id": ref.conn_id, "config_file": ref.config_file} if ref else {}
    with DAG("sales", schedule=None) as dag:
        priority_spark_task(function, **{"namespace": "n", **way, **options})(*arguments)
    [operator] = dag.tasks
    return operator


def executors(count, ds=None):
    app = spark_application("pi", executors=count)
    app["spec"]["arguments"] = [f"--day={ds}", "{{ not a template }}"]
    return app


def test_airflow_knows_it_by_its_name():
    assert task.priority_spark is priority_spark_task


def test_the_function_is_called_with_its_arguments_and_the_context_and_asks_for_what_it_returns():
    operator = made(executors, 3, priority="high")
    deferred = deferral(operator.execute, {**task_context(), "ds": "2026-01-01"})
    request = request_of(deferred)
    assert (request.priority, request.demand.pod_sets[1].count) == ("high", 3)
    assert operator.application_file["spec"]["arguments"] == ["--day=2026-01-01", "{{ not a template }}"]


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump])
def test_it_may_return_text(dump):
    operator = made(lambda: dump(spark_application("pi", executors=2)), task_id="t")
    assert request_of(deferral(operator.execute, task_context())).demand.pod_sets[1].count == 2


def test_another_worker_calls_the_function_again(ref, namespace, kubernetes):
    def application():
        return executors(1)

    following = deferral(
        made(application, ref=ref, namespace=namespace).resume_admitted, task_context(), admitted()
    )
    assert names(kubernetes, namespace) == [following.trigger.name]


@pytest.mark.parametrize(("returned", "shown"), [(None, "None"), ([], "[]"), (3, "3"), ({}, "{}")], ids=str)
def test_what_is_no_application_fails_at_once_and_names_the_function(returned, shown):
    def nothing():
        return returned

    with pytest.raises(AirflowFailException) as caught:
        made(nothing).execute(task_context())
    assert str(caught.value) == (
        f"the return value of nothing: {shown} is not valid; allowed: a SparkApplication as a mapping, or as "
        "YAML or JSON text"
    )


@pytest.mark.parametrize("name", ["application_file", "template_spec"])
def test_the_application_cannot_be_given_besides(name):
    with pytest.raises(TypeError, match=f"{name} is what the function of @task.priority_spark returns"):
        made(executors, 1, **{name: {"kind": "SparkApplication"}})


def test_its_manifest_is_no_template_field_so_that_airflow_keeps_no_copy_of_it():
    operator = made(executors, 1)
    assert isinstance(operator, PrioritySparkKubernetesOperator)
    assert set(operator.template_fields) == {
        *set(PrioritySparkKubernetesOperator.template_fields) - {"application_file", "template_spec"},
        "op_args",
        "op_kwargs",
    }


def test_it_may_be_mapped():
    with DAG("sales", schedule=None) as dag:
        task.priority_spark(namespace="n")(executors).expand(count=[1, 2])
    [mapped] = dag.tasks
    for count in (1, 2):
        operator = mapped.unmap({"op_kwargs": {"count": count}})
        request = request_of(deferral(operator.execute, task_context(map_index=count - 1)))
        assert request.demand.pod_sets[1].count == count


def test_its_dag_can_be_serialized():
    with DAG("sales", schedule=None) as dag:
        task.priority_spark(namespace="n", priority="high")(executors)(1)
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("executors")
    assert again.task_type == "_DecoratedPrioritySparkOperator"
    assert again.operator_name == "@task.priority_spark"
