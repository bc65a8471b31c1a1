# SPDX-License-Identifier: Apache-2.0
"""A mistake that must not wait for ever: no state of its namespace could satisfy it, so it fails at once."""

from __future__ import annotations

from airflow.sdk import DAG
from applications import TEAM_B, application

from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

with DAG("too_big", schedule=None, tags=["priority-spark"]):
    PrioritySparkKubernetesOperator(
        task_id="forty_executors",
        namespace=TEAM_B,
        priority="high",
        template_spec=application("monte_carlo_pi", executors=40),
    )
