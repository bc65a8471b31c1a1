# SPDX-License-Identifier: Apache-2.0
"""The demo's own measurement: it must see what would be wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import (
    V1Container,
    V1ObjectMeta,
    V1Pod,
    V1PodSpec,
    V1PodStatus,
    V1ResourceRequirements,
)
from kubernetes.utils.quantity import parse_quantity

from airflow_priority_spark.embedded.process import EmbeddedCluster
from demo.witness import Witness, counts_for_quota, starving, usage


def a_pod(cpu="1", *, phase="Running", init=(), node="node-1", labels=None, **metadata):
    return V1Pod(
        metadata=V1ObjectMeta(name="pod", namespace="team-a", labels=labels, **metadata),
        spec=V1PodSpec(
            node_name=node,
            containers=[_container(cpu)],
            init_containers=[_container(amount) for amount in init],
        ),
        status=V1PodStatus(phase=phase),
    )


def _container(cpu):
    return V1Container(name="main", resources=V1ResourceRequirements(requests={"cpu": cpu}))


def an_application(state, executors=2):
    return {
        "metadata": {"name": "app", "namespace": "team-a"},
        "spec": {"executor": {"instances": executors}},
        "status": {"applicationState": {"state": state}},
    }


def an_executor(**options):
    labels = {"spark-role": "executor", "sparkoperator.k8s.io/app-name": "app"}
    return a_pod(labels=labels, **options)


def test_usage_adds_up_requests_under_every_key_a_quota_may_have():
    used = usage([a_pod("1500m"), a_pod("1")])
    assert used["requests.cpu"] == used["cpu"] == parse_quantity("2.5")
    assert used["pods"] == 2


def test_an_init_container_counts_only_where_it_is_larger_than_all_containers_together():
    assert usage([a_pod("1", init=["3", "2"])])["cpu"] == 3
    assert usage([a_pod("1", init=["500m"])])["cpu"] == 1


@pytest.mark.parametrize(
    ("pod", "counted"),
    [
        (a_pod(), True),
        (a_pod(phase="Pending"), True),
        (a_pod(phase="Succeeded"), False),
        (a_pod(phase="Failed"), False),
        # The table is made when tests are collected, which may be long before this one runs.
        (
            a_pod(deletion_timestamp=datetime.now(UTC) + timedelta(days=1), deletion_grace_period_seconds=30),
            True,
        ),
        (
            a_pod(
                deletion_timestamp=datetime.now(UTC) - timedelta(seconds=40), deletion_grace_period_seconds=30
            ),
            False,
        ),
    ],
)
def test_a_pod_counts_until_it_has_finished_or_is_past_its_grace(pod, counted):
    assert counts_for_quota(pod) is counted


def test_a_running_driver_without_all_its_executors_starves():
    found = starving([an_application("RUNNING")], [an_executor()])
    assert found == {"team-a/app": "driver team-a/app has 1 of 2 executors for 30 s"}


def test_an_application_with_its_executors_or_that_does_not_run_yet_does_not_starve():
    assert starving([an_application("RUNNING", executors=1)], [an_executor()]) == {}
    assert starving([an_application("SUBMITTED")], []) == {}


def test_a_pod_that_no_node_takes_starves():
    assert "team-a/pod" in starving([], [a_pod(phase="Pending", node=None)])
    assert starving([], [a_pod(phase="Pending")]) == {}


@pytest.mark.cluster
def test_a_quota_that_was_made_smaller_than_what_runs_is_an_over_commitment(tmp_path):
    with EmbeddedCluster.start(tmp_path, namespaces={"team-a": {"requests.cpu": "4"}}) as cluster:
        witness = Witness(cluster.kubeconfig, ["team-a"], nodes=True)
        witness.core.create_namespaced_pod("team-a", _tenant(cpu="3"))
        witness.look()
        assert witness.over_commitments == []
        quota = witness.core.list_namespaced_resource_quota("team-a").items[0].metadata.name
        witness.core.patch_namespaced_resource_quota(
            quota, "team-a", {"spec": {"hard": {"requests.cpu": "2"}}}
        )
        witness.look()
        assert witness.over_commitments == ["team-a: pods request 3 of 2 requests.cpu"]
        assert witness.peaks["team-a", "requests.cpu"] == (3, 2)


def _tenant(cpu):
    requests = {"requests": {"cpu": cpu, "memory": "1Gi"}}
    containers = [{"name": "main", "image": "busy", "resources": requests}]
    return {"metadata": {"name": "tenant"}, "spec": {"containers": containers}}


@pytest.mark.cluster
def test_a_cluster_that_was_not_seen_for_a_while_was_not_measured(tmp_path):
    with EmbeddedCluster.start(tmp_path, namespaces={"team-a": None}) as cluster:
        witness = Witness(cluster.kubeconfig, ["team-a"], nodes=False)
        assert not witness.complete
        witness.start()
        while not witness.samples:
            time.sleep(0.05)
        witness.stop()
        assert witness.complete
        witness.longest_gap = 16.0
        assert not witness.complete
