# SPDX-License-Identifier: Apache-2.0
"""What a person reads when the arbiter cannot work: no tables, no CRD, no permission, no cluster."""

from __future__ import annotations

import shutil

import pytest

from airflow_priority_spark.embedded.access import Denial
from demo.site import AirflowSite
from tests import builders
from tests.e2e.conftest import DAGS, QUICK, start_cluster
from tests.e2e.work import until

pytestmark = pytest.mark.e2e


@pytest.fixture
def arbiter_of(tmp_path, _sqlite_template):
    """Start an arbiter alone, with one waiting task and a kubeconfig; return its site."""
    sites = []

    def start(kubeconfig) -> AirflowSite:
        site = AirflowSite(tmp_path / "airflow", dags=DAGS, kubeconfig=kubeconfig, config=QUICK)
        sites.append(site)
        shutil.copy(_sqlite_template, site.directory / "airflow.db")
        with site.database() as session:
            builders.make_deferred_task(session, request=builders.make_request(namespace="team-a"))
            session.commit()
        site.start("arbiter")
        return site

    yield start
    for site in sites:
        site.stop()


def waits_in_log(site: AirflowSite, *words: str) -> str:
    """Wait for a line of the arbiter's log that holds all these words."""

    def line():
        lines = site.log_file("arbiter").read_text().splitlines()
        return next((line for line in lines if all(word in line for word in words)), None)

    return until(line, lambda: site.log_end("arbiter"), timeout=120)


def status_says(site: AirflowSite, *words: str) -> str:
    """Wait until ``airflow priority-spark status`` holds all these words."""

    def text():
        found = site.airflow("priority-spark", "status", "-o", "json")
        return found.stdout if all(word in found.stdout for word in words) else None

    return until(text, lambda: site.airflow("priority-spark", "status").stdout, timeout=120)


def test_without_tables_the_arbiter_says_which_command_to_run(tmp_path):
    site = AirflowSite(tmp_path / "airflow", dags=DAGS, kubeconfig=tmp_path / "none")
    with site:
        done = site.airflow("priority-spark", "arbiter", timeout=180)
    assert done.returncode == 1
    assert "the tables of Priority Spark are missing" in done.stderr
    assert "run: airflow db migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_crd_the_arbiter_names_it_and_admits_nothing(tmp_path, arbiter_of):
    with start_cluster(tmp_path / "cluster", namespaces={"team-a": None}, without_crd=True) as cluster:
        site = arbiter_of(cluster.kubeconfig)
        line = waits_in_log(site, "sparkapplications", "not installed")
        assert "sparkoperator.k8s.io" in line
        status_says(site, "sparkapplications", "not installed")
        jobs = site.airflow("priority-spark", "job", "list", "-o", "json").stdout
        assert '"queued"' in jobs
        assert '"admitted"' not in jobs


def test_without_permission_to_list_quotas_the_arbiter_names_verb_and_resource(tmp_path, arbiter_of):
    denials = [Denial("reader", "list", "resourcequotas"), Denial("reader", "watch", "resourcequotas")]
    with start_cluster(tmp_path / "cluster", namespaces={"team-a": None}, denials=denials) as cluster:
        site = arbiter_of(cluster.kubeconfig_of("reader"))
        waits_in_log(site, "cannot list resourcequotas", "Grant the verb list on resourcequotas to reader")
        status_says(site, "Grant the verb list on resourcequotas in namespace team-a to reader")


def test_a_cluster_that_does_not_answer_is_named_and_its_jobs_wait_outside(tmp_path, arbiter_of):
    with start_cluster(tmp_path / "cluster", namespaces={"team-a": None}) as cluster:
        kubeconfig, address = cluster.kubeconfig, f"127.0.0.1:{cluster.port}"
    site = arbiter_of(kubeconfig)
    waits_in_log(site, "wait outside the queue", address)
    status_says(site, "kubernetes_default")
