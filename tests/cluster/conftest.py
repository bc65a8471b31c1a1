# SPDX-License-Identifier: Apache-2.0
"""One suite for two kinds of clusters: embedded ones, and the one that ``TEST_KUBECONFIG`` leads to.

A test that asks for ``kubernetes`` and ``namespace`` runs on either. One that asks for ``start_cluster`` or
``embedded_cluster``, or carries the mark ``embedded_only``, needs what only the embedded cluster has; on
another cluster it is deselected, and the report names it. On another cluster every namespace is new and goes
at the end; with ``TEST_CONTROLLERS=1`` nodes, kubelet and operator come from
``airflow priority-spark cluster controllers``, for a control plane that has none.
"""

from __future__ import annotations

import itertools
import os
import uuid

import pytest

from airflow_priority_spark.embedded.process import EmbeddedCluster
from airflow_priority_spark.embedded.remote.process import ControllersProcess
from tests.cluster.applications import Kubernetes

#: The cluster to test on; none for embedded ones.
FOREIGN = os.environ.get("TEST_KUBECONFIG", "")
EMBEDDED_FIXTURES = {"start_cluster", "embedded_cluster"}
_deselected = []


def pytest_collection_modifyitems(config, items):
    if not FOREIGN:
        return
    here = [item for item in items if "tests/cluster/" in item.nodeid]
    left = [item for item in here if _is_embedded_only(item)]
    _deselected.extend(left)
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def _is_embedded_only(item):
    return bool(item.get_closest_marker("embedded_only") or EMBEDDED_FIXTURES & set(item.fixturenames))


def pytest_terminal_summary(terminalreporter):
    if _deselected:
        terminalreporter.section("only for the embedded cluster, not run here")
        for item in _deselected:
            mark = item.get_closest_marker("embedded_only")
            why = mark.args[0] if mark else "it starts clusters with options"
            terminalreporter.line(f"{item.nodeid}: {why}")


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


@pytest.fixture(scope="session")
def foreign_controllers(tmp_path_factory):
    """Nodes, kubelet and operator for the foreign cluster, when asked for."""
    if os.environ.get("TEST_CONTROLLERS") != "1":
        yield
        return
    log = tmp_path_factory.mktemp("controllers") / "controllers.log"
    with ControllersProcess.start(FOREIGN, log, simulated_seconds=0.2, driver_start_seconds=3):
        yield


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
