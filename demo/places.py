# SPDX-License-Identifier: Apache-2.0
"""Where the demo runs: an embedded cluster of its own, or a real one that is lent for a few minutes.

A real cluster gets two namespaces with a prefix nobody else has, their quotas and the service account
that Spark's drivers need; all of it goes with the namespaces at the end. Its nodes cannot have the
example programs, so Spark's own image with its bundled examples is run instead.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from airflow_priority_spark.embedded import spark_submit
from airflow_priority_spark.embedded.process import EmbeddedCluster
from demo.plan import NODES, QUOTAS, ROOT

SIMULATED_SECONDS: Final = 8.0
SERVICE_ACCOUNT: Final = "spark"
_CRD: Final = "sparkapplications.sparkoperator.k8s.io"


class UnsuitableCluster(RuntimeError):
    """The cluster that was named cannot run the demo; the message says why and what would help."""


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster that is ready.

    :param environment: what the example DAGs read.
    :param config: of Airflow, ``section.option`` → value.
    :param patience: seconds after which a run that has not ended has failed.
    """

    kubeconfig: Path
    namespaces: tuple[str, ...]
    describe: str
    is_own: bool
    patience: float
    environment: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def embedded_place(directory: Path) -> Iterator[Place]:
    """Start an embedded cluster; it ends with the block, or with this process."""
    with EmbeddedCluster.start(
        directory,
        nodes=NODES,
        namespaces=QUOTAS,
        simulated_seconds=SIMULATED_SECONDS,
        app_root=ROOT,
    ) as cluster:
        programs = "Spark drivers are real spark-submit processes"
        if not cluster.real_drivers:
            programs = f"run times are SIMULATED, for {spark_submit.obstacle()}"
        yield Place(
            kubeconfig=cluster.kubeconfig,
            namespaces=tuple(QUOTAS),
            describe=f"embedded cluster at {cluster.url}; {programs}",
            is_own=True,
            patience=600.0,
            config={"priority_spark.nodes": "fixed"},
        )


@contextmanager
def real_place(kubeconfig: Path) -> Iterator[Place]:
    """Borrow a real cluster; its two namespaces are deleted at the end of the block.

    :raises UnsuitableCluster: when it does not answer, has no Spark operator, or does not let us in.
    """
    prefix = f"demo-{secrets.token_hex(3)}-"
    api = _connect(kubeconfig)
    namespaces = tuple(f"{prefix}{name}" for name in QUOTAS)
    try:
        with _explained(kubeconfig):
            for name, hard in QUOTAS.items():
                _make_namespace(api, f"{prefix}{name}", hard)
        yield Place(
            kubeconfig=kubeconfig,
            namespaces=namespaces,
            describe=f"cluster of {kubeconfig}; namespaces {', '.join(namespaces)}",
            is_own=False,
            patience=1800.0,
            environment={
                "PRIORITY_SPARK_EXAMPLES": "bundled",
                "PRIORITY_SPARK_EXAMPLES_PREFIX": prefix,
            },
        )
    finally:
        with _explained(kubeconfig):
            for namespace in namespaces:
                _delete_namespace(api, namespace)


@contextmanager
def _explained(kubeconfig: Path) -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        raise UnsuitableCluster(
            f"{kubeconfig}: the cluster refuses ({error.status}): {error.body or error.reason}"
        ) from error
    except HTTPError as error:
        raise UnsuitableCluster(f"{kubeconfig}: the cluster does not answer: {error}") from error


def _connect(kubeconfig: Path) -> client.ApiClient:
    if not kubeconfig.is_file():
        raise UnsuitableCluster(f"{kubeconfig}: no such file; name a kubeconfig: make demo KUBECONFIG=PATH")
    try:
        api = config.new_client_from_config(str(kubeconfig))
    except (ConfigException, TypeError, YAMLError) as error:
        # A file of another kind makes the client stumble over what it read.
        raise UnsuitableCluster(f"{kubeconfig}: not a kubeconfig: {error}") from error
    with _explained(kubeconfig):
        try:
            client.ApiextensionsV1Api(api).read_custom_resource_definition(_CRD)
        except ApiException as error:
            if error.status != 404:
                raise
            raise UnsuitableCluster(
                f"{kubeconfig}: {_CRD} is not installed; install the Kubeflow Spark operator "
                '(version 2) with spark.jobNamespaces={""} so that it looks at all namespaces'
            ) from error
    return api


def _make_namespace(api: client.ApiClient, name: str, hard: Mapping[str, str]) -> None:
    core = client.CoreV1Api(api)
    labels = {"app.kubernetes.io/part-of": "priority-spark-demo"}
    core.create_namespace({"metadata": {"name": name, "labels": labels}})
    core.create_namespaced_resource_quota(name, {"metadata": {"name": name}, "spec": {"hard": dict(hard)}})
    core.create_namespaced_service_account(name, {"metadata": {"name": SERVICE_ACCOUNT}})
    rbac = client.RbacAuthorizationV1Api(api)
    rbac.create_namespaced_role(name, {"metadata": {"name": SERVICE_ACCOUNT}, "rules": _DRIVER_RULES})
    rbac.create_namespaced_role_binding(name, _binding(name))


#: What a driver does in its namespace (Spark documentation, "Running on Kubernetes", RBAC).
_DRIVER_RULES: Final[list[dict[str, Any]]] = [
    {
        "apiGroups": [""],
        "resources": ["pods", "services", "configmaps", "persistentvolumeclaims"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"],
    }
]


def _binding(namespace: str) -> dict[str, Any]:
    return {
        "metadata": {"name": SERVICE_ACCOUNT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": SERVICE_ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": namespace}],
    }


def _delete_namespace(api: client.ApiClient, name: str) -> None:
    try:
        client.CoreV1Api(api).delete_namespace(name)
    except ApiException as error:
        if error.status != 404:
            raise
