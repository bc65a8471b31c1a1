# SPDX-License-Identifier: Apache-2.0
"""Embedded clusters for the tests that talk to one over HTTP.

``embedded_cluster`` is shared by a module: three nodes; each test has its own ``namespace``, without quota.
A test that needs another cluster starts it with ``start_cluster``.
"""

from __future__ import annotations

import itertools

import pytest

from airflow_priority_spark.embedded.process import EmbeddedCluster
from tests.cluster.applications import Kubernetes


@pytest.fixture(scope="module")
def start_cluster(tmp_path_factory):
    """A function that starts a cluster for the rest of the module; options as ``EmbeddedCluster.start``."""
    running = []

    def start(**options):
        directory = options.pop("directory", None) or tmp_path_factory.mktemp("cluster")
        cluster = EmbeddedCluster.start(
            directory, **{"runtime": "simulated", "simulated_seconds": 0.2, **options}
        )
        running.append(cluster)
        return cluster

    yield start
    for cluster in running:
        cluster.stop()


@pytest.fixture(scope="module")
def embedded_cluster(start_cluster):
    """The module's cluster, with simulated drivers."""
    return start_cluster()


@pytest.fixture(scope="module")
def kubernetes(embedded_cluster):
    """The real ``kubernetes`` client of the module's cluster."""
    return Kubernetes(embedded_cluster.kubeconfig)


_numbers = itertools.count(1)


@pytest.fixture
def namespace(kubernetes):
    """A namespace of the test's own; what is left in it goes with it."""
    name = f"team-{next(_numbers)}"
    kubernetes.create_namespace(name)
    yield name
    kubernetes.core.delete_namespace(name)
