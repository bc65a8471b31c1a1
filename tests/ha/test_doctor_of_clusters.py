# SPDX-License-Identifier: Apache-2.0
"""What the doctor says about clusters: each finding with how to mend it, asked of a real API over HTTP."""

from __future__ import annotations

import argparse

import pytest

from airflow_priority_spark.cli.doctor_cluster import look_at
from airflow_priority_spark.cli.doctor_rights import BOTH, account, chosen
from airflow_priority_spark.cluster.kinds import PERMISSIONS, WORKER_PERMISSIONS
from airflow_priority_spark.embedded.access import Denial
from airflow_priority_spark.embedded.process import EmbeddedCluster
from airflow_priority_spark.spark.request import ConnectionRef

pytestmark = pytest.mark.cluster
QUOTA = {"requests.cpu": "4"}
NARROW = "narrow"
DENIALS = [
    Denial(NARROW, "list", "resourcequotas"),
    Denial(NARROW, "watch", "nodes"),
    Denial(NARROW, "create", "sparkapplications"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with EmbeddedCluster.start(
        tmp_path_factory.mktemp("cluster"),
        runtime="simulated",
        namespaces={"team-a": QUOTA, "team-b": None},
        denials=DENIALS,
    ) as started:
        yield started


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    with EmbeddedCluster.start(
        tmp_path_factory.mktemp("bare"), runtime="simulated", without_crd=True
    ) as started:
        yield started


def found(cluster, *namespaces, user="kubernetes-admin", known=None, declared=(), asked=BOTH):
    ref = ConnectionRef(conn_id=None, config_file=str(cluster.kubeconfig_of(user)))
    said = look_at(ref, known, namespaces or ("team-a",), declared, asked)
    return {(item.check, item.subject): item for item in said}


def of(findings, check):
    return [item for (kind, _), item in findings.items() if kind == check]


def test_a_healthy_cluster_has_nothing_to_mend(cluster):
    findings = found(cluster)
    assert {item.result for item in findings.values()} == {"ok"}
    assert {item.mend for item in findings.values()} == {""}
    asked = {subject for check, subject in findings if check == "permission"}
    assert len(asked) == len(PERMISSIONS) + len(WORKER_PERMISSIONS), "each verb is asked about"


def test_a_missing_permission_is_named_with_what_it_is_for_and_whom_to_grant_it(cluster):
    findings = found(cluster, "team-a", "team-b", user=NARROW)
    missing = findings["permission", "arbiter: list resourcequotas"]
    assert missing.result == "problem"
    assert missing.found == "not granted in namespace team-a, team-b; it is for: the capacity of each queue"
    assert missing.mend == (
        "Grant the verb list on resourcequotas in namespace team-a, team-b to the user of kubeconfig "
        f"{cluster.kubeconfig_of(NARROW)}, by a Role there or a ClusterRole."
    )
    workers = findings["permission", "worker: create sparkapplications.sparkoperator.k8s.io"]
    assert workers.result == "problem"
    assert "it is for: submitting admitted jobs" in workers.found
    assert findings["permission", "arbiter: watch resourcequotas"].result == "ok"


def test_a_permission_that_one_can_do_without_is_a_warning_and_says_what_is_lost(cluster):
    missing = found(cluster, user=NARROW)["permission", "arbiter: watch nodes"]
    assert missing.result == "warning"
    assert "without it capacity is judged by quota only" in missing.found
    assert missing.mend.startswith("Grant the verb watch on nodes cluster-wide to the user of")
    assert missing.mend.endswith("by a ClusterRole.")


def test_the_rights_of_two_service_accounts_are_asked_for_as_these(cluster):
    asked = chosen("both", "airflow:airflow-scheduler", "airflow:airflow-worker")
    findings = found(cluster, asked=asked)
    missing = findings["permission", "worker: create sparkapplications.sparkoperator.k8s.io"]
    assert missing.result == "problem", "nobody has granted it anything"
    assert missing.found == "not granted in namespace team-a; it is for: submitting admitted jobs"
    assert missing.mend == (
        "Grant the verb create on sparkapplications.sparkoperator.k8s.io in namespace team-a to service "
        "account airflow:airflow-worker, by a Role there or a ClusterRole."
    )
    events = findings["permission", "worker: list events"]
    assert events.result == "warning"
    assert "saying what Kubernetes has noted about a driver pod" in events.found
    identity = findings["permission", "arbiter: get namespaces"]
    assert identity.mend.endswith("to service account airflow:airflow-scheduler, by a ClusterRole.")
    assert findings["quota", "team-a"].result == "ok", "what follows is asked as the connection's user again"


def test_of_one_account_only_its_own_rights_are_asked_for(cluster):
    subjects = {
        subject
        for check, subject in found(cluster, asked=chosen("worker", None, None))
        if check == "permission"
    }
    assert len(subjects) == len(WORKER_PERMISSIONS)
    assert all(subject.startswith("worker: ") for subject in subjects)


def test_a_user_who_may_not_act_as_another_is_told_how_to_ask(cluster):
    findings = found(cluster, user=NARROW, asked=chosen("worker", None, "airflow:airflow-worker"))
    refused = findings["permission", "worker"]
    assert refused.result == "problem"
    assert refused.found == (
        "nothing is known of the rights of service account airflow:airflow-worker: the user of kubeconfig "
        f"{cluster.kubeconfig_of(NARROW)} lacks the verb impersonate on serviceaccounts"
    )
    assert "airflow priority-spark doctor --rights worker, in a pod of that account" in refused.mend


@pytest.mark.parametrize("text", ["airflow:airflow-worker", "system:serviceaccount:airflow:airflow-worker"])
def test_a_service_account_is_named_as_people_or_as_kubernetes_name_it(text):
    assert account(text) == "airflow:airflow-worker"


@pytest.mark.parametrize("text", ["airflow-worker", "airflow:", ":worker", "a:b:c", ""])
def test_what_names_no_service_account_is_refused_with_an_example(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not allowed; .* e\.g\. airflow:airflow-worker"):
        account(text)


def test_quotas_that_may_not_be_read_are_a_problem_of_their_own(cluster):
    quota = found(cluster, user=NARROW)["quota", "team-a"]
    assert quota.result == "problem"
    assert "cannot list resourcequotas in namespace team-a" in quota.found
    assert quota.mend == "Mend the permission."


def test_a_queue_that_nothing_bounds_is_warned_of_unless_it_declares_a_capacity(cluster):
    open_queue = found(cluster, "team-b")["quota", "team-b"]
    assert open_queue.result == "warning"
    assert open_queue.found == "neither a ResourceQuota nor a declared capacity: only nodes bound this queue"
    assert open_queue.mend.startswith("Create a ResourceQuota in namespace team-b, or declare")
    declared = found(cluster, "team-b", declared={"team-b"})["quota", "team-b"]
    assert (declared.result, declared.found) == ("ok", "no ResourceQuota; the queue declares its capacity")


def test_a_cluster_without_the_crd_says_what_to_install(bare):
    [missing] = of(found(bare), "crd")
    assert missing.result == "problem"
    assert missing.found.startswith(
        "sparkapplications.sparkoperator.k8s.io is not served by cluster https://"
    )
    assert missing.mend == "Install the Kubeflow Spark operator with its CRDs."


@pytest.mark.parametrize(
    ("by", "result", "words"), [("10s", "warning", "ahead of"), ("-1h", "problem", "behind")]
)
def test_a_clock_of_the_cluster_that_goes_wrong_is_found(cluster, by, result, words):
    with cluster.faults.active("clock-skew", by=by):
        [clock] = of(found(cluster), "clock")
    assert clock.result == result
    assert words in clock.found
    assert clock.mend.startswith("Let NTP keep the clocks of this host and of the cluster")


def test_another_cluster_behind_the_same_connection_is_warned_of(cluster):
    [identity] = of(found(cluster, known="the-old-one"), "cluster")
    assert identity.result == "warning"
    assert "it was the-old-one when it was last used" in identity.found
    assert identity.mend == "If the cluster was replaced, nothing; else correct the Airflow connection."


def test_a_cluster_that_does_not_answer_ends_the_look_at_it(cluster):
    with cluster.faults.active("refused"):
        [silent] = found(cluster).values()
    assert silent.result == "problem"
    assert "does not answer" in silent.found
    assert silent.mend == "Mend this first; the rest was not looked at."


def test_credentials_that_are_not_accepted_are_to_be_renewed(cluster):
    with cluster.faults.active("expired-token"):
        [refused] = found(cluster).values()
    assert "are not accepted; renew them" in refused.found


def test_a_connection_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    [missing] = look_at(ConnectionRef(conn_id=None, config_file="/nowhere/kubeconfig"), None, (), ())
    assert missing.result == "problem"
    assert missing.mend == "Correct the Airflow connection."
