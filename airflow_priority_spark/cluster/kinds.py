# SPDX-License-Identifier: Apache-2.0
"""What is read from a cluster and written to it, and the permission each needs.

The tables at the end, one for each account, are the only place that lists permissions: the ``doctor``
command and the shipped RBAC manifests are held against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource of the Kubernetes API.

    :param plural: as in the path, e.g. ``resourcequotas``.
    :param group: API group, empty for the core group.
    :param namespaced: objects live in namespaces.
    """

    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Return the request path of the collection or of one object.

        :param namespace: ``None`` for all namespaces.
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace is not None else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name is not None else "")

    @property
    def resource(self) -> str:
        """The resource as RBAC and the API server's messages name it: ``plural`` or ``plural.group``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


NODES: Final = Kind("nodes", namespaced=False)
NAMESPACES: Final = Kind("namespaces", namespaced=False)
PODS: Final = Kind("pods")
POD_LOGS: Final = Kind("pods/log")
EVENTS: Final = Kind("events")
RESOURCE_QUOTAS: Final = Kind("resourcequotas")
LIMIT_RANGES: Final = Kind("limitranges")
LEASES: Final = Kind("leases", "coordination.k8s.io")
PRIORITY_CLASSES: Final = Kind("priorityclasses", "scheduling.k8s.io", namespaced=False)
SPARK_APPLICATIONS: Final = Kind("sparkapplications", "sparkoperator.k8s.io", "v1beta2")


@dataclass(frozen=True, slots=True)
class Permission:
    """One right this package uses.

    :param cluster_wide: only a ClusterRole can grant it; else a Role per queue namespace is enough.
    :param optional: what is lost without it is said in ``why``; everything else goes on.
    :param name: the one object that it is needed for; empty: any.
    """

    verb: str
    kind: Kind
    why: str
    cluster_wide: bool = False
    optional: bool = False
    name: str = ""


def _watched(kind: Kind, why: str, *, cluster_wide: bool = False, optional: bool = False) -> list[Permission]:
    return [Permission(verb, kind, why, cluster_wide, optional) for verb in ("list", "watch")]


#: What the arbiter uses.
PERMISSIONS: Final[tuple[Permission, ...]] = (
    Permission(
        "get",
        NAMESPACES,
        "the UID of kube-system identifies the cluster",
        cluster_wide=True,
        name="kube-system",
    ),
    *_watched(PODS, "what is used, and which grants their own pods have taken over"),
    *_watched(RESOURCE_QUOTAS, "the capacity of each queue"),
    *_watched(LIMIT_RANGES, "demands no pod of the namespace may have"),
    *_watched(SPARK_APPLICATIONS, "the state of every submitted job"),
    *_watched(
        NODES, "room on nodes; without it capacity is judged by quota only", optional=True, cluster_wide=True
    ),
    *_watched(
        NAMESPACES,
        "naming unknown namespaces; without it they show as refused",
        optional=True,
        cluster_wide=True,
    ),
    *_watched(
        PRIORITY_CLASSES,
        "the default class, for quotas of one class; without it pods that name none count as having none",
        optional=True,
        cluster_wide=True,
    ),
    Permission("get", SPARK_APPLICATIONS, "looking at one application before it is deleted"),
    Permission("delete", SPARK_APPLICATIONS, "ending killed, rescheduled and replaced applications"),
    Permission(
        "delete",
        PODS,
        "ending the pods of killed and replaced jobs that are no Spark applications; without it "
        "a later attempt waits until such a pod has ended",
        optional=True,
    ),
    Permission(
        "create",
        PODS,
        "asking the admission chain (dry run) and placeholders, where capacity_mode names them",
        optional=True,
    ),
)

#: What workers and triggerers use, with the credentials of the task's connection, in the queues' namespaces.
WORKER_PERMISSIONS: Final[tuple[Permission, ...]] = (
    Permission("create", SPARK_APPLICATIONS, "submitting admitted jobs"),
    Permission("get", SPARK_APPLICATIONS, "reading the state of one's own application"),
    *_watched(SPARK_APPLICATIONS, "following submitted jobs, and finding what an earlier attempt has left"),
    Permission(
        "patch",
        SPARK_APPLICATIONS,
        "labelling kept applications as finished, so that no later attempt takes them up",
        optional=True,
    ),
    Permission("delete", SPARK_APPLICATIONS, "ending jobs that are killed, or starved of executors"),
    *_watched(PODS, "noticing drivers that vanish and executors that never come"),
    Permission("get", PODS, "saying with which exit code a driver ended", optional=True),
    Permission("get", POD_LOGS, "copying the driver's log into the task log", optional=True),
    Permission("list", EVENTS, "saying what Kubernetes has noted about a driver pod", optional=True),
)
