# SPDX-License-Identifier: Apache-2.0
"""A task of the pod operator, and how to let a worker run it up to its next deferral."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

from kubernetes.client import models as k8s

from airflow_priority_spark.operators.pod import PriorityKubernetesPodOperator
from airflow_priority_spark.spark.request import AdmissionRequest
from tests.unit.operators.tasks import INSTANCE, JOB, admitted, deferral
from tests.unit.spark_cluster import TaskInstance

__all__ = ["INSTANCE", "JOB", "admitted", "context", "deferral", "request_of", "resources", "task"]


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


def request_of(deferred):
    return AdmissionRequest.from_json(deferred.trigger.request)
