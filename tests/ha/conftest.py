# SPDX-License-Identifier: Apache-2.0
"""Three arbiters, a PostgreSQL that can crash, an embedded cluster with faults, and stand-in workers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_priority_spark.embedded.process import EmbeddedCluster
from tests import airflow_database
from tests.airflow_database import Database
from tests.ha.arbiters import Arbiters, until
from tests.ha.server import RestartableServer
from tests.ha.story import Story
from tests.ha.workers import Workers

NAMESPACE = "team-a"
#: So many jobs of two CPUs fit at a time.
FITTING = 4
QUOTA = {"requests.cpu": str(2 * FITTING), "pods": "100"}


@pytest.fixture(scope="session")
def server():
    """A server for the tests of this folder alone: they crash it."""
    server = RestartableServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def template(server, tmp_path_factory) -> str:
    server.client.run("CREATE DATABASE ha_template")
    made = Database("postgresql", server.client.url("ha_template"), tmp_path_factory.mktemp("template"))
    made.airflow("db", "migrate")
    return "ha_template"


@pytest.fixture
def database_kind():
    return "postgresql"


@pytest.fixture
def database(server, template, tmp_path, monkeypatch):
    name = f"ha_{tmp_path.name[:40].lower().replace('-', '_')}"
    server.client.run(f"CREATE DATABASE {name} TEMPLATE {template}")
    made = Database("postgresql", server.client.url(name), tmp_path)
    with airflow_database._settings_on(monkeypatch, made):
        yield made
    server.client.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def cluster(tmp_path):
    with EmbeddedCluster.start(
        tmp_path / "cluster",
        runtime="simulated",
        driver_start_seconds=0.05,
        namespaces={NAMESPACE: QUOTA},
    ) as started:
        yield started


@dataclass
class Site:
    """Everything a test of this folder looks at."""

    database: Database
    cluster: EmbeddedCluster
    arbiters: Arbiters

    def workers(self, *, backlog: int = 10, runtime: str = "500ms") -> Workers:
        return Workers(self.database, self.cluster.kubeconfig, NAMESPACE, backlog=backlog, runtime=runtime)

    def story(self) -> Story:
        return Story(self.arbiters.ask)

    def succeeded(self) -> int:
        return self.arbiters.ask("SELECT count(*) FROM priority_spark_job WHERE state = 'succeeded'")[0][0]

    def goes_on(self, seconds: float = 30.0, jobs: int = 2) -> None:
        """Wait until further jobs have succeeded."""
        before = self.succeeded()
        until(lambda: self.succeeded() >= before + jobs, seconds, f"{jobs} further jobs succeed")

    def finish(self, workers: Workers, seconds: float = 180.0) -> Story:
        """Let what waits come to its end, and hold the story against what must hold."""
        workers.backlog = 0
        until(lambda: workers.made == len(self.story().jobs), seconds, "every task is a job")
        until(lambda: self.story().all_ended, seconds, "every job ends", 0.3)
        until(lambda: not self.story().grants, seconds, "every grant ends", 0.3)
        story = self.story()
        story.check(tasks=workers.made, most=FITTING)
        assert set(workers.resumed.values()) == {1}, "each admission was told once"
        assert workers.refused == [], "Kubernetes never refused what was admitted"
        return story

    def status(self) -> dict:
        """Return what ``airflow priority-spark status`` says, as data."""
        said = self.database.airflow("priority-spark", "status", "-o", "json", **self.arbiters.environment)
        return json.loads(said.stdout[said.stdout.index("{") :])


@pytest.fixture
def site(database, cluster, tmp_path: Path):
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(cluster.kubeconfig)}}
    environment = database.environment(
        AIRFLOW_CONN_KUBERNETES_DEFAULT=json.dumps(connection),
        AIRFLOW__LOGGING__LOGGING_LEVEL="INFO",
        AIRFLOW__PRIORITY_SPARK__ARBITER="standalone",
        AIRFLOW__PRIORITY_SPARK__SETTLE_SECONDS="0",
        AIRFLOW__PRIORITY_SPARK__RECONCILE_INTERVAL_SECONDS="0.5",
        AIRFLOW__PRIORITY_SPARK__POLL_INTERVAL_SECONDS="0.5",
        PYTHONUNBUFFERED="1",
    )
    arbiters = Arbiters(environment, database.url.replace("+psycopg2", ""), tmp_path)
    yield Site(database, cluster, arbiters)
    arbiters.stop()
