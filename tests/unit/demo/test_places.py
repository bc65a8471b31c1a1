# SPDX-License-Identifier: Apache-2.0
"""A real cluster is set up, and left as it was; the embedded one plays the real one here."""

from __future__ import annotations

import pytest
from kubernetes import client, config

from airflow_priority_spark.embedded import spark_submit
from airflow_priority_spark.embedded.access import Denial
from airflow_priority_spark.embedded.process import EmbeddedCluster
from demo.places import UnsuitableCluster, embedded_place, real_place
from demo.plan import QUOTAS
from tests.e2e.work import until

pytestmark = pytest.mark.cluster


@pytest.fixture
def without_java(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "no-java-here"))
    spark_submit.java_version.cache_clear()
    yield
    spark_submit.java_version.cache_clear()


def test_without_java_the_demo_says_that_run_times_are_simulated(without_java, tmp_path):
    with embedded_place(tmp_path) as place:
        assert "run times are SIMULATED, for no Java found" in place.describe


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with EmbeddedCluster.start(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="module")
def core(cluster):
    return client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))


def names(core):
    return {item.metadata.name for item in core.list_namespace().items}


def test_a_borrowed_cluster_gets_namespaces_with_quotas_and_an_account_and_loses_them_again(cluster, core):
    before = names(core)
    with real_place(cluster.kubeconfig) as place:
        assert names(core) - before == set(place.namespaces)
        for namespace, hard in zip(place.namespaces, QUOTAS.values(), strict=True):
            [quota] = core.list_namespaced_resource_quota(namespace).items
            assert quota.spec.hard == hard
            assert core.read_namespaced_service_account("spark", namespace)
        prefix = place.environment["PRIORITY_SPARK_EXAMPLES_PREFIX"]
        assert place.namespaces == (f"{prefix}team-a", f"{prefix}team-b")
    until(lambda: names(core) == before, lambda: names(core))


def test_the_namespaces_go_also_when_the_demo_fails(cluster, core):
    before = names(core)
    with pytest.raises(ZeroDivisionError), real_place(cluster.kubeconfig):
        raise ZeroDivisionError
    until(lambda: names(core) == before, lambda: names(core))


def test_two_demos_do_not_meet(cluster):
    with real_place(cluster.kubeconfig) as one, real_place(cluster.kubeconfig) as other:
        assert not set(one.namespaces) & set(other.namespaces)


def test_a_cluster_that_does_not_answer_is_named(tmp_path):
    with EmbeddedCluster.start(tmp_path) as gone:
        text = gone.kubeconfig.read_text()
    kubeconfig = tmp_path / "old"
    kubeconfig.write_text(text)
    with pytest.raises(UnsuitableCluster, match="old: the cluster does not answer"), real_place(kubeconfig):
        pass


def test_a_file_that_is_no_kubeconfig_is_named(tmp_path):
    kubeconfig = tmp_path / "notes.txt"
    kubeconfig.write_text("nothing")
    with pytest.raises(UnsuitableCluster, match=r"notes\.txt: not a kubeconfig"), real_place(kubeconfig):
        pass


def test_a_person_who_may_not_make_namespaces_is_told_so(tmp_path):
    denials = [Denial("guest", "create", "namespaces")]
    refusal = pytest.raises(UnsuitableCluster, match=r"the cluster refuses \(403\).*namespaces")
    with EmbeddedCluster.start(tmp_path, denials=denials) as cluster:
        kubeconfig = cluster.kubeconfig_of("guest")
        with refusal, real_place(kubeconfig):
            pass
