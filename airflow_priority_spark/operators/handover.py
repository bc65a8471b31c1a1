# SPDX-License-Identifier: Apache-2.0
"""What a task hands to the tasks after it (``do_xcom_push``): which application it was, never what it holds.

The stock operator's own example reads ``['metadata']['name']`` of the XCom and lets a sensor look at that
application; so that is what is handed over, and an application whose name was handed over is kept until its
time to live is over. The stock operator itself waits for a sidecar that would give it a file of the driver,
and nobody injects one into a driver pod; such a sidecar, if an author brings it, is refused rather than
ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.spark.manifest import API_VERSION

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_priority_spark.operators.ending import End

#: Source: ``PodDefaults.SIDECAR_CONTAINER_NAME`` of apache-airflow-providers-cncf-kubernetes.
SIDECAR: Final = "airflow-xcom-sidecar"


def reference(end: End) -> dict[str, Any]:
    """Return what tells an ended application: as much of it as others may know."""
    return {
        "apiVersion": API_VERSION,
        "kind": "SparkApplication",
        "metadata": {"name": end.name, "namespace": end.namespace, "uid": end.uid},
        "status": {
            "sparkApplicationId": end.application_id,
            "applicationState": {"state": end.state},
            "driverInfo": {"podName": end.driver_pod},
        },
    }


def push_driver(context: Context, end: End) -> None:
    """Push the driver pod's name and namespace under the keys that the stock operators use."""
    if end.driver_pod:
        context["ti"].xcom_push(key="pod_name", value=end.driver_pod)
        context["ti"].xcom_push(key="pod_namespace", value=end.namespace)


def refuse_sidecar(manifest: Mapping[str, Any]) -> None:
    """Refuse a driver that brings a sidecar for its result: nothing would read it.

    :raises InvalidManifest: naming the field.
    """
    driver = manifest["spec"].get("driver") or {}
    template = (driver.get("template") or {}).get("spec") or {}
    places = {
        "spec.driver.sidecars": driver.get("sidecars"),
        "spec.driver.template.spec.containers": template.get("containers"),
        "spec.driver.template.spec.initContainers": template.get("initContainers"),
    }
    for field, containers in places.items():
        if any(container.get("name") == SIDECAR for container in containers or ()):
            raise InvalidManifest(
                field,
                SIDECAR,
                "no container of this name with do_xcom_push: what a driver writes for it is not read; "
                "let the job write its result to storage",
            )
