# SPDX-License-Identifier: Apache-2.0
"""A task of the pod operator, and how to let a worker run it up to its next deferral."""

from __future__ import annotations

import datetime
import time
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import TaskDeferred
from kubernetes.client import models as k8s

from airflow_priority_spark.operators.pod import PriorityKubernetesPodOperator
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.request import AdmissionRequest
from tests.unit.spark_cluster import TaskInstance

JOB = "11111111-2222-3333-4444-555555555555"
INSTANCE = "instance-1"


def context(**more):
    ti = {
        "id": "attempt-1",
        "dag_id": "sales",
        "run_id": "run-1",
        "task_id": "clean",
        "map_index": -1,
        "try_number": 1,
        "start_date": datetime.datetime.now(datetime.UTC),
        "xcom": {},
    }
    instance = TaskInstance(**{**ti, **more})
    return {
        "ti": instance,
        "task_instance": instance,
        "run_id": instance.run_id,
        "dag": SimpleNamespace(parent_dag=None),
    }


def resources(**requests):
    return k8s.V1ResourceRequirements(requests=requests)


def task(ref, namespace, **options):
    given = {
        "task_id": "clean",
        "kubernetes_conn_id": ref.conn_id,
        "config_file": ref.config_file,
        "namespace": namespace,
        "name": "clean",
        "image": "busybox",
        "container_resources": resources(cpu="500m", memory="1Gi"),
        "deferrable": True,
        "on_finish_action": "keep_pod",
    }
    return PriorityKubernetesPodOperator(**{**given, **options})


def deferral(call, *args):
    with pytest.raises(TaskDeferred) as caught:
        call(*args)
    return caught.value


def admitted(**more):
    event = {
        "outcome": "admitted",
        "job_id": JOB,
        "instance_id": INSTANCE,
        "admission": 1,
        "valid_until": time.time() + 60,
        "waited_seconds": 12.0,
    }
    return AdmissionEvent(**{**event, **more}).to_payload()


def request_of(deferred):
    return AdmissionRequest.from_json(deferred.trigger.request)
