# SPDX-License-Identifier: Apache-2.0
"""The kinds of objects this cluster serves."""

from __future__ import annotations

from dataclasses import dataclass, field

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Kind:
    """One kind: where it is served, how it is spelled, and which subresources it has.

    Two are the same when they are served in the same place: a definition may change the rest.
    """

    plural: str
    kind: str = field(compare=False)
    group: str = ""
    version: str = "v1"
    namespaced: bool = field(default=True, compare=False)
    short_names: tuple[str, ...] = field(default=(), compare=False)
    subresources: tuple[str, ...] = field(default=(), compare=False)
    categories: tuple[str, ...] = field(default=(), compare=False)
    verbs: tuple[str, ...] = field(default=ALL_VERBS, compare=False)

    @property
    def api_version(self) -> str:
        """``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """Its name in messages and object-count quotas: ``sparkapplications.sparkoperator.k8s.io``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own path, and only there."""
        return "status" in self.subresources


NAMESPACES = Kind("namespaces", "Namespace", namespaced=False, short_names=("ns",), subresources=("status",))
NODES = Kind("nodes", "Node", namespaced=False, short_names=("no",), subresources=("status",))
PODS = Kind(
    "pods",
    "Pod",
    short_names=("po",),
    subresources=("status", "log", "binding", "eviction"),
    categories=("all",),
)
RESOURCE_QUOTAS = Kind("resourcequotas", "ResourceQuota", short_names=("quota",), subresources=("status",))
LIMIT_RANGES = Kind("limitranges", "LimitRange", short_names=("limits",))
EVENTS = Kind("events", "Event", short_names=("ev",))
SERVICES = Kind("services", "Service", short_names=("svc",), subresources=("status",), categories=("all",))
CONFIG_MAPS = Kind("configmaps", "ConfigMap", short_names=("cm",))
SECRETS = Kind("secrets", "Secret")
SERVICE_ACCOUNTS = Kind("serviceaccounts", "ServiceAccount", short_names=("sa",))
CLAIMS = Kind(
    "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",), subresources=("status",)
)
LEASES = Kind("leases", "Lease", group="coordination.k8s.io")
DAEMON_SETS = Kind("daemonsets", "DaemonSet", group="apps", short_names=("ds",), subresources=("status",))
PRIORITY_CLASSES = Kind(
    "priorityclasses", "PriorityClass", group="scheduling.k8s.io", namespaced=False, short_names=("pc",)
)
RUNTIME_CLASSES = Kind("runtimeclasses", "RuntimeClass", group="node.k8s.io", namespaced=False)
DISRUPTION_BUDGETS = Kind(
    "poddisruptionbudgets",
    "PodDisruptionBudget",
    group="policy",
    short_names=("pdb",),
    subresources=("status",),
)
ROLES = Kind("roles", "Role", group="rbac.authorization.k8s.io")
ROLE_BINDINGS = Kind("rolebindings", "RoleBinding", group="rbac.authorization.k8s.io")
CLUSTER_ROLES = Kind("clusterroles", "ClusterRole", group="rbac.authorization.k8s.io", namespaced=False)
CLUSTER_ROLE_BINDINGS = Kind(
    "clusterrolebindings", "ClusterRoleBinding", group="rbac.authorization.k8s.io", namespaced=False
)
CUSTOM_RESOURCE_DEFINITIONS = Kind(
    "customresourcedefinitions",
    "CustomResourceDefinition",
    group="apiextensions.k8s.io",
    namespaced=False,
    short_names=("crd", "crds"),
    subresources=("status",),
)
SPARK_APPLICATIONS = Kind(
    "sparkapplications",
    "SparkApplication",
    group="sparkoperator.k8s.io",
    version="v1beta2",
    short_names=("sparkapp",),
    subresources=("status",),
)

CORE_KINDS = (
    NAMESPACES,
    NODES,
    PODS,
    RESOURCE_QUOTAS,
    LIMIT_RANGES,
    EVENTS,
    SERVICES,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    CLAIMS,
    LEASES,
    DAEMON_SETS,
    PRIORITY_CLASSES,
    RUNTIME_CLASSES,
    DISRUPTION_BUDGETS,
    ROLES,
    ROLE_BINDINGS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    CUSTOM_RESOURCE_DEFINITIONS,
)

# What a metrics server tells of the objects of the same name; nothing of it is stored.
NODE_METRICS = Kind(
    "nodes", "NodeMetrics", "metrics.k8s.io", "v1beta1", namespaced=False, verbs=("get", "list")
)
POD_METRICS = Kind("pods", "PodMetrics", "metrics.k8s.io", "v1beta1", verbs=("get", "list"))
METRICS_KINDS = (NODE_METRICS, POD_METRICS)
