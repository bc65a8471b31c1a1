# SPDX-License-Identifier: Apache-2.0
"""One cluster for the faults, and an observer of it as quick as the tests are."""

import logging
import time

import pytest

from airflow_priority_spark.cluster.connections import resolve
from airflow_priority_spark.cluster.observer import ClusterObserver
from airflow_priority_spark.cluster.reflector import Rhythm
from airflow_priority_spark.spark.request import ConnectionRef
from tests.cluster.applications import eventually


@pytest.fixture(scope="module")
def embedded_cluster(start_cluster):
    return start_cluster(simulated_seconds=30, driver_start_seconds=0.05)


@pytest.fixture
def faults(embedded_cluster):
    """The cluster's faults; none is left for the next test."""
    yield embedded_cluster.faults
    embedded_cluster.faults.clear()


class Observed:
    """What the cluster room sees, and what it has said about its watches."""

    def __init__(self, observer, caplog):
        self.observer = observer
        self._caplog = caplog

    @property
    def view(self):
        return self.observer.view(time.time(), fixed_nodes=True)

    def pods(self, namespace):
        return {pod.name: pod for pod in self.view.pods if pod.namespace == namespace}

    def is_fresh(self):
        return self.view.fresh

    def said(self, words, watch="pods"):
        """The log lines about a watch that hold these words."""
        lines = [record.getMessage() for record in self._caplog.records]
        return [line for line in lines if line.startswith(f"watch of {watch} ") and words in line]


@pytest.fixture
def observed(embedded_cluster, caplog):
    caplog.set_level(logging.INFO, logger="airflow_priority_spark.cluster")
    connection = resolve(ConnectionRef(conn_id=None, config_file=str(embedded_cluster.kubeconfig)))
    rhythm = Rhythm(idle=1.0, retry_first=0.05, retry_most=0.3)
    observer = ClusterObserver(connection, "cluster-1", rhythm=rhythm, stale_after_seconds=0.3)
    observer.start()
    seen = Observed(observer, caplog)
    eventually(seen.is_fresh, "the picture is fresh")
    yield seen
    observer.stop()
