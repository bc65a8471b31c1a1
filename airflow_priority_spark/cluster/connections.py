# SPDX-License-Identifier: Apache-2.0
"""From an Airflow Kubernetes connection to an API client of its own, and to the cluster's identity.

The stock hook decides what a connection means, so that a DAG that works with the stock operator
works here. But it was written for one cluster per process: with ``in_cluster`` and with
``disable_verify_ssl`` it writes the Kubernetes client's process-wide default configuration, and an
arbiter that serves two clusters would talk to one of them with the other's settings. So the hook
only fills a configuration that belongs to this connection, and those two cases are done here.

Two connections may lead to the same physical cluster. What tells clusters apart is the UID of the
``kube-system`` namespace, which lives as long as the cluster does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_priority_spark.cluster.kinds import NAMESPACES
from airflow_priority_spark.cluster.transport import Refused, explain, request_json
from airflow_priority_spark.errors import ClusterUnavailable, InvalidInput

if TYPE_CHECKING:
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
    from kubernetes.client import ApiClient, Configuration

    from airflow_priority_spark.spark.request import ConnectionRef

_IDENTITY_NAMESPACE: Final = "kube-system"
#: Each watch holds a connection while it is open; a smaller pool would throw them away with a warning.
_MOST_CONNECTIONS: Final = 1000


@dataclass(frozen=True, slots=True)
class ClusterConnection:
    """A way to a cluster: its own API client, and how to name it to people.

    :param label: ``connection kubernetes_default``, or what stands in for it.
    """

    label: str
    api_client: ApiClient

    @property
    def host(self) -> str:
        """The API server's URL."""
        return str(self.api_client.configuration.host)

    def __str__(self) -> str:
        return f"cluster {self.host} ({self.label})"

    def close(self) -> None:
        """Close pooled sockets."""
        self.api_client.rest_client.pool_manager.clear()


def resolve(ref: ConnectionRef) -> ClusterConnection:
    """Build an API client from an Airflow Kubernetes connection, exactly as the stock provider reads it.

    No request is made. In an arbiter the environment holds ``_AIRFLOW_PROCESS_CONTEXT=server``, which makes
    Airflow look connections up in secrets backends, the environment and the metadata database.

    :param ref: connection id and overrides, as a task gave them.
    :raises InvalidInput: naming ``kubernetes_conn_id`` when there is no such connection, or when no client
        can be made from it.
    """
    from airflow.exceptions import AirflowException
    from airflow.sdk.exceptions import AirflowNotFoundException
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException

    configuration = Configuration()
    configuration.connection_pool_maxsize = _MOST_CONNECTIONS
    try:
        _fill(configuration, _hook(ref, configuration))
    except AirflowNotFoundException:
        raise InvalidInput(
            "kubernetes_conn_id", ref.conn_id, "the id of an existing Airflow connection of type kubernetes"
        ) from None
    except (ConfigException, AirflowException) as error:
        raise InvalidInput(
            "kubernetes_conn_id",
            ref.conn_id,
            f"a connection with a usable Kubernetes configuration ({error})",
        ) from error
    except Exception as error:
        # A YAML or JSON error quotes the kubeconfig, which holds credentials: only its kind is said.
        raise InvalidInput(
            "kubernetes_conn_id",
            ref.conn_id,
            f"a connection with a readable kubeconfig ({type(error).__name__} while reading it)",
        ) from None
    return ClusterConnection(_label(ref), ApiClient(configuration))


def _label(ref: ConnectionRef) -> str:
    parts = [
        f"connection {ref.conn_id}" if ref.conn_id else "",
        f"kubeconfig {ref.config_file}" if ref.config_file else "",
        f"context {ref.cluster_context}" if ref.cluster_context else "",
    ]
    return ", ".join(filter(None, parts)) or "the default Kubernetes configuration"


def _hook(ref: ConnectionRef, configuration: Configuration) -> KubernetesHook:
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

    return KubernetesHook(
        conn_id=ref.conn_id,
        kubernetes_conn_id=ref.conn_id,
        client_configuration=configuration,
        cluster_context=ref.cluster_context,
        config_file=ref.config_file,
        in_cluster=ref.in_cluster,
        # True would make the hook switch TLS verification off for the whole process.
        disable_verify_ssl=False,
    )


def _fill(configuration: Configuration, hook: KubernetesHook) -> None:
    """Let the hook read the connection into ``configuration``."""
    in_cluster = hook.in_cluster if hook.in_cluster is not None else _field(hook, "in_cluster")
    others = (hook.config_file, _field(hook, "kube_config_path"), _field(hook, "kube_config"))
    if in_cluster and not any(others):
        _fill_in_cluster(configuration, keepalive=not _is_true(_field(hook, "disable_tcp_keepalive")))
    else:
        hook.get_conn()
    if _is_true(_field(hook, "disable_verify_ssl")):
        configuration.verify_ssl = False


def _fill_in_cluster(configuration: Configuration, *, keepalive: bool) -> None:
    """Read the pod's service account; the hook would read it into the process-wide default."""
    from airflow.providers.cncf.kubernetes.kube_client import configure_tcp_keepalive
    from kubernetes.config import load_incluster_config

    load_incluster_config(client_configuration=configuration)
    if keepalive:
        configure_tcp_keepalive(configuration)


def _field(hook: KubernetesHook, name: str) -> Any:
    """Read an extra of the connection, also under its name from before Airflow 2.3."""
    extras = hook.conn_extras
    return extras.get(name) if name in extras else extras.get(f"extra__kubernetes__{name}")


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def identify(connection: ClusterConnection) -> str:
    """Return the physical cluster's identity: the UID of its ``kube-system`` namespace.

    :raises PermissionMissing: when the namespace may not be read; the message says what to grant.
    :raises ClusterUnavailable: when nothing answers, or something that is no Kubernetes API.
    """
    try:
        found = request_json(connection, "GET", NAMESPACES.path(name=_IDENTITY_NAMESPACE))
    except Refused as refused:
        raise explain(connection, refused, "get", NAMESPACES, name=_IDENTITY_NAMESPACE) from refused
    uid = (found.get("metadata") or {}).get("uid")
    if not uid:
        raise ClusterUnavailable(f"{connection} has a namespace {_IDENTITY_NAMESPACE} without a UID")
    return str(uid)
