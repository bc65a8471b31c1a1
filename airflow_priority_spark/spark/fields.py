# SPDX-License-Identifier: Apache-2.0
"""The fields a SparkApplication may have, as the operator's types declare them.

Read from the ``json`` tags of ``api/v1beta2/sparkapplication_types.go``, spark-operator v2.5. Only the
levels are listed where a misspelt name silently changes what a job asks for.
"""

from __future__ import annotations

from typing import Final

SPEC: Final = frozenset(
    [
        "arguments",
        "batchScheduler",
        "batchSchedulerOptions",
        "deps",
        "driver",
        "driverIngressOptions",
        "driverPodDisruptionBudget",
        "dynamicAllocation",
        "executor",
        "failureRetries",
        "hadoopConf",
        "hadoopConfigMap",
        "image",
        "imagePullPolicy",
        "imagePullSecrets",
        "mainApplicationFile",
        "mainClass",
        "memoryOverheadFactor",
        "mode",
        "monitoring",
        "nodeSelector",
        "proxyUser",
        "pythonVersion",
        "restartPolicy",
        "retryInterval",
        "sparkConf",
        "sparkConfigMap",
        "sparkUIOptions",
        "sparkVersion",
        "suspend",
        "timeToLiveSeconds",
        "type",
        "volumes",
    ]
)

POD: Final = frozenset(
    [
        "affinity",
        "annotations",
        "configMaps",
        "coreLimit",
        "cores",
        "dnsConfig",
        "env",
        "envFrom",
        "envSecretKeyRefs",
        "envVars",
        "gpu",
        "hostAliases",
        "hostNetwork",
        "image",
        "initContainers",
        "labels",
        "memory",
        "memoryLimit",
        "memoryOverhead",
        "nodeSelector",
        "podSecurityContext",
        "schedulerName",
        "secrets",
        "securityContext",
        "serviceAccount",
        "shareProcessNamespace",
        "sidecars",
        "template",
        "terminationGracePeriodSeconds",
        "tolerations",
        "volumeMounts",
    ]
)

DRIVER: Final = POD | frozenset(
    [
        "coreRequest",
        "javaOptions",
        "kubernetesMaster",
        "lifecycle",
        "podName",
        "ports",
        "priorityClassName",
        "serviceAnnotations",
        "serviceLabels",
    ]
)

EXECUTOR: Final = POD | frozenset(
    [
        "coreRequest",
        "deleteOnTermination",
        "instances",
        "javaOptions",
        "lifecycle",
        "ports",
        "priorityClassName",
    ]
)

DYNAMIC_ALLOCATION: Final = frozenset(
    [
        "enabled",
        "initialExecutors",
        "maxExecutors",
        "minExecutors",
        "shuffleTrackingEnabled",
        "shuffleTrackingTimeout",
    ]
)

RESTART_POLICY: Final = frozenset(
    [
        "onFailureRetries",
        "onFailureRetryInterval",
        "onSubmissionFailureRetries",
        "onSubmissionFailureRetryInterval",
        "type",
    ]
)
