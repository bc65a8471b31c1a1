# SPDX-License-Identifier: Apache-2.0
"""Reports of two teams, in the priority pool ``normal``: more than their namespaces have room for at once."""

from __future__ import annotations

from airflow.sdk import DAG
from applications import TEAM_A, TEAM_B, application

from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

REPORTS = {
    "a_sales_by_kind": (TEAM_A, application("join_aggregate", "kind")),
    "a_pi_small": (TEAM_A, application("monte_carlo_pi", "400000")),
    "a_archive": (TEAM_A, application("word_count", runtime="12s", executors=2)),
    "a_words_of_the_sea": (TEAM_A, application("word_count", "tides.txt")),
    "b_sales_by_day": (TEAM_B, application("join_aggregate", "day")),
    "b_words": (TEAM_B, application("word_count", "lighthouse.txt")),
    "b_backfill": (TEAM_B, application("join_aggregate", runtime="10s")),
    "b_archive": (TEAM_B, application("word_count", runtime="8s")),
}

with DAG("nightly_reports", schedule=None, tags=["priority-spark"]):
    for task_id, (namespace, template_spec) in REPORTS.items():
        PrioritySparkKubernetesOperator(
            task_id=task_id, namespace=namespace, priority="normal", template_spec=template_spec
        )
