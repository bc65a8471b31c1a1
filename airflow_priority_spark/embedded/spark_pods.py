# SPDX-License-Identifier: Apache-2.0
"""The pods and services of a Spark application, labelled as Spark and the Kubeflow operator label them.

Sources: Spark ``Constants.scala``, ``BasicDriverFeatureStep.scala``, ``BasicExecutorFeatureStep.scala``;
operator ``pkg/common/spark.go``, ``pkg/util/sparkapplication.go``.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from airflow_priority_spark.embedded.objects import Object, labels_of, owner_reference
from airflow_priority_spark.embedded.spark_requests import driver_resources, executor_resources
from airflow_priority_spark.embedded.spark_templates import and_added, over_template, spark_container

DRIVER_CONTAINER = "spark-kubernetes-driver"
EXECUTOR_CONTAINER = "spark-kubernetes-executor"
ROLE = "spark-role"
SELECTOR = "spark-app-selector"
APPLICATION = "sparkoperator.k8s.io/app-name"
SUBMISSION = "sparkoperator.k8s.io/submission-id"
_LAUNCHED = "sparkoperator.k8s.io/launched-by-spark-operator"

Data = dict[str, Any]


def driver_name(app: Object) -> str:
    """Return the name of an application's driver pod."""
    spec = app["spec"]
    conf = spec.get("sparkConf") or {}
    named = (spec.get("driver") or {}).get("podName") or conf.get("spark.kubernetes.driver.pod.name")
    return named or f"{app['metadata']['name']}-driver"


def driver_pod(app: Object, submission: str) -> Data:
    """Return the driver pod of one submission; raises ``InvalidMemory``."""
    spec = app["spec"]
    labels = {
        ROLE: "driver",
        SELECTOR: f"spark-{uuid.uuid4().hex}",
        APPLICATION: app["metadata"]["name"],
        SUBMISSION: submission,
        _LAUNCHED: "true",
        **_common_labels(spec, app["metadata"]["name"]),
    }
    pod = _pod(spec, spec["driver"], DRIVER_CONTAINER, driver_resources(spec), labels)
    pod["metadata"] |= {"name": driver_name(app), "ownerReferences": [owner_reference(app)]}
    return pod


def executor_pod(app: Object, driver: Object, number: int) -> Data:
    """Return the driver's executor pod of this number."""
    spec, own = app["spec"], labels_of(driver)
    labels = {
        ROLE: "executor",
        SELECTOR: own[SELECTOR],
        "spark-exec-id": str(number),
        "spark-exec-resourceprofile-id": "0",
        APPLICATION: own[APPLICATION],
        SUBMISSION: own.get(SUBMISSION, ""),
        _LAUNCHED: "true",
        **_common_labels(spec, app["metadata"]["name"]),
    }
    pod = _pod(spec, spec["executor"], EXECUTOR_CONTAINER, executor_resources(spec), labels)
    name = f"{executor_prefix(app, driver)}-exec-{number}"
    pod["metadata"] |= {"name": name, "ownerReferences": [owner_reference(driver)]}
    return pod


def executor_prefix(app: Object, driver: Object) -> str:
    """Return ``<app>-<hash>``: readable, its own for every submission, at most 47 characters as in Spark."""
    digest = hashlib.sha256(driver["metadata"]["uid"].encode()).hexdigest()[:16]
    return f"{app['metadata']['name'][:30].rstrip('-')}-{digest}"


def driver_service(driver: Object) -> Data:
    """Return the headless service through which executors reach their driver."""
    selector = {SELECTOR: labels_of(driver)[SELECTOR], ROLE: "driver"}
    ports = [{"name": "driver-rpc-port", "port": 7078}, {"name": "blockmanager", "port": 7079}]
    return {
        "metadata": {
            "name": _service_name(driver["metadata"]["name"], "svc"),
            "ownerReferences": [owner_reference(driver)],
            "labels": {SELECTOR: selector[SELECTOR]},
        },
        "spec": {"clusterIP": "None", "selector": selector, "ports": ports},
    }


def ui_service(app: Object) -> Data:
    """Return the operator's service for the Spark UI."""
    name = app["metadata"]["name"]
    return {
        "metadata": {
            "name": _service_name(name, "ui-svc"),
            "ownerReferences": [owner_reference(app)],
            "labels": {APPLICATION: name},
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {APPLICATION: name, ROLE: "driver"},
            "ports": [{"name": "spark-driver-ui-port", "port": 4040, "targetPort": 4040}],
        },
    }


def _service_name(name: str, suffix: str) -> str:
    if len(name) + 1 + len(suffix) <= 63:
        return f"{name}-{suffix}"
    digest = hashlib.sha256(f"{name}-{suffix}".encode()).hexdigest()[:8]
    return f"{name[: 63 - len(suffix) - 10]}-{digest}-{suffix}"


def _common_labels(spec: Mapping[str, Any], name: str) -> dict[str, str]:
    version = {"spark-version": str(spec["sparkVersion"])} if spec.get("sparkVersion") else {}
    return {"spark-app-name": name[:63].rstrip("-."), **version}


def _pod(
    spec: Mapping[str, Any],
    part: Mapping[str, Any],
    container: str,
    resources: Data,
    labels: Mapping[str, str],
) -> Data:
    template = (part.get("template") or {}).get("spec") or {}
    main, others = spark_container(template, container)
    pod_spec: Data = {
        **template,
        "restartPolicy": "Never",
        "nodeSelector": _node_selector(spec, part, template, container.rpartition("-")[2]),
        "tolerations": [*(template.get("tolerations") or ()), *(part.get("tolerations") or ())],
        "containers": [
            {
                "name": main.get("name") or container,
                "image": part.get("image") or spec.get("image") or main.get("image") or "spark",
                "resources": over_template(main, resources),
                "env": [*(main.get("env") or ()), *_environment(part)],
            },
            *and_added(others, part.get("sidecars")),
        ],
        "initContainers": and_added(template.get("initContainers"), part.get("initContainers")),
    }
    for field in ("serviceAccount", "priorityClassName", "schedulerName", "terminationGracePeriodSeconds"):
        if field in part:
            pod_spec["serviceAccountName" if field == "serviceAccount" else field] = part[field]
    metadata = {
        "labels": {**(part.get("labels") or {}), **labels},
        "annotations": dict(part.get("annotations") or {}),
    }
    return {"metadata": metadata, "spec": pod_spec}


def _node_selector(
    spec: Mapping[str, Any], part: Mapping[str, Any], template: Mapping[str, Any], role: str
) -> dict[str, str]:
    conf = spec.get("sparkConf") or {}
    labels = dict(template.get("nodeSelector") or {})
    for prefix in ("spark.kubernetes.node.selector.", f"spark.kubernetes.{role}.node.selector."):
        labels |= {key.removeprefix(prefix): value for key, value in conf.items() if key.startswith(prefix)}
    return {**labels, **(spec.get("nodeSelector") or {}), **(part.get("nodeSelector") or {})}


def _environment(part: Mapping[str, Any]) -> list[Data]:
    typed = [{"name": name, "value": value} for name, value in (part.get("envVars") or {}).items()]
    return [*typed, *(part.get("env") or ())]
