# SPDX-License-Identifier: Apache-2.0
"""A golden case: a manifest, what its pods must ask for, and whose code says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.unit.spark.manifests import jvm, manifest

SPARK = "apache/spark: "
K8S = SPARK + "resource-managers/kubernetes/core/src/main/scala/org/apache/spark/deploy/k8s/"
DRIVER = K8S + "features/BasicDriverFeatureStep.scala"
EXECUTOR = K8S + "features/BasicExecutorFeatureStep.scala"
PROFILE = SPARK + "core/src/main/scala/org/apache/spark/resource/ResourceProfile.scala"
CONFIG = SPARK + "core/src/main/scala/org/apache/spark/internal/config/package.scala"
K8S_CONFIG = K8S + "Config.scala"
UTILS = SPARK + "core/src/main/scala/org/apache/spark/util/Utils.scala"
JAVA_UTILS = SPARK + "common/utils/src/main/java/org/apache/spark/network/util/JavaUtils.java"
SUBMIT = SPARK + "core/src/main/scala/org/apache/spark/deploy/SparkSubmit.scala"
BACKEND = SPARK + "core/src/main/scala/org/apache/spark/scheduler/cluster/SchedulerBackendUtils.scala"
MANAGER = (
    SPARK + "resource-managers/kubernetes/core/src/main/scala/org/apache/spark/scheduler/cluster/k8s/"
    "KubernetesClusterManager.scala"
)
VOLUMES = K8S + "features/MountVolumesFeatureStep.scala"
VOLUME_CONF = K8S + "KubernetesVolumeUtils.scala"
K8S_UTILS = K8S + "KubernetesUtils.scala"
SERVICE = K8S + "features/DriverServiceFeatureStep.scala"
TEMPLATES = K8S + "features/PodTemplateConfigMapStep.scala"
OPERATOR = "kubeflow/spark-operator: "
SUBMISSION = OPERATOR + "internal/controller/sparkapplication/submission.go"
DEFAULTS = OPERATOR + "api/v1beta2/defaults.go"
WEBHOOK = OPERATOR + "internal/webhook/sparkpod_defaulter.go"
YUNIKORN = OPERATOR + "internal/scheduler/yunikorn/resourceusage/memory.go"
KUBERNETES = "kubernetes/kubernetes: "
HELPERS = KUBERNETES + "staging/src/k8s.io/component-helpers/resource/helpers.go"
POD_DEFAULTS = KUBERNETES + "pkg/apis/core/v1/defaults.go"
PVC_QUOTA = KUBERNETES + "pkg/quota/v1/evaluator/core/persistent_volume_claims.go"
EPHEMERAL = KUBERNETES + "pkg/controller/volume/ephemeral/controller.go"

#: A jar of 1 GiB: its overhead is the minimum of 384 MiB. A Python file of 1 GiB: 0.4 of it, 409 MiB.
JAR = (1000, 1024 + 384)
PY = (1000, 1024 + 409)

Size = tuple[int, int]


@dataclass(frozen=True)
class Case:
    """One sentence and what follows from it; what is not given is as in a plain jar.

    :param source: the upstream file that decides.
    :param driver: millicores and MiB of the driver pod.
    :param executor: millicores and MiB of one executor pod.
    :param count: executors.
    :param driver_other: every other resource the driver pod requests.
    :param executor_other: every other resource an executor pod requests.
    :param storage: what the job's volume claims charge.
    :param options: of ``compute_demand``.
    :param in_spark: real Spark of this environment decides the same (false: the operator's webhook, another
        version or Kubernetes decides).
    """

    sentence: str
    source: str
    body: dict[str, Any]
    driver: Size = JAR
    executor: Size = JAR
    count: int = 1
    driver_other: dict[str, int] = field(default_factory=dict)
    executor_other: dict[str, int] = field(default_factory=dict)
    storage: dict[str, int] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    in_spark: bool = True


def conf(**spec):
    """Return a manifest with a jar; ``conf`` is its ``sparkConf``."""
    settings = spec.pop("conf", {})
    return jvm(**{"sparkConf": settings, **spec})


def container(name, requests=None, limits=None, **more):
    """Return a container with these resources."""
    resources = {key: value for key, value in (("requests", requests), ("limits", limits)) if value}
    return {"name": name, "image": name, "resources": resources, **more}


def template(*containers, **spec):
    """Return the field ``template`` of a driver or executor."""
    return {"template": {"spec": {"containers": list(containers), **spec}}}


__all__ = ["Case", "conf", "container", "jvm", "manifest", "template"]
