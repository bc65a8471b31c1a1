# SPDX-License-Identifier: Apache-2.0
"""Applications of one driver and two executors, of one CPU each, all at once, by either operator.

The tasks of the stock operator wait for each other before they submit: on the two cores of a small
machine their processes start over half a minute, on a site with as many workers as tasks they do not.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from airflow.sdk import DAG

COUNT = int(os.environ["BURST_COUNT"])
GATE = Path(os.environ["BURST_GATE"])
GATE_SECONDS = 240.0

if os.environ["BURST_OPERATOR"] == "stock":
    from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator

    Operator = SparkKubernetesOperator
else:
    from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

    Operator = PrioritySparkKubernetesOperator


def together(context):
    """Wait until every task of the burst has a worker."""
    (GATE / context["ti"].task_id).touch()
    end = time.monotonic() + GATE_SECONDS
    while len(list(GATE.iterdir())) < COUNT and time.monotonic() < end:
        time.sleep(0.1)


APPLICATION = {
    "apiVersion": "sparkoperator.k8s.io/v1beta2",
    "kind": "SparkApplication",
    "metadata": {"annotations": {"priority-spark/simulated-runtime": os.environ["BURST_RUNTIME"]}},
    "spec": {
        "type": "Python",
        "pythonVersion": "3",
        "mode": "cluster",
        "image": "spark:4.0.1",
        "mainApplicationFile": "local:///opt/jobs/main.py",
        "sparkVersion": "4.0.1",
        "restartPolicy": {"type": "Never"},
        "driver": {"cores": 1, "memory": "512m", "serviceAccount": "spark"},
        "executor": {"cores": 1, "memory": "512m", "instances": 2},
    },
}

with DAG("burst", schedule=None, max_active_tasks=COUNT):
    for number in range(COUNT):
        Operator(
            task_id=f"job_{number:02}",
            namespace=os.environ["BURST_NAMESPACE"],
            template_spec={"spark": APPLICATION},
            pre_execute=together if os.environ["BURST_OPERATOR"] == "stock" else None,
        )
