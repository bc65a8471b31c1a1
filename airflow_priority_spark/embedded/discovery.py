# SPDX-License-Identifier: Apache-2.0
"""What the API server says about itself: versions, groups, resources, and the SparkApplication CRD."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from airflow_priority_spark.embedded.application_schema import PRINTER_COLUMNS, SPARK_APPLICATION_SCHEMA
from airflow_priority_spark.embedded.kinds import SPARK_APPLICATIONS, Kind

Data = dict[str, Any]

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "gitVersion": "v1.36.0+embedded",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
_APPROVAL = "https://github.com/kubeflow/spark-operator/pull/1298"
_SUBRESOURCE_VERBS = {
    "status": ["get", "patch", "update"],
    "log": ["get"],
    "binding": ["create"],
    "eviction": ["create"],
}
# Subresources that take an object of another kind; by this ``kubectl drain`` knows that it may evict.
_SUBRESOURCE_KINDS = {"eviction": {"group": "policy", "version": "v1", "kind": "Eviction"}}


def documents(kinds: Iterable[Kind]) -> dict[str, Data]:
    """Return the discovery documents by path."""
    by_group: dict[str, dict[str, list[Kind]]] = defaultdict(lambda: defaultdict(list))
    for kind in kinds:
        by_group[kind.group][kind.version].append(kind)
    pages: dict[str, Data] = {
        "/version": VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/api/v1": _resources("v1", by_group[""]["v1"]),
        "/apis/authorization.k8s.io/v1": _reviews(),
    }
    groups = [_group("authorization.k8s.io", ["v1"])]
    for group, versions in sorted(by_group.items()):
        if group:
            groups.append(_group(group, list(versions)))
            pages |= {
                f"/apis/{group}/{name}": _resources(f"{group}/{name}", found)
                for name, found in versions.items()
            }
    for group_page in groups:
        pages[f"/apis/{group_page['name']}"] = {"kind": "APIGroup", "apiVersion": "v1", **group_page}
    pages["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    return pages


def _group(name: str, versions: list[str]) -> Data:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(group_version: str, kinds: Iterable[Kind]) -> Data:
    resources: list[Data] = []
    for kind in kinds:
        common = {"namespaced": kind.namespaced, "kind": kind.kind}
        names: Data = {"singularName": kind.kind.lower(), "shortNames": list(kind.short_names)}
        names |= {"categories": list(kind.categories)} if kind.categories else {}
        resources.append({"name": kind.plural, **names, **common, "verbs": list(kind.verbs)})
        resources += [
            {
                "name": f"{kind.plural}/{part}",
                "singularName": "",
                **common,
                **_SUBRESOURCE_KINDS.get(part, {}),
                "verbs": _SUBRESOURCE_VERBS[part],
            }
            for part in kind.subresources
        ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def _reviews() -> Data:
    review = {
        "name": "selfsubjectaccessreviews",
        "singularName": "selfsubjectaccessreview",
        "namespaced": False,
    }
    resource = {**review, "kind": "SelfSubjectAccessReview", "verbs": ["create"]}
    group_version = "authorization.k8s.io/v1"
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": [resource],
    }


def spark_application_crd() -> Data:
    """Return the CustomResourceDefinition as the operator's chart installs it."""
    kind = SPARK_APPLICATIONS
    names = {
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "shortNames": list(kind.short_names),
    }
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": PRINTER_COLUMNS,
        "schema": {"openAPIV3Schema": SPARK_APPLICATION_SCHEMA},
    }
    conditions = [
        {"type": name, "status": "True", "reason": reason, "message": message, "lastTransitionTime": None}
        for name, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    return {
        "metadata": {
            "name": kind.resource,
            # An API server takes a definition in a protected group only with it.
            "annotations": {"api-approved.kubernetes.io": _APPROVAL},
        },
        "spec": {"group": kind.group, "names": names, "scope": "Namespaced", "versions": [version]},
        "status": {"conditions": conditions, "acceptedNames": names, "storedVersions": [kind.version]},
    }
