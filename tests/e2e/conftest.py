# SPDX-License-Identifier: Apache-2.0
"""A real Airflow and an embedded cluster; starting them takes half a minute, so tests share them.

What keeps the tests apart is the namespace: each has its own queue and quota. Tests that kill
components, or start them with other settings, have a site of their own.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from kubernetes import client, config

from airflow_priority_spark.embedded.process import EmbeddedCluster
from demo.site import AirflowSite
from tests.e2e.applications import Witness
from tests.e2e.work import Run
from tests.foreign import FOREIGN

DAGS = Path(__file__).parent / "dags"

#: One application of the tests' DAGs at a time: a driver and an executor of one CPU each.
ONE = {"requests.cpu": "2", "requests.memory": "8Gi", "pods": "10"}
HALF = {**ONE, "requests.cpu": "1"}
TWO = {**ONE, "requests.cpu": "4"}
AMPLE = {"requests.cpu": "12", "requests.memory": "48Gi", "pods": "50"}
NAMESPACES = {
    "way": AMPLE,
    "small": ONE,
    **dict.fromkeys(("fail-queued", "fail-running", "clear-queued", "clear-running"), ONE),
    **dict.fromkeys(("pausing", "order", "crowd"), ONE),
    **dict.fromkeys(("pod-ends", "pod-failed", "pod-cleared"), HALF),
    "given-back": {**ONE, "requests.cpu": "6"},
    **dict.fromkeys(("arbiter-dies", "scheduler-dies", "triggerer-dies"), TWO),
}
#: Reconciling often makes the tests quick; the rest is what a person gets.
QUICK = {"priority_spark.reconcile_interval_seconds": "0.5"}


def start_cluster(directory: Path, **options) -> EmbeddedCluster:
    return EmbeddedCluster.start(
        directory, namespaces=options.pop("namespaces", NAMESPACES), app_root=DAGS, **options
    )


def make_site(directory: Path, cluster: EmbeddedCluster, **config: str) -> AirflowSite:
    return AirflowSite(
        directory,
        dags=DAGS,
        kubeconfig=cluster.kubeconfig,
        config={**QUICK, **{f"priority_spark.{name}": value for name, value in config.items()}},
    )


class ForeignCluster:
    """The namespaces of the tests on another cluster; made and removed, never taken over."""

    kubeconfig = Path(FOREIGN)

    def __enter__(self) -> ForeignCluster:
        core = client.CoreV1Api(config.new_client_from_config(FOREIGN))
        self._made = []
        for name, hard in NAMESPACES.items():
            core.create_namespace({"metadata": {"name": name}})
            self._made.append(name)
            quota = {"metadata": {"name": name}, "spec": {"hard": hard}}
            core.create_namespaced_resource_quota(name, quota)
        self._core = core
        return self

    def __exit__(self, *_) -> None:
        for name in self._made:
            self._core.delete_namespace(name)


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory):
    if FOREIGN:
        request.getfixturevalue("foreign_controllers")
        with ForeignCluster() as foreign:
            yield foreign
        return
    with start_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="session")
def witness(cluster):
    witness = Witness(cluster.kubeconfig)
    yield witness
    witness.stop()
    witness.check()


@pytest.fixture(scope="session")
def site(cluster, tmp_path_factory):
    with make_site(tmp_path_factory.mktemp("airflow"), cluster) as site:
        site.migrate()
        site.start()
        site.wait_healthy()
        yield site


@pytest.fixture(scope="session")
def start(site, witness):
    """Start a run of a DAG."""
    return lambda dag_id: Run.start(site, witness, dag_id)
