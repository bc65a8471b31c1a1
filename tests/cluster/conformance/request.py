# SPDX-License-Identifier: Apache-2.0
"""A request of the conformance list, as data: what is sent, what is kept, and what of the answer counts.

Paths and bodies may name ``{ns}``, the namespace each chapter has to itself, and whatever earlier requests of
the chapter kept. Cluster-scoped objects are called ``{ns}-…`` so that two runs do not meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
# A value that must not be there, for ``until``.
ABSENT = "<absent>"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"

CORE = "/api/v1"
OWN = "/api/v1/namespaces/{ns}"
APPS = "/apis/sparkoperator.k8s.io/v1beta2/namespaces/{ns}/sparkapplications"


@dataclass(frozen=True)
class Request:
    """One request.

    :param title: unique in its chapter; a sentence a reader understands.
    :param user: impersonated; empty for the kubeconfig's own user.
    :param token: replaces the kubeconfig's credentials.
    :param keep: names for values of the answer (dotted paths), usable in later requests.
    :param until: (dotted path, value): sent again until the answer holds the value (``None``: any value).
        The path ``code`` is the HTTP status.
    :param look: the dotted paths of the answer that count; all of it when empty.
    :param compared: whether the answer counts at all; a request may only set the scene.
    """

    title: str
    method: str
    path: str
    body: Any = None
    content_type: str = JSON
    accept: str = JSON
    user: str = ""
    token: str | None = None
    keep: Mapping[str, str] = field(default_factory=dict)
    until: tuple[str, Any] | None = None
    look: tuple[str, ...] = ()
    compared: bool = True


def get(title: str, path: str, **options: Any) -> Request:
    """Read an object, a list or a watch."""
    return Request(title, "GET", path, **options)


def post(title: str, path: str, body: Any, **options: Any) -> Request:
    """Create an object."""
    return Request(title, "POST", path, body, **options)


def put(title: str, path: str, body: Any, **options: Any) -> Request:
    """Replace an object."""
    return Request(title, "PUT", path, body, **options)


def patch(title: str, path: str, body: Any, content_type: str = MERGE, **options: Any) -> Request:
    """Change a part of an object."""
    return Request(title, "PATCH", path, body, content_type, **options)


def delete(title: str, path: str, body: Any = None, **options: Any) -> Request:
    """Delete an object or a collection."""
    return Request(title, "DELETE", path, body, **options)


def config_map(name: str, labels: Mapping[str, str] | None = None, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    metadata: dict[str, Any] = {"name": name, **({"labels": dict(labels)} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pod(name: str, *, cpu: str = "1", memory: str = "1Gi", **spec: Any) -> dict[str, Any]:
    """A pod of one container that no scheduler takes, unless ``schedulerName`` says otherwise."""
    resources = {"requests": {"cpu": cpu, "memory": memory}}
    container = {"name": "main", "image": "pause", "resources": resources}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"schedulerName": "nobody", "containers": [container], **spec},
    }


def quota(name: str, hard: Mapping[str, str], **spec: Any) -> dict[str, Any]:
    """A ResourceQuota."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name},
        "spec": {"hard": dict(hard), **spec},
    }


def application(name: str, **spec: Any) -> dict[str, Any]:
    """A SparkApplication that asks its operator to leave it alone."""
    return {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"name": name},
        "spec": {
            "type": "Scala",
            "mode": "cluster",
            "sparkVersion": "4.0.0",
            "mainClass": "Main",
            "mainApplicationFile": "local:///app.jar",
            "suspend": True,
            "driver": {"cores": 1, "memory": "512m"},
            "executor": {"cores": 1, "memory": "512m", "instances": 1},
            **spec,
        },
    }
