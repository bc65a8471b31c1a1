# SPDX-License-Identifier: Apache-2.0
"""What Airflow's provider manager is told about this package.

Read in every Airflow process, so it imports nothing but the option table. The plugin is announced
through the ``airflow.plugins`` entry point only: a second announcement here would load it twice.
"""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider info of the ``apache_airflow_provider`` entry point."""
    from airflow_priority_spark.settings import SECTION, provider_options

    return {
        "package-name": "airflow-provider-priority-spark",
        "name": "Priority Spark",
        "description": "Priority- and capacity-aware queueing for Spark on Kubernetes.",
        "integrations": [
            {
                "integration-name": "Priority Spark",
                "external-doc-url": "https://github.com/kubeflow/spark-operator",
                "tags": ["apache", "software"],
            }
        ],
        "operators": [
            {
                "integration-name": "Priority Spark",
                "python-modules": [
                    "airflow_priority_spark.operators.decorator",
                    "airflow_priority_spark.operators.pod",
                    "airflow_priority_spark.operators.spark_kubernetes",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": "Priority Spark",
                "python-modules": [
                    "airflow_priority_spark.triggers.admission",
                    "airflow_priority_spark.triggers.pod",
                    "airflow_priority_spark.triggers.spark_application",
                ],
            }
        ],
        "task-decorators": [
            {
                "class-name": "airflow_priority_spark.operators.decorator.priority_spark_task",
                "name": "priority_spark",
            }
        ],
        "db-managers": ["airflow_priority_spark.store.db_manager.PrioritySparkDBManager"],
        "cli": ["airflow_priority_spark.cli.definition.get_cli_commands"],
        "config": {
            SECTION: {
                "description": "Priority- and capacity-aware queueing for Spark on Kubernetes.",
                "options": provider_options(),
            }
        },
    }
