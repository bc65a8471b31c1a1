# SPDX-License-Identifier: Apache-2.0
"""Priority- and capacity-aware queueing for Spark on Kubernetes, inside Apache Airflow.

Every Airflow process imports this package through its entry points, so this module imports nothing:
neither the Kubernetes client nor FastAPI nor SQLAlchemy. Import what you need from its room, e.g.
``airflow_priority_spark.operators.spark_kubernetes``.
"""

__version__ = "0.1.0"
