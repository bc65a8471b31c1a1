# SPDX-License-Identifier: Apache-2.0
"""The stock provider's second way in our words: a template with a ``spark`` and a ``kubernetes`` section.

Source: ``spark_job_template.yaml`` of the provider's system tests and the operator's documentation. Image
and code come from the DAG, the rest from a template that a platform team keeps.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk import dag

TEMPLATE = yaml.safe_load((Path(__file__).parent / "spark_job_template.yaml").read_text())


@dag(schedule=None)
def spark_job_template():
    whole = SparkKubernetesOperator(
        task_id="whole",
        image="spark:3.5.1",
        code_path="local:///opt/jobs/whole.py",
        template_spec=TEMPLATE,
        get_logs=True,
        startup_timeout_seconds=120,
        labels={"team": "a"},
    )
    parts = SparkKubernetesOperator.partial(
        task_id="parts", image="spark:3.5.1", template_spec=TEMPLATE, kubernetes_conn_id="kubernetes_default"
    ).expand(code_path=["local:///opt/jobs/one.py", "local:///opt/jobs/two.py"])
    whole >> parts


spark_job_template()
