# SPDX-License-Identifier: Apache-2.0
"""One DAG per behaviour; each bound for a namespace of its own, so that no test waits for another."""

from __future__ import annotations

import datetime
from pathlib import Path

from airflow.sdk import DAG
from applications import application
from kubernetes.client import models as k8s

from airflow_priority_spark.operators.pod import PriorityKubernetesPodOperator
from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

LONG = "600s"
RETRY = {"retries": 1, "retry_delay": datetime.timedelta(seconds=0)}


def spark_dag(dag_id, namespace, spec, *, tasks=("spark",), **options):
    """Build a DAG whose tasks all run ``spec``."""
    with DAG(dag_id, schedule=None, max_active_tasks=1000) as dag:
        for task_id in tasks:
            PrioritySparkKubernetesOperator(
                task_id=task_id, namespace=namespace, template_spec={"spark": spec}, **options
            )
    return dag


succeeds = spark_dag("succeeds", "way", application("5s"))
fails = spark_dag("fails", "way", application("1s", exit_code="3"))
impossible = spark_dag("impossible", "small", application(executors=50), **RETRY)
unknown_priority = spark_dag("unknown_priority", "way", application(), priority="urgentest")
unknown_namespace = spark_dag("unknown_namespace", "nowhere", application())
bad_memory = spark_dag("bad_memory", "way", application(driver_memory="4Gi"))
real = spark_dag("real", "way", application(None, main=f"local://{Path(__file__).parent}/real_job.py"))

fail_queued = spark_dag("fail_queued", "fail-queued", application())
fail_running = spark_dag("fail_running", "fail-running", application(LONG))
clear_queued = spark_dag("clear_queued", "clear-queued", application())
clear_running = spark_dag(
    "clear_running",
    "clear-running",
    application("{{ '600s' if ti.try_number == 1 else '1s' }}"),
)
retried = spark_dag(
    "retried", "way", application("1s", exit_code="{{ 1 if ti.try_number == 1 else 0 }}"), **RETRY
)
pausing = spark_dag("pausing", "pausing", application())


def pod_dag(dag_id, namespace, **options):
    """Build a DAG of one pod of one CPU, which uses its namespace's quota up."""
    with DAG(dag_id, schedule=None) as dag:
        PriorityKubernetesPodOperator(
            task_id="spark",
            namespace=namespace,
            image="busybox",
            container_resources=k8s.V1ResourceRequirements(requests={"cpu": "1", "memory": "64Mi"}),
            deferrable=True,
            # The test ends the container, not the embedded kubelet, which would keep its log open.
            get_logs=False,
            **options,
        )
    return dag


pod_ends = pod_dag("pod_ends", "pod-ends")
pod_failed = pod_dag("pod_failed", "pod-failed")
pod_cleared = pod_dag("pod_cleared", "pod-cleared")

with DAG("order", schedule=None, max_active_tasks=1000) as order:
    for pool, count in (("high", 5), ("normal", 2)):
        for number in range(count):
            PrioritySparkKubernetesOperator(
                task_id=f"{pool}_{number}",
                namespace="order",
                priority=pool,
                template_spec={"spark": application("0s")},
            )

with DAG("crowd", schedule=None, max_active_tasks=1000) as crowd:
    PrioritySparkKubernetesOperator.partial(task_id="spark", namespace="crowd").expand(
        template_spec=[{"spark": application(f"{number % 3}s")} for number in range(200)]
    )

SIX = [f"spark_{number}" for number in range(6)]
arbiter_dies = spark_dag("arbiter_dies", "arbiter-dies", application("3s"), tasks=SIX)
scheduler_dies = spark_dag("scheduler_dies", "scheduler-dies", application("3s"), tasks=SIX)
triggerer_dies = spark_dag("triggerer_dies", "triggerer-dies", application("3s"), tasks=SIX)
given_back = spark_dag("given_back", "given-back", application("1s"), tasks=SIX[:3])
