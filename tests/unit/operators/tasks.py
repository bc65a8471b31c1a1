# SPDX-License-Identifier: Apache-2.0
"""A task of ours, and how to let a worker run it up to its next deferral."""

from __future__ import annotations

import time

import pytest
from airflow.sdk.exceptions import TaskDeferred

from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.identity import TaskKey
from tests.unit.spark_cluster import spark_application, task_context

KEY = TaskKey("sales", "run-1", "aggregate")
JOB = "11111111-2222-3333-4444-555555555555"
INSTANCE = "instance-1"


def task(ref, namespace, *, spec=None, **options):
    """Return an operator; ``spec`` is the manifest."""
    return PrioritySparkKubernetesOperator(
        task_id="aggregate",
        kubernetes_conn_id=ref.conn_id,
        config_file=ref.config_file,
        **{
            "namespace": namespace,
            "template_spec": spec if spec is not None else spark_application("pi", executors=1),
            **options,
        },
    )


def deferral(call, *args):
    """Run a worker's part and return what it deferred with."""
    with pytest.raises(TaskDeferred) as caught:
        call(*args)
    return caught.value


def admitted(**more):
    """Return the payload with which the arbiter resumes a task."""
    event = {
        "outcome": "admitted",
        "job_id": JOB,
        "instance_id": INSTANCE,
        "queue": "q",
        "pool": "normal",
        "admission": 1,
        "valid_until": time.time() + 60,
        "waited_seconds": 41.3,
    }
    return AdmissionEvent(**{**event, **more}).to_payload()


def submit(operator, **more):
    """Let an admitted task create its application; return the trigger it waits with."""
    return deferral(operator.resume_admitted, task_context(), admitted(**more)).trigger
