# SPDX-License-Identifier: Apache-2.0
"""The first visit of a task to a worker: it checks the job and asks for its place in the queue."""

from __future__ import annotations

import datetime
import json
from types import SimpleNamespace

import pytest
import structlog
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.task_runner import _defer_task

from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator
from airflow_priority_spark.spark.request import AdmissionRequest, demand_from_json
from airflow_priority_spark.triggers.admission import CLASSPATH
from airflow_priority_spark.triggers.spark_application import SparkApplicationTrigger
from tests.unit.operators.tasks import deferral, task
from tests.unit.spark_cluster import names, spark_application, task_context

SECRET = "s3cr3t-p4ssw0rd"


def request_of(defer):
    return AdmissionRequest.from_json(defer.trigger.request)


def test_a_task_asks_for_its_place_before_anything_exists_in_the_cluster(ref, namespace, kubernetes):
    defer = deferral(task(ref, namespace, priority="high").execute, task_context())
    request = request_of(defer)
    assert (request.namespace, request.priority, request.flow) == (namespace, "high", "priority")
    assert request.connection == ref
    assert [pods.count for pods in request.demand.pod_sets] == [1, 1]
    assert defer.method_name == "resume_admitted"
    assert defer.timeout is None
    assert demand_from_json(defer.kwargs["demand"]) == request.demand
    assert names(kubernetes, namespace) == []


def test_while_no_arbiter_is_meant_to_run_a_task_goes_straight_to_the_cluster(
    ref, namespace, kubernetes, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "off")
    defer = deferral(task(ref, namespace).execute, task_context())
    assert isinstance(defer.trigger, SparkApplicationTrigger)
    assert names(kubernetes, namespace) == [defer.trigger.name]


def test_the_trigger_row_holds_plain_json_and_no_secret(ref, namespace):
    app = spark_application("pi", sparkConf={"spark.hadoop.fs.s3a.secret.key": SECRET}, arguments=[SECRET])
    app["spec"]["driver"]["env"] = [{"name": "PASSWORD", "value": SECRET}]
    defer = deferral(task(ref, namespace, spec=app).execute, task_context())
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", task=SimpleNamespace(queue="default"))
    message, _ = _defer_task(defer, ti, structlog.get_logger())
    # The Execution API writes the column with json.dumps (routes/task_instances.py).
    column = json.dumps(message.trigger_kwargs)
    assert message.classpath == CLASSPATH
    assert AdmissionRequest.from_json(json.loads(column)["request"]) == request_of(defer)
    assert "__classname__" not in column
    assert SECRET not in column + json.dumps(message.next_kwargs)


def test_the_log_says_the_demand_where_it_comes_from_and_where_the_task_waits(ref, namespace, listen):
    operator = task(ref, namespace, spec=spark_application("pi", memory="256m"))
    said = listen(operator)
    deferral(operator.execute, task_context(datetime.timedelta(hours=1)))
    assert (
        "Demand: 1 driver of 1 CPU and 640 MiB, 1 executor of 1 CPU and 640 MiB; together 2 pods" in said.text
    )
    assert "driver memory: 640 MiB = 256 MiB heap + 384 MiB overhead (spec.driver.memory" in said.text
    assert "Spark does not start with less than 450 MiB" in said.text
    assert "dagrun_timeout of 1:00:00: time in the queue counts" in said.text
    assert f"Waiting in the queue {namespace}/normal" in said.text


def test_the_namespace_is_the_operators_else_the_manifests_else_default(ref, listen):
    app = spark_application("pi")
    assert request_of(deferral(task(ref, None, spec=app).execute, task_context())).namespace == "default"
    app["metadata"]["namespace"] = "of-the-manifest"
    found = request_of(deferral(task(ref, None, spec=app).execute, task_context())).namespace
    assert found == "of-the-manifest"
    operator = task(ref, "mine", spec=app)
    said = listen(operator)
    assert request_of(deferral(operator.execute, task_context())).namespace == "mine"
    assert "The manifest's namespace 'of-the-manifest' is replaced by the operator's 'mine'" in said.text


def test_an_application_may_stand_in_a_file_or_in_a_string(ref, tmp_path):
    text = json.dumps(spark_application("pi", executors=4))
    (tmp_path / "app.yaml").write_text(text)
    for given in (text, str(tmp_path / "app.yaml")):
        operator = task(ref, "n", template_spec=None, application_file=given)
        assert request_of(deferral(operator.execute, task_context())).demand.pod_sets[1].count == 4


def test_container_resources_of_the_stock_operator_are_understood(ref):
    app = spark_application("pi")
    for role in ("driver", "executor"):
        app["spec"][role] = {
            "container_resources": {
                "cpu": {"request": "0.5", "limit": "1"},
                "memory": {"limit": "2800Mi"},
                "gpu": {"name": "nvidia.com/gpu", "quantity": 1},
            }
        }
    driver, executor = request_of(deferral(task(ref, "n", spec=app).execute, task_context())).demand.pod_sets
    # 2000 MiB of heap and Spark's overhead of at least 384 MiB
    assert driver.requests.as_dict() == {"cpu": 500, "memory": 2384 * 2**20, "nvidia.com/gpu": 1}
    assert executor.limits["cpu"] == 1000


def test_the_kubernetes_section_of_the_stock_operator_reaches_connection_and_pods(ref):
    section = {
        "kube_config_file": "/kube/config",
        "cluster_context": "blue",
        "in_cluster": False,
        "node_selector": {"zone": "a"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "env_vars": {"A": "b"},
        "image_pull_secrets": "registry",
    }
    operator = PrioritySparkKubernetesOperator(
        task_id="t", template_spec={"spark": spark_application("pi"), "kubernetes": section}
    )
    request = request_of(deferral(operator.execute, task_context()))
    assert (request.connection.config_file, request.connection.cluster_context) == ("/kube/config", "blue")
    assert request.connection.in_cluster is False
    assert [pods.node_selector for pods in request.demand.pod_sets] == [(("zone", "a"),)] * 2
    assert request.demand.pod_sets[0].tolerations[0].key == "spot"


def broken(**changes):
    app = spark_application("pi")
    app["spec"].update(changes)
    return {"spec": app}


WRONG = [
    (broken(driver={"memory": "4Gi"}), "spec.driver.memory: '4Gi' is not valid; allowed: a whole number"),
    (broken(driver={"memroy": "4g"}), "spec.driver.memroy: '4g' is not valid"),
    (
        broken(executor={"cores": 0}),
        "spec.executor.cores: 0 is not valid; allowed: a whole number of at least 1",
    ),
    (broken(mainApplicationFile=""), "spec.mainApplicationFile: '' is not valid; allowed: a string"),
    ({"deployment_flow": "fast"}, "deployment_flow: 'fast' is not valid; allowed: priority, observe, legacy"),
    ({"on_unclaimed": "cry"}, "on_unclaimed: 'cry' is not valid; allowed: wait, fail, legacy"),
    (
        {"dynamic_allocation_reserve": "all"},
        "dynamic_allocation_reserve: 'all' is not valid; allowed: initial",
    ),
    (
        {"unclaimed_seconds": 0},
        "unclaimed_seconds: 0 is not valid; allowed: a number of seconds of at least 1",
    ),
    ({"priority": " "}, "priority: ' ' is not valid; allowed: the name of a priority pool"),
    ({"priority": "x" * 2001}, "priority: 'xxx"),
    (
        {"template_spec": None},
        "application_file: None is not valid; allowed: application_file or template_spec",
    ),
    (
        {"template_spec": None, "application_file": "no such file"},
        "application_file: 'no such file' is not valid; allowed: a path to, or the text of, a YAML",
    ),
    (
        broken(driver={"container_resources": {"memory": {"limit": "much"}}}),
        "spec.driver.container_resources.memory.limit: 'much' is not valid; allowed: a number of Mi",
    ),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[message.split(":")[0] for _, message in WRONG])
def test_bad_input_fails_the_task_at_once_and_names_field_value_and_what_is_allowed(ref, options, message):
    with pytest.raises(AirflowFailException) as caught:
        task(ref, "n", **options).execute(task_context())
    assert str(caught.value).startswith(message)


XCOM_SIDECAR = [{"name": "airflow-xcom-sidecar", "image": "alpine"}]


@pytest.mark.parametrize(
    ("driver", "field"),
    [
        ({"sidecars": XCOM_SIDECAR}, "spec.driver.sidecars"),
        ({"template": {"spec": {"containers": XCOM_SIDECAR}}}, "spec.driver.template.spec.containers"),
    ],
)
def test_a_sidecar_for_a_drivers_result_is_refused_because_nothing_would_read_it(ref, driver, field):
    options = broken(driver=driver)
    with pytest.raises(AirflowFailException) as caught:
        task(ref, "n", do_xcom_push=True, **options).execute(task_context())
    assert str(caught.value).startswith(
        f"{field}: 'airflow-xcom-sidecar' is not valid; allowed: no container"
    )
    without = deferral(task(ref, "n", **options).execute, task_context())
    assert without.method_name == "resume_admitted"


def test_priority_and_flow_are_templated_besides_what_the_stock_operator_templates():
    assert PrioritySparkKubernetesOperator.template_fields == [
        "application_file",
        "namespace",
        "template_spec",
        "kubernetes_conn_id",
        "priority",
        "deployment_flow",
    ]
