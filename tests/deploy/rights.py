# SPDX-License-Identifier: Apache-2.0
"""What manifests grant to whom, and what the code declares to need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from airflow_priority_spark.cluster.kinds import PERMISSIONS, WORKER_PERMISSIONS, Permission
from tests.deploy.charts import NAMESPACE, of_kind


class Right(NamedTuple):
    """``where``: a namespace, or ``*`` for all and for what lies in none."""

    where: str
    verb: str
    resource: str


def granted(found: list[dict], account: str) -> list[Right]:
    """Every right that bindings give to a service account, as often as it is given."""
    roles = {
        (item["kind"], item["metadata"].get("namespace", NAMESPACE), item["metadata"]["name"]): item["rules"]
        for item in of_kind(found, "Role", "ClusterRole")
    }
    rights = []
    for binding in of_kind(found, "RoleBinding", "ClusterRoleBinding"):
        subjects = {(one["name"], one["namespace"]) for one in binding["subjects"]}
        if (account, NAMESPACE) not in subjects:
            continue
        home = binding["metadata"].get("namespace", NAMESPACE)
        where = "*" if binding["kind"] == "ClusterRoleBinding" else home
        for rule in roles[binding["roleRef"]["kind"], home, binding["roleRef"]["name"]]:
            rights += [Right(where, verb, resource) for verb, resource in _pairs(rule)]
    return rights


def _pairs(rule: dict) -> list[tuple[str, str]]:
    return [
        (verb, f"{plural}.{group}" if group else plural)
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for verb in rule["verbs"]
    ]


def needed_by_arbiter(namespaces: list[str]) -> set[Right]:
    return _needed(PERMISSIONS, namespaces)


def needed_by_workers(namespaces: list[str]) -> set[Right]:
    """What workers and triggerers use."""
    return _needed(WORKER_PERMISSIONS, namespaces)


def _needed(table: Iterable[Permission], namespaces: list[str]) -> set[Right]:
    return {
        Right(where, item.verb, item.kind.resource)
        for item in table
        for where in (["*"] if item.cluster_wide else namespaces)
    }
