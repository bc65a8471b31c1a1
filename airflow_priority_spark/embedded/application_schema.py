# SPDX-License-Identifier: Apache-2.0
"""The fields of a SparkApplication of v1beta2, as the operator's definition checks them.

Written from the field names, types, bounds and choices that the operator documents for its API
(https://github.com/kubeflow/spark-operator, ``api/v1beta2/sparkapplication_types.go``, v2.5). The parts that
repeat the pod's own API (affinity, volumes, containers, security contexts) are checked for their required
fields and otherwise kept as written, because the pods made from them are checked in full.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
INT32: Schema = {"type": "integer", "format": "int32"}
INT64: Schema = {"type": "integer", "format": "int64"}
TIME: Schema = {"type": "string", "format": "date-time", "nullable": True}
ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
QUANTITY: Schema = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
    "pattern": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$",
}
_POD_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"


def _object(properties: dict[str, Schema], *required: str) -> Schema:
    found: Schema = {"type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _open(*required: str, **properties: Schema) -> Schema:
    named = dict.fromkeys(required, TEXT)
    return {**_object({**named, **properties}, *required), "x-kubernetes-preserve-unknown-fields": True}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _choice(*values: str) -> Schema:
    return {**TEXT, "enum": list(values)}


def _least(schema: Schema, minimum: int) -> Schema:
    return {**schema, "minimum": minimum}


_TEXTS = _list(TEXT)
_TEXT_MAP = _map(TEXT)
_PORT = _object({"containerPort": INT32, "name": TEXT, "protocol": TEXT}, "containerPort", "name", "protocol")
_TOLERATION = _object(
    {"effect": TEXT, "key": TEXT, "operator": TEXT, "tolerationSeconds": INT64, "value": TEXT}
)
_SECRET = _object({"name": TEXT, "path": TEXT, "secretType": TEXT}, "name", "path", "secretType")
_SERVICE = {
    "ingressAnnotations": _TEXT_MAP,
    "ingressTLS": _list(_object({"hosts": _TEXTS, "secretName": TEXT})),
    "serviceAnnotations": _TEXT_MAP,
    "serviceLabels": _TEXT_MAP,
    "servicePort": INT32,
    "servicePortName": TEXT,
    "serviceType": TEXT,
}
_POD: dict[str, Schema] = {
    **dict.fromkeys(
        (
            "coreLimit",
            "coreRequest",
            "image",
            "javaOptions",
            "memory",
            "memoryLimit",
            "memoryOverhead",
            "priorityClassName",
            "schedulerName",
            "serviceAccount",
        ),
        TEXT,
    ),
    **dict.fromkeys(("annotations", "envVars", "labels", "nodeSelector"), _TEXT_MAP),
    **dict.fromkeys(("hostNetwork", "shareProcessNamespace"), FLAG),
    **dict.fromkeys(
        ("affinity", "dnsConfig", "lifecycle", "podSecurityContext", "securityContext"), ANYTHING
    ),
    **dict.fromkeys(("initContainers", "sidecars", "env"), _list(_open("name"))),
    "cores": _least(INT32, 1),
    "configMaps": _list(_object({"name": TEXT, "path": TEXT}, "name", "path")),
    "envFrom": _list(ANYTHING),
    "envSecretKeyRefs": _map(_object({"key": TEXT, "name": TEXT}, "key", "name")),
    "gpu": _object({"name": TEXT, "quantity": INT64}, "name", "quantity"),
    "hostAliases": _list(_object({"hostnames": _TEXTS, "ip": TEXT}, "ip")),
    "ports": _list(_PORT),
    "secrets": _list(_SECRET),
    "template": ANYTHING,
    "terminationGracePeriodSeconds": INT64,
    "tolerations": _list(_TOLERATION),
    "volumeMounts": _list(_open("mountPath", "name")),
}
_DRIVER = {
    **_POD,
    "kubernetesMaster": TEXT,
    "podName": {**TEXT, "pattern": _POD_NAME},
    "serviceAnnotations": _TEXT_MAP,
    "serviceLabels": _TEXT_MAP,
}
_EXECUTOR = {**_POD, "deleteOnTermination": FLAG, "instances": _least(INT32, 1)}
_PROMETHEUS = {
    **dict.fromkeys(("configFile", "configuration", "jmxExporterJar", "portName"), TEXT),
    "port": {**INT32, "minimum": 1024, "maximum": 49151},
}
_MONITORING = {
    "exposeDriverMetrics": FLAG,
    "exposeExecutorMetrics": FLAG,
    "metricsProperties": TEXT,
    "metricsPropertiesFile": TEXT,
    "prometheus": _object(_PROMETHEUS, "jmxExporterJar"),
}
_RESTART_POLICY = {
    "onFailureRetries": _least(INT32, 0),
    "onFailureRetryInterval": _least(INT64, 1),
    "onSubmissionFailureRetries": _least(INT32, 0),
    "onSubmissionFailureRetryInterval": _least(INT64, 1),
    "type": _choice("Never", "Always", "OnFailure"),
}
_DYNAMIC_ALLOCATION = {
    "enabled": FLAG,
    **dict.fromkeys(("initialExecutors", "maxExecutors", "minExecutors"), INT32),
    "shuffleTrackingEnabled": FLAG,
    "shuffleTrackingTimeout": INT64,
}
_SPEC = {
    **dict.fromkeys(
        (
            "batchScheduler",
            "hadoopConfigMap",
            "image",
            "imagePullPolicy",
            "mainApplicationFile",
            "mainClass",
            "memoryOverheadFactor",
            "proxyUser",
            "sparkConfigMap",
            "sparkVersion",
        ),
        TEXT,
    ),
    **dict.fromkeys(("hadoopConf", "nodeSelector", "sparkConf"), _TEXT_MAP),
    "arguments": _TEXTS,
    "batchSchedulerOptions": _object({"priorityClassName": TEXT, "queue": TEXT, "resources": _map(QUANTITY)}),
    "deps": _object(
        dict.fromkeys(
            ("archives", "excludePackages", "files", "jars", "packages", "pyFiles", "repositories"), _TEXTS
        )
    ),
    "driver": _object(_DRIVER),
    "driverIngressOptions": _list(
        _object({**_SERVICE, "ingressURLFormat": TEXT}, "servicePort", "servicePortName")
    ),
    "driverPodDisruptionBudget": FLAG,
    "dynamicAllocation": _object(_DYNAMIC_ALLOCATION),
    "executor": _object(_EXECUTOR),
    "failureRetries": INT32,
    "imagePullSecrets": _TEXTS,
    "mode": _choice("cluster", "client"),
    "monitoring": _object(_MONITORING, "exposeDriverMetrics", "exposeExecutorMetrics"),
    "pythonVersion": _choice("2", "3"),
    "restartPolicy": _object(_RESTART_POLICY),
    "retryInterval": INT64,
    "sparkUIOptions": _object(_SERVICE),
    "suspend": FLAG,
    "timeToLiveSeconds": INT64,
    "type": _choice("Java", "Python", "Scala", "R"),
    "volumes": _list(_open("name")),
}
_DRIVER_INFO = {
    **dict.fromkeys(
        ("podName", "webUIAddress", "webUIIngressAddress", "webUIIngressName", "webUIServiceName"), TEXT
    ),
    "webUIPort": INT32,
}
_STATUS = {
    "applicationState": _object({"errorMessage": TEXT, "state": TEXT}, "state"),
    "driverInfo": _object(_DRIVER_INFO),
    "executionAttempts": INT32,
    "executorState": _TEXT_MAP,
    "lastSubmissionAttemptTime": TIME,
    "sparkApplicationId": TEXT,
    "submissionAttempts": INT32,
    "submissionID": TEXT,
    "terminationTime": TIME,
}

SPARK_APPLICATION_SCHEMA: Schema = _object(
    {
        "apiVersion": TEXT,
        "kind": TEXT,
        "metadata": {"type": "object"},
        "spec": _object(_SPEC, "driver", "executor", "mainApplicationFile", "sparkVersion", "type"),
        "status": _object(_STATUS, "driverInfo"),
    },
    "metadata",
    "spec",
)

PRINTER_COLUMNS = [
    {"name": name, "type": kind, "jsonPath": path}
    for name, kind, path in (
        ("Suspend", "boolean", ".spec.suspend"),
        ("Status", "string", ".status.applicationState.state"),
        ("Attempts", "string", ".status.executionAttempts"),
        ("Start", "string", ".status.lastSubmissionAttemptTime"),
        ("Finish", "string", ".status.terminationTime"),
        ("Age", "date", ".metadata.creationTimestamp"),
    )
]
