# SPDX-License-Identifier: Apache-2.0
"""Accounts may do what the code declares, in the namespaces named, and nothing else.

That the declarations are what the code calls is held by ``tests/unit/cluster/test_permissions.py``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import airflow_priority_spark
from tests.deploy.charts import EVERYTHING, NAMESPACE, OURS, manifests, merged, of_kind
from tests.deploy.rights import Right, granted, needed_by_arbiter, needed_by_workers

SPARK = ["team-a", "team-b"]
PACKAGE = Path(airflow_priority_spark.__file__).parent
ARBITER, WORKERS = "airflow-priority-spark-arbiter", ("airflow-worker", "airflow-triggerer")
PLACEHOLDERS = {Right(NAMESPACE, verb, "pods") for verb in ("create", "list", "watch", "delete")}
#: With nodes, everyone's pods on them.
ALL_PODS = {Right("*", verb, "pods") for verb in ("list", "watch")}
STOCK_POD_OPERATOR = {
    Right(where, verb, resource)
    for where in SPARK
    for verb, resource in (
        ("create", "pods"),
        ("patch", "pods"),
        ("delete", "pods"),
        ("create", "pods/exec"),
        ("get", "pods/exec"),
        ("watch", "events"),
    )
}


@pytest.fixture(scope="module")
def everything():
    return manifests(OURS, EVERYTHING)


@pytest.fixture(scope="module")
def least():
    rbac = {"namespaces": SPARK, "nodes": False, "clusterFacts": False}
    return manifests(OURS, {"rbac": rbac})


def test_with_everything_on_the_arbiter_has_each_declared_right_and_no_other(everything):
    assert set(granted(everything, ARBITER)) == needed_by_arbiter(SPARK) | ALL_PODS | PLACEHOLDERS


def test_workers_and_triggerers_have_each_declared_right_and_no_other(least):
    for account in WORKERS:
        assert set(granted(least, account)) == needed_by_workers(SPARK)


def test_the_pod_operator_adds_what_the_stock_one_does_and_no_more(everything):
    for account in WORKERS:
        assert set(granted(everything, account)) == needed_by_workers(SPARK) | STOCK_POD_OPERATOR


def test_without_nodes_and_facts_the_arbiter_sees_the_clusters_identity_and_named_namespaces_only(least):
    rights = set(granted(least, "airflow-scheduler"))
    assert {right for right in rights if right.where == "*"} == {Right("*", "get", "namespaces")}
    assert {right.where for right in rights} == {"*", *SPARK}
    assert not [right for right in rights if right.verb == "create"], (
        "neither dry run nor placeholders are on"
    )


def test_of_namespaces_only_kube_system_may_be_read(everything):
    rules = [
        rule
        for role in of_kind(everything, "ClusterRole")
        for rule in role["rules"]
        if "get" in rule["verbs"]
    ]
    assert [rule["resourceNames"] for rule in rules] == [["kube-system"]]


def test_no_right_is_given_twice_in_one_place_and_none_is_a_wildcard(everything):
    for account in (ARBITER, *WORKERS):
        rights = granted(everything, account)
        assert [right for right, times in Counter(rights).items() if times > 1] == []
    rules = [rule for role in of_kind(everything, "Role", "ClusterRole") for rule in role["rules"]]
    assert not [rule for rule in rules for part in ("apiGroups", "resources", "verbs") if "*" in rule[part]]


def test_nothing_may_read_secrets_or_change_rights(everything):
    for account in (ARBITER, *WORKERS):
        resources = {right.resource for right in granted(everything, account)}
        assert not resources & {"secrets", "configmaps", "roles.rbac.authorization.k8s.io", "serviceaccounts"}


def test_each_rule_says_in_the_template_what_it_is_for():
    for template in ("rbac-namespaces.yaml", "rbac-cluster.yaml"):
        lines = (OURS / "templates" / template).read_text().splitlines()
        for number, line in enumerate(lines):
            if line.strip().startswith("- apiGroups"):
                assert lines[number - 1].strip().startswith("#"), f"{template}:{number + 1} has no reason"


def test_only_workers_label_applications_so_that_only_they_may_patch():
    def uses(room):
        return [
            path.name for path in (PACKAGE / room).glob("*.py") if "label_application" in path.read_text()
        ]

    assert uses("operators")
    assert uses("arbiter") == uses("triggers") == []


@pytest.mark.parametrize(
    ("values", "account"),
    [
        ({"arbiter": {"enabled": True}}, "airflow-priority-spark-arbiter"),
        ({"arbiter": {"enabled": False}}, "airflow-scheduler"),
        ({"arbiter": {"enabled": False}, "airflowRelease": "prod"}, "prod-scheduler"),
        ({"arbiter": {"enabled": True, "serviceAccount": {"create": False, "name": "mine"}}}, "mine"),
        ({"rbac": {"arbiterAccount": "other"}}, "other"),
    ],
)
def test_the_rights_go_to_the_account_that_the_arbiter_runs_as(values, account):
    found = manifests(OURS, merged({"rbac": {"namespaces": ["team-a"]}}, values))
    assert set(granted(found, account)) >= {Right("*", "get", "namespaces"), Right("team-a", "list", "pods")}
    for workload in of_kind(found, "Deployment"):
        if workload["metadata"]["name"].endswith("-arbiter"):
            assert workload["spec"]["template"]["spec"]["serviceAccountName"] == account


def test_without_rbac_nothing_is_granted():
    found = manifests(OURS, merged(EVERYTHING, {"rbac": {"create": False}}))
    assert not of_kind(found, "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
