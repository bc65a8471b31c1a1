# SPDX-License-Identifier: Apache-2.0
"""The rules of the other tests find what they are for: a rule that never complains is none."""

from __future__ import annotations

from tests.deploy import rules
from tests.deploy.rights import Right, granted

POD = {
    "kind": "Deployment",
    "apiVersion": "apps/v1",
    "metadata": {"name": "careless"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "containers": [
                    {"name": "c", "image": "i", "volumeMounts": [{"name": "gone", "mountPath": "/gone"}]}
                ]
            },
        },
    },
}


def test_a_careless_pod_is_told_everything_that_it_lacks():
    said = "\n".join(rules.careless_pods([POD]))
    for what in (
        "runs as root",
        "write to its root",
        "gain privileges",
        "capabilities",
        "liveness",
        "memory limit",
    ):
        assert what in said
    assert rules.unmounted_volumes([POD]) == ["Deployment careless / c: no volume gone"]
    assert len(rules.without_database(POD)) == 2


def test_a_misspelt_field_and_a_wrong_type_are_found():
    bad = {**POD, "spec": {**POD["spec"], "replicas": "two", "strateggy": {}}}
    said = "\n".join(rules.invalid([bad]))
    assert rules.invalid([POD]) == []
    assert "replicas" in said or "'two'" in said or "strateggy" in said
    assert len(rules.invalid([bad])) == len(rules.KUBERNETES)


def test_two_objects_of_one_name_are_found():
    assert rules.duplicates([POD, POD]) == ["Deployment careless is made twice"]


def test_rights_are_those_of_the_bound_account_only():
    role = {
        "kind": "Role",
        "metadata": {"name": "r", "namespace": "team-a"},
        "rules": [{"apiGroups": ["x.io"], "resources": ["things"], "verbs": ["get"]}],
    }
    binding = {
        "kind": "RoleBinding",
        "metadata": {"name": "r", "namespace": "team-a"},
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "me", "namespace": "airflow-system"}],
    }
    assert granted([role, binding], "me") == [Right("team-a", "get", "things.x.io")]
    assert granted([role, binding], "you") == []
