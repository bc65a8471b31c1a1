# SPDX-License-Identifier: Apache-2.0
"""Creating, finding and deleting SparkApplications from a worker.

A worker may die after the API server has created the application and before it has answered. So the
name is the same each time the same admission is used, and an application that is already there is ours if
its labels say so. A deletion always names the UID.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_priority_spark.errors import (
    ClusterUnavailable,
    CustomResourceMissing,
    InvalidManifest,
    PermissionMissing,
    PrioritySparkError,
)
from airflow_priority_spark.spark.identity import belongs_to
from airflow_priority_spark.spark.manifest import GROUP, PLURAL, VERSION
from airflow_priority_spark.spark.states import ApplicationStatus, is_quota_refusal, read_status


class QuotaRefusal(PrioritySparkError):
    """Kubernetes refused the application for a quota: the room was taken since the admission."""


class Applications:
    """The SparkApplications of one namespace.

    :param api: ``kubernetes.client.CustomObjectsApi`` of the task's connection.
    """

    def __init__(self, api: Any, namespace: str) -> None:
        self._api, self._namespace = api, namespace

    def create(self, manifest: Mapping[str, Any], labels: Mapping[str, str]) -> ApplicationStatus:
        """Create the application, or adopt the one that an earlier try of the same admission has created.

        :param labels: what an application must carry to be ours.
        :raises QuotaRefusal: the admission is stale.
        :raises CustomResourceMissing, PermissionMissing, InvalidManifest, ClusterUnavailable: as they say.
        """
        from kubernetes.client import ApiException

        name = manifest["metadata"]["name"]
        try:
            created = self._api.create_namespaced_custom_object(
                GROUP, VERSION, self._namespace, PLURAL, dict(manifest)
            )
        except ApiException as error:
            if error.status == 409:
                return self._adopt(name, labels)
            raise explain(error, "create", self._namespace) from error
        return read_status(created)

    def _adopt(self, name: str, labels: Mapping[str, str]) -> ApplicationStatus:
        found = self.raw(name)
        if found is None:
            raise ClusterUnavailable(f"SparkApplication {name} existed a moment ago and is gone; try again")
        if not belongs_to(found["metadata"].get("labels"), labels):
            raise InvalidManifest(
                "metadata.name", name, f"a name that no other SparkApplication of {self._namespace} has"
            )
        status = read_status(found)
        if status.terminating:
            raise ClusterUnavailable(f"SparkApplication {name} of this admission is being deleted; try again")
        return status

    def raw(self, name: str) -> Mapping[str, Any] | None:
        """Return the application as the API server has it, ``None`` when there is none."""
        from kubernetes.client import ApiException

        try:
            found: Mapping[str, Any] = self._api.get_namespaced_custom_object(
                GROUP, VERSION, self._namespace, PLURAL, name
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise explain(error, "get", self._namespace) from error
        return found

    def delete(self, name: str, uid: str) -> bool:
        """Delete the application with this UID; false when it is gone or another has its name."""
        from kubernetes.client import ApiException

        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            self._api.delete_namespaced_custom_object(
                GROUP, VERSION, self._namespace, PLURAL, name, body=body, _request_timeout=20
            )
        except ApiException as error:
            if error.status in (404, 409):
                return False
            raise explain(error, "delete", self._namespace) from error
        return True


def explain(error: Any, verb: str, namespace: str) -> PrioritySparkError:
    """Turn an API server's refusal into an error that says what to do.

    :param error: ``kubernetes.client.ApiException``.
    """
    said = _message(error)
    if is_quota_refusal(said):
        return QuotaRefusal(said)
    if error.status == 404:
        return CustomResourceMissing(
            f"cannot {verb} a SparkApplication in {namespace}: the SparkApplication CRD "
            f"({PLURAL}.{GROUP}) is not installed, or the namespace does not exist ({said}); "
            "install the Kubeflow Spark operator"
        )
    if error.status in (401, 403):
        return PermissionMissing(
            f"cannot {verb} {PLURAL}.{GROUP} in namespace {namespace}: {said}. Grant the verb {verb} on "
            f"{PLURAL} of API group {GROUP} in {namespace} to this task's Kubernetes user"
        )
    if error.status == 422:
        return InvalidManifest("SparkApplication", said, "what the cluster's SparkApplication schema accepts")
    return ClusterUnavailable(f"cannot {verb} a SparkApplication in {namespace}: {error.status} {said}")


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.body or error.reason or error)
