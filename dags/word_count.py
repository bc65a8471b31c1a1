# SPDX-License-Identifier: Apache-2.0
from airflow.sdk import DAG

from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

with DAG("word_count"):
    PrioritySparkKubernetesOperator(
        task_id="count_words",
        namespace="team-a",
        priority="high",
        application_file="spark/word_count.yaml",
    )
