# SPDX-License-Identifier: Apache-2.0
"""What people look at in the morning: it comes late and goes first, in the priority pool ``high``."""

from __future__ import annotations

from airflow.sdk import DAG
from applications import TEAM_A, TEAM_B, application

from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

TILES = {
    "a_sales_by_harbour": (TEAM_A, application("join_aggregate", "harbour")),
    "a_risk": (TEAM_A, application("monte_carlo_pi", "800000", executors=2)),
    "b_sales_by_product": (TEAM_B, application("join_aggregate", "product")),
    "b_stock": (TEAM_B, application("join_aggregate", runtime="10s")),
}

with DAG("morning_dashboard", schedule=None, tags=["priority-spark"]):
    for task_id, (namespace, template_spec) in TILES.items():
        PrioritySparkKubernetesOperator(
            task_id=task_id, namespace=namespace, priority="high", template_spec=template_spec
        )
