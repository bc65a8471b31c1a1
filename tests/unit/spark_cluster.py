# SPDX-License-Identifier: Apache-2.0
"""An embedded cluster for the tests of operators and triggers, and what they read from it.

Worker code is tested against the real API over HTTP: a module shares one cluster, each test has a
namespace of its own.
"""

from __future__ import annotations

import itertools
import logging
from types import SimpleNamespace

import pytest

from airflow_priority_spark.cluster.connections import resolve
from airflow_priority_spark.embedded.access import Denial
from airflow_priority_spark.embedded.process import EmbeddedCluster
from airflow_priority_spark.spark.request import ConnectionRef
from tests.cluster.applications import APPLICATIONS, GROUP, Kubernetes, spark_application

DENIED = "reader"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster with simulated drivers; its user ``reader`` may not do everything."""
    denials = [Denial(DENIED, verb, APPLICATIONS) for verb in ("create", "delete")]
    denials.append(Denial(DENIED, "list", "events"))
    with EmbeddedCluster.start(
        tmp_path_factory.mktemp("cluster"), runtime="simulated", simulated_seconds=0.2, denials=denials
    ) as running:
        yield running


@pytest.fixture(scope="module")
def kubernetes(cluster):
    return Kubernetes(cluster.kubeconfig)


@pytest.fixture
def namespace(kubernetes):
    name = f"team-{next(_numbers)}"
    kubernetes.create_namespace(name)
    yield name
    kubernetes.core.delete_namespace(name)


@pytest.fixture
def ref(cluster):
    """The way to the cluster that tasks carry."""
    return ConnectionRef(conn_id=None, config_file=str(cluster.kubeconfig))


@pytest.fixture
def connection(ref):
    made = resolve(ref)
    yield made
    made.close()


class Said(logging.Handler):
    """What a logger says, as lines."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())

    @property
    def text(self):
        return "\n".join(self.lines)


@pytest.fixture
def listen():
    """A function that returns what an operator or trigger says from now on."""

    def attach(speaker):
        said = Said()
        logger = logging.Logger("task", logging.INFO)
        logger.addHandler(said)
        # Airflow keeps an operator's logger under the first name and a trigger's under the second.
        speaker._cached_logger = speaker._log = logger
        return said

    return attach


def names(kubernetes, namespace):
    """Return the names of a namespace's applications."""
    found = kubernetes.custom.list_namespaced_custom_object(*GROUP, namespace, APPLICATIONS)
    return [item["metadata"]["name"] for item in found["items"]]


class TaskInstance(SimpleNamespace):
    """What our operators read and write of a task instance."""

    def xcom_push(self, key, value):
        self.xcom[key] = value

    def xcom_pull(self, task_ids, key="return_value"):
        return self.xcom[task_ids][key]


def task_context(dag_timeout=None, **more):
    """Return what our operator reads of a task's context."""
    ti = {
        "id": "018f-attempt-1",
        "dag_id": "sales",
        "run_id": "run-1",
        "task_id": "aggregate",
        "map_index": -1,
        "try_number": 1,
        "xcom": {},
    }
    return {"ti": TaskInstance(**{**ti, **more}), "dag": SimpleNamespace(dagrun_timeout=dag_timeout)}


__all__ = [
    "DENIED",
    "TaskInstance",
    "cluster",
    "connection",
    "kubernetes",
    "listen",
    "names",
    "namespace",
    "ref",
    "spark_application",
    "task_context",
]
