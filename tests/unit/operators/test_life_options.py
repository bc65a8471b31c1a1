# SPDX-License-Identifier: Apache-2.0
"""Options about the life of an application, what they put on it, and the links at the task."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization

from airflow_priority_spark.operators.application import PROTECTION
from airflow_priority_spark.operators.lifecycle import read_lifecycle
from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator
from airflow_priority_spark.settings import Settings
from tests.unit.operators.tasks import deferral, submit, task
from tests.unit.spark_cluster import spark_application, task_context

SECONDS = "a timedelta or a number of seconds of at least 1; 0 for no limit"
WRONG = [
    ("queue_timeout", -1, SECONDS),
    ("submission_timeout", "soon", SECONDS),
    ("driver_scheduling_timeout", True, SECONDS),
    ("executor_readiness_timeout", float("nan"), SECONDS),
    ("run_timeout", timedelta(milliseconds=5), SECONDS),
    ("on_starvation", "panic", "warn, fail, requeue"),
    ("keep_on_failure", "yes", "True or False"),
    ("protect_driver", 1, "True or False"),
    ("driver_log_bytes", 10, "a whole number of bytes of at least 1024"),
]


@pytest.mark.parametrize(("option", "value", "allowed"), WRONG, ids=[option for option, _, _ in WRONG])
def test_a_wrong_option_fails_the_task_at_once_and_names_itself(ref, option, value, allowed):
    with pytest.raises(AirflowFailException) as caught:
        task(ref, "n", **{option: value}).execute(task_context())
    assert str(caught.value) == f"{option}: {value!r} is not valid; allowed: {allowed}"


def test_what_is_not_given_is_the_configurations_and_zero_is_no_limit(ref):
    configured = Settings(run_timeout_seconds=90.0, on_starvation="fail", queue_timeout_seconds=30.0)
    life = read_lifecycle(task(ref, "n", submission_timeout=0, queue_timeout=timedelta(hours=1)), configured)
    assert (life.limits.run, life.limits.submission, life.queue_timeout) == (90.0, 0.0, 3600)
    assert life.on_starvation == "fail"


def test_a_run_timeout_of_its_own_comes_before_the_execution_timeout(ref):
    options = {"execution_timeout": timedelta(hours=1)}
    assert read_lifecycle(task(ref, "n", **options), Settings()).limits.run == 3600.0
    assert read_lifecycle(task(ref, "n", **options, run_timeout=0), Settings()).limits.run == 0.0


def test_a_driver_is_protected_from_node_autoscalers_unless_switched_off(ref, namespace, kubernetes):
    spec = spark_application("pi")
    spec["spec"]["driver"]["annotations"] = {"karpenter.sh/do-not-disrupt": "false"}
    found = kubernetes.application(namespace, submit(task(ref, namespace, spec=spec)).name)
    annotations = found["spec"]["driver"]["annotations"]
    assert annotations == {**PROTECTION, "karpenter.sh/do-not-disrupt": "false"}, "the author's own stays"
    other = submit(task(ref, namespace, protect_driver=False), admission=2)
    driver = kubernetes.application(namespace, other.name)["spec"]["driver"]
    assert "annotations" not in driver


def link(operator, name):
    (found,) = [each for each in operator.operator_extra_links if each.name == name]
    return found.get_link(operator, ti_key=None)


def test_links_lead_to_the_configured_places_once_the_application_is_known(ref, monkeypatch):
    operator = task(ref, "n")
    assert (link(operator, "Spark UI"), link(operator, "Spark history")) == ("", "")
    deferral(operator.execute, task_context())
    assert link(operator, "Spark queue") == ""
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__QUEUE_URL", "https://q/{namespace}/{priority}")
    assert link(operator, "Spark queue") == "https://q/n/normal"
    operator.application_facts = {"namespace": "n", "name": "pi", "application_id": "spark-7"}
    assert (link(operator, "Spark UI"), link(operator, "Spark history")) == ("", "")
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__SPARK_UI_URL", "https://ui/{namespace}/{name}/{x}")
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__HISTORY_SERVER_URL", "https://h/{application_id}/jobs/")
    assert link(operator, "Spark UI") == "https://ui/n/pi/{x}"
    assert link(operator, "Spark history") == "https://h/spark-7/jobs/"


def test_links_survive_the_serialization_of_the_dag():
    with DAG("d") as dag:
        PrioritySparkKubernetesOperator(task_id="t", template_spec=spark_application("pi"))
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("t")
    assert {each.name: each.xcom_key for each in again.operator_extra_links} == {
        "Spark queue": "_link_QueueLink",
        "Spark UI": "_link_SparkUILink",
        "Spark history": "_link_SparkHistoryLink",
    }
