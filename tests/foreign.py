# SPDX-License-Identifier: Apache-2.0
"""The cluster that tests run on when it is not an embedded one: what ``TEST_KUBECONFIG`` leads to.

Tests that need what only the embedded cluster has carry the mark ``embedded_only`` or ask for one of its
fixtures; they are deselected then, and the report names each with its reason. With ``TEST_CONTROLLERS=1``
nodes, kubelet and operator come from ``airflow priority-spark cluster controllers``, for a control plane that
has none.
"""

from __future__ import annotations

import os

import pytest

from airflow_priority_spark.embedded.remote.process import ControllersProcess

#: Empty for embedded clusters.
FOREIGN = os.environ.get("TEST_KUBECONFIG", "")
EMBEDDED_FIXTURES = {"start_cluster", "embedded_cluster"}
_deselected = []


def pytest_collection_modifyitems(config, items):
    if not FOREIGN:
        return
    left = [item for item in items if _is_embedded_only(item)]
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


@pytest.fixture(scope="session")
def foreign_controllers(tmp_path_factory):
    """Nodes, kubelet and operator for the foreign cluster, when asked for."""
    if os.environ.get("TEST_CONTROLLERS") != "1":
        yield
        return
    log = tmp_path_factory.mktemp("controllers") / "controllers.log"
    # As slow as a JVM: a driver asks for executors when others have had time to start.
    with ControllersProcess.start(FOREIGN, log, simulated_seconds=0.2, driver_start_seconds=3):
        yield
