# SPDX-License-Identifier: Apache-2.0
"""SparkApplications: the view the arbiter reconciles with, reading one, deleting one.

A job may also be a pod of its own; what is asked of an application is asked of such a pod too, so it has
the same view (``job_pods`` makes it).

A deletion names the object's UID, never only its name: between the look and the deletion another
worker may have made a new application of the same name, and that one must live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.convert import instant
from airflow_priority_spark.cluster.kinds import PODS, SPARK_APPLICATIONS, Kind
from airflow_priority_spark.cluster.transport import READ_SECONDS, Refused, explain, request_json
from airflow_priority_spark.spark.identity import LABEL_INSTANCE
from airflow_priority_spark.spark.states import is_terminal, read_status


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """A SparkApplication as the arbiter sees it, or the pod that is a job's instead.

    :param state: the operator's word, empty until it has looked at the application.
    :param driver_pod: from ``status.driverInfo.podName``, empty until there is one.
    :param error: the operator's error message.
    :param created: POSIX seconds.
    :param deleting: deletion was asked for; its pods may still live.
    :param kind: what it is.
    :param controlled: something else (a Kubernetes Job …) owns it and would replace it.
    """

    namespace: str
    name: str
    uid: str
    state: str = ""
    driver_pod: str = ""
    error: str = ""
    created: float = 0.0
    deleting: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = SPARK_APPLICATIONS
    controlled: bool = False

    @property
    def word(self) -> str:
        """What people call it."""
        return "pod" if self.kind == PODS else "application"

    @property
    def terminal(self) -> bool:
        """The application has ended and the operator will not start it again."""
        return is_terminal(self.state)

    @property
    def instance_id(self) -> str | None:
        """The Airflow installation that created it, ``None`` for a foreign one."""
        return self.labels.get(LABEL_INSTANCE)


class Deletion(StrEnum):
    """What a deletion came to; each of them is a fine end."""

    REQUESTED = "requested"
    ALREADY_GONE = "already gone"
    #: The name now belongs to another object, which was left alone.
    REPLACED = "replaced by another application of the same name"


def application(raw: Mapping[str, Any]) -> ApplicationView:
    """Convert a SparkApplication."""
    metadata, status = raw["metadata"], read_status(raw)
    return ApplicationView(
        namespace=metadata["namespace"],
        name=status.name,
        uid=status.uid,
        state=status.state,
        driver_pod=status.driver_pod,
        error=status.message,
        created=instant(metadata.get("creationTimestamp")) or 0.0,
        deleting=status.terminating,
        labels=metadata.get("labels") or {},
    )


def get_application(
    connection: ClusterConnection, namespace: str, name: str, *, read_seconds: float = READ_SECONDS
) -> ApplicationView | None:
    """Read one application; ``None`` when there is none.

    :param read_seconds: longest silence of the API server.
    :raises PermissionMissing, ClusterUnavailable: as for every request.
    """
    path = SPARK_APPLICATIONS.path(namespace, name)
    try:
        return application(request_json(connection, "GET", path, read_seconds=read_seconds))
    except Refused as refused:
        if refused.code == 404:
            return None
        raise explain(connection, refused, "get", SPARK_APPLICATIONS, namespace, name) from refused


def delete_application(
    connection: ClusterConnection,
    namespace: str,
    name: str,
    uid: str,
    *,
    kind: Kind = SPARK_APPLICATIONS,
    read_seconds: float = READ_SECONDS,
) -> Deletion:
    """Ask for the deletion of the application with this UID; its pods go with it (owner references).

    :param kind: what it is.
    :param read_seconds: longest silence of the API server.
    :raises PermissionMissing, ClusterUnavailable: as for every request; safe to repeat.
    """
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
        "preconditions": {"uid": uid},
    }
    path = kind.path(namespace, name)
    try:
        request_json(connection, "DELETE", path, body=options, read_seconds=read_seconds)
    except Refused as refused:
        if refused.code == 404:
            return Deletion.ALREADY_GONE
        if refused.code == 409:
            return Deletion.REPLACED
        raise explain(connection, refused, "delete", kind, namespace, name) from refused
    return Deletion.REQUESTED


def label_application(
    connection: ClusterConnection, namespace: str, name: str, uid: str, labels: Mapping[str, str]
) -> bool:
    """Add labels to the application with this UID; its spec is not touched.

    :return: false when it is gone or the name belongs to another one.
    :raises PermissionMissing, ClusterUnavailable: as for every request; safe to repeat.
    """
    path = SPARK_APPLICATIONS.path(namespace, name)
    # The API server refuses a patch whose UID is not the object's with 409.
    try:
        request_json(connection, "PATCH", path, body={"metadata": {"uid": uid, "labels": dict(labels)}})
    except Refused as refused:
        if refused.code in (404, 409, 422):
            return False
        raise explain(connection, refused, "patch", SPARK_APPLICATIONS, namespace, name) from refused
    return True
