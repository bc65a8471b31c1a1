# SPDX-License-Identifier: Apache-2.0
"""The stock provider's first example in our words: a daily DAG with its application in a file beside it.

Source: ``example_spark_kubernetes.py`` of the provider's system tests: the operator's XCom names the
application, and a sensor looks how that one ended. (The stock operator itself hangs there: it waits for a
sidecar that nobody injects.)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.providers.cncf.kubernetes.sensors.spark_kubernetes import SparkKubernetesSensor
from airflow.sdk import DAG

with DAG(
    "spark_pi",
    default_args={"max_active_tis_per_dag": 1},
    description="submit an application that computes pi",
    schedule=timedelta(days=1),
    start_date=datetime(2026, 1, 1),
    catchup=False,
) as dag:
    submitted = SparkKubernetesOperator(
        task_id="spark_pi_submit",
        namespace="default",
        application_file=str(Path(__file__).parent.resolve() / "spark_pi.yaml"),
        do_xcom_push=True,
        dag=dag,
    )
    monitored = SparkKubernetesSensor(
        task_id="spark_pi_monitor",
        namespace="default",
        application_name="{{ ti.xcom_pull(task_ids='spark_pi_submit')['metadata']['name'] }}",
        attach_log=True,
        dag=dag,
    )
    submitted >> monitored
