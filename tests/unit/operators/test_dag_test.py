# SPDX-License-Identifier: Apache-2.0
"""``airflow dags test`` needs no arbiter, scheduler or triggerer: the task is admitted at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

DAG = """
import json, os
from airflow.sdk import DAG
from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

with DAG("d", schedule=None):
    PrioritySparkKubernetesOperator(
        task_id="spark",
        namespace=os.environ["TEST_NAMESPACE"],
        priority="{{ 'hi' + 'gh' }}",
        template_spec=json.loads(os.environ["TEST_APPLICATION"]),
    )
"""


@pytest.mark.timeout(180)
def test_a_dag_is_tried_out_on_a_cluster(tmp_path, cluster, kubernetes, namespace):
    from tests.unit.spark_cluster import names, spark_application

    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "d.py").write_text(DAG)
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(cluster.kubeconfig)}}
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(connection),
        "TEST_NAMESPACE": namespace,
        "TEST_APPLICATION": json.dumps(spark_application("pi", runtime="1s")),
    }

    def airflow(*arguments):
        command = [sys.executable, "-m", "airflow", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    migrated = airflow("db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    ran = airflow("dags", "test", "d")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for line in (
        f"Waiting in the queue {namespace}/high",
        "dag.test(): admitted at once, without a queue",
        "COMPLETED",
        "Running Spark for a simulated 1 s",
        "state=success",
    ):
        assert line in ran.stdout
    assert names(kubernetes, namespace) == []
