# SPDX-License-Identifier: Apache-2.0
"""One suite for two kinds of clusters: embedded ones, and any other (``tests.foreign``).

A test that asks for ``kubernetes`` and ``namespace`` runs on either; one that asks for ``start_cluster`` or
``embedded_cluster`` needs an embedded one. On another cluster every namespace is new and goes at the end.
"""

from __future__ import annotations

import itertools
import uuid

import pytest

from airflow_priority_spark.embedded.process import EmbeddedCluster
from tests.cluster.applications import Kubernetes
from tests.foreign import FOREIGN


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
    """The module's cluster: three nodes, simulated drivers."""
    return start_cluster()


@pytest.fixture(scope="module")
def kubernetes(request):
    """The real ``kubernetes`` client of the cluster under test."""
    if FOREIGN:
        request.getfixturevalue("foreign_controllers")
        return Kubernetes(FOREIGN)
    # A module may have its own `embedded_cluster`; asked for here, it is no reason to leave a test out.
    return Kubernetes(request.getfixturevalue("embedded_cluster").kubeconfig)


_numbers = itertools.count(1)


@pytest.fixture
def namespace(kubernetes):
    """A namespace of the test's own; what is left in it goes with it."""
    name = f"ps-test-{uuid.uuid4().hex[:6]}-{next(_numbers)}" if FOREIGN else f"team-{next(_numbers)}"
    kubernetes.create_namespace(name)
    yield name
    kubernetes.core.delete_namespace(name)
