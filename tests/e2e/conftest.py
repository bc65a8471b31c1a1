# SPDX-License-Identifier: Apache-2.0
"""A real Airflow and an embedded cluster; starting them takes half a minute, so tests share them.

What keeps the tests apart is the namespace: each has its own queue and quota. Tests that kill
components, or start them with other settings, have a site of their own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_priority_spark.embedded.process import EmbeddedCluster
from demo.site import AirflowSite
from tests.e2e.applications import Witness
from tests.e2e.work import Run

DAGS = Path(__file__).parent / "dags"

#: One application of the tests' DAGs at a time: a driver and an executor of one CPU each.
ONE = {"requests.cpu": "2", "requests.memory": "8Gi", "pods": "10"}
TWO = {**ONE, "requests.cpu": "4"}
AMPLE = {"requests.cpu": "12", "requests.memory": "48Gi", "pods": "50"}
NAMESPACES = {
    "way": AMPLE,
    "small": ONE,
    **dict.fromkeys(("fail-queued", "fail-running", "clear-queued", "clear-running"), ONE),
    **dict.fromkeys(("pausing", "order", "crowd"), ONE),
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


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
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
