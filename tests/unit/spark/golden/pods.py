# SPDX-License-Identifier: Apache-2.0
"""What stands beside Spark's container, and the claims for volumes."""

from __future__ import annotations

from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.memory import GIB, MIB
from tests.unit.spark.golden.case import (
    DRIVER,
    EPHEMERAL,
    EXECUTOR,
    HELPERS,
    K8S_UTILS,
    POD_DEFAULTS,
    PVC_QUOTA,
    SUBMISSION,
    VOLUME_CONF,
    VOLUMES,
    WEBHOOK,
    Case,
    conf,
    container,
    jvm,
    template,
)

SMALL = {"cpu": "100m", "memory": "64Mi"}
BIG = {"cpu": "4", "memory": "8Gi"}
OF_DRIVER, OF_EXECUTOR = "spark-kubernetes-driver", "spark-kubernetes-executor"
RESTARTABLE = {"restartPolicy": "Always"}


def claim(role="executor", name="data", storage_class="gp3", size="100Gi", claim_name="OnDemand"):
    """Return the settings of one volume."""
    prefix = f"spark.kubernetes.{role}.volumes.persistentVolumeClaim.{name}"
    options = {"claimName": claim_name, "storageClass": storage_class, "sizeLimit": size}
    given = {f"{prefix}.options.{key}": value for key, value in options.items() if value}
    return {f"{prefix}.mount.path": f"/{name}", **given}


def charged(*sizes, storage_class="gp3"):
    """Return what claims of these sizes charge."""
    of_class = f"{storage_class}.storageclass.storage.k8s.io/"
    keys = {"requests.storage": sum(sizes), "persistentvolumeclaims": len(sizes)}
    return keys | {f"{of_class}{key}": amount for key, amount in keys.items()} if storage_class else keys


def ephemeral(name, size, storage_class=None):
    spec = {"resources": {"requests": {"storage": size}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    return {"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}


CASES = [
    Case("a sidecar of the manifest is added", WEBHOOK,
         jvm(driver={"sidecars": [container("proxy", SMALL)]}), (1100, 1408 + 64), in_spark=False),
    Case("a sidecar of a template is added", K8S_UTILS,
         jvm(executor=template(container(OF_EXECUTOR), container("proxy", SMALL))),
         executor=(1100, 1408 + 64)),
    Case("a sidecar that template and manifest name alike is there once", WEBHOOK,
         jvm(executor={**template(container(OF_EXECUTOR), container("proxy", SMALL)),
                       "sidecars": [container("proxy", SMALL)]}),
         executor=(1100, 1408 + 64), in_spark=False),
    Case("a sidecar that only has limits requests them", POD_DEFAULTS,
         jvm(driver=template(container(OF_DRIVER), container("proxy", limits=SMALL))), (1100, 1408 + 64)),
    Case("a sidecar without resources adds nothing", HELPERS,
         jvm(driver=template(container(OF_DRIVER), container("proxy")))),
    Case("a template's CPU and memory of Spark's container are overwritten", DRIVER,
         jvm(driver=template(container(OF_DRIVER, BIG)))),
    Case("a template's ephemeral storage of Spark's container stays", EXECUTOR,
         jvm(executor=template(container(OF_EXECUTOR, {"ephemeral-storage": "20Gi"}))),
         executor_other={"ephemeral-storage": 20 * GIB}),
    Case("so does one that is only a limit", POD_DEFAULTS,
         jvm(executor=template(container(OF_EXECUTOR, limits={"ephemeral-storage": "20Gi"}))),
         executor_other={"ephemeral-storage": 20 * GIB}),
    Case("ephemeral storage of a sidecar is added to it", HELPERS,
         jvm(executor=template(container(OF_EXECUTOR, {"ephemeral-storage": "20Gi"}),
                               container("proxy", {"ephemeral-storage": "1Gi"}))),
         executor_other={"ephemeral-storage": 21 * GIB}),
    Case("a template's GPU of Spark's container stays", DRIVER,
         jvm(driver=template(container(OF_DRIVER, limits={"nvidia.com/gpu": "1"}))),
         driver_other={"nvidia.com/gpu": 1}),
    Case("a GPU of sparkConf replaces the template's, it is not added", EXECUTOR,
         conf(executor=template(container(OF_EXECUTOR, limits={"nvidia.com/gpu": "1"})),
              conf={"spark.executor.resource.gpu.amount": "4",
                    "spark.executor.resource.gpu.vendor": "nvidia.com"}),
         executor_other={"nvidia.com/gpu": 4}),
    Case("Spark's container is found by its name, wherever it stands", SUBMISSION,
         jvm(driver=template(container("proxy", SMALL), container(OF_DRIVER, BIG))), (1100, 1408 + 64)),
    Case("where none has the name, the first is Spark's", K8S_UTILS,
         jvm(driver=template(container("main", BIG), container("proxy", SMALL))), (1100, 1408 + 64)),
    Case("sparkConf cannot rename it: the operator's name comes later", SUBMISSION,
         conf(driver=template(container("mine", SMALL), container(OF_DRIVER, BIG)),
              conf={"spark.kubernetes.driver.podTemplateContainerName": "mine"}), (1100, 1408 + 64)),
    Case("an empty template changes nothing", K8S_UTILS, jvm(driver=template(), executor=template())),
    Case("a small init container hides behind the containers", HELPERS,
         jvm(driver=template(container(OF_DRIVER), initContainers=[container("init", SMALL)]))),
    Case("a large init container decides", HELPERS,
         jvm(driver=template(container(OF_DRIVER), initContainers=[container("init", BIG)])), (4000, 8192)),
    Case("each resource on its own", HELPERS,
         jvm(executor=template(container(OF_EXECUTOR), initContainers=[container("init", {"cpu": "4"})])),
         executor=(4000, 1408)),
    Case("of several init containers the largest decides, not the sum", HELPERS,
         jvm(driver=template(container(OF_DRIVER),
                             initContainers=[container("a", BIG), container("b", BIG)])), (4000, 8192)),
    Case("a restartable init container runs on and is added", HELPERS,
         jvm(driver=template(container(OF_DRIVER),
                             initContainers=[container("mesh", SMALL, **RESTARTABLE)])), (1100, 1408 + 64)),
    Case("an init container runs beside the restartable ones before it", HELPERS,
         jvm(driver=template(container(OF_DRIVER),
                             initContainers=[container("mesh", SMALL, **RESTARTABLE),
                                             container("init", BIG)])), (4100, 8192 + 64)),
    Case("and not beside those after it", HELPERS,
         jvm(driver=template(container(OF_DRIVER),
                             initContainers=[container("init", BIG),
                                             container("mesh", SMALL, **RESTARTABLE)])), (4000, 8192)),
    Case("the manifest's init containers run after the template's", WEBHOOK,
         jvm(driver={**template(container(OF_DRIVER),
                                initContainers=[container("mesh", SMALL, **RESTARTABLE)]),
                     "initContainers": [container("init", BIG)]}), (4100, 8192 + 64), in_spark=False),
    Case("a RuntimeClass's overhead is added to each pod", HELPERS,
         jvm(executor=template(container(OF_EXECUTOR), runtimeClassName="kata")),
         executor=(1250, 1408 + 120), in_spark=False,
         options={"runtime_class_overhead": {"kata": Resources({"cpu": 250, "memory": 120 * MIB})}}),
    Case("a template that writes the overhead down makes it known", HELPERS,
         jvm(driver=template(container(OF_DRIVER), runtimeClassName="kata",
                             overhead={"cpu": "250m", "memory": "120Mi"})), (1250, 1408 + 120),
         in_spark=False),
    Case("the overhead comes on top of a large init container", HELPERS,
         jvm(driver=template(container(OF_DRIVER), runtimeClassName="wasm", overhead={"memory": "128Mi"},
                             initContainers=[container("init", BIG)])), (4000, 8192 + 128), in_spark=False),
    Case("a claim on demand charges the storage of every executor", VOLUMES,
         conf(executor={"instances": 3}, conf=claim()), count=3, storage=charged(*[100 * GIB] * 3)),
    Case("the driver's claim is charged once", VOLUMES,
         conf(executor={"instances": 3}, conf=claim("driver", size="10Gi")), count=3,
         storage=charged(10 * GIB)),
    Case("claims of driver and executors add up", PVC_QUOTA,
         conf(executor={"instances": 2}, conf={**claim("driver", size="10Gi"), **claim(size="20Gi")}),
         count=2, storage=charged(10 * GIB, 20 * GIB, 20 * GIB)),
    Case("two volumes are two claims", VOLUMES,
         conf(conf={**claim(size="1Gi"), **claim(name="more", size="1Gi")}), storage=charged(GIB, GIB)),
    Case("a claim by a name of its own is made too, where class and size are given", VOLUMES,
         conf(conf=claim(claim_name="data-SPARK_EXECUTOR_ID", size="1Gi")), storage=charged(GIB)),
    Case("without a storage class Spark makes no claim", VOLUMES, conf(conf=claim(storage_class=None))),
    Case("nor without a size", VOLUMES, conf(conf=claim(size=None))),
    Case("a claim that exists is not charged", VOLUMES,
         conf(conf=claim(storage_class=None, size=None, claim_name="shared"))),
    Case("without executors there are no claims", VOLUMES,
         conf(conf={"spark.executor.instances": "0", **claim()}), count=0),
    Case("a size without a unit is bytes", VOLUME_CONF, conf(conf=claim(size="2048")),
         storage=charged(2048)),
    Case("an empty directory charges nothing, whatever its limit", VOLUME_CONF,
         conf(conf={"spark.kubernetes.executor.volumes.emptyDir.tmp.mount.path": "/tmp/x",
                    "spark.kubernetes.executor.volumes.emptyDir.tmp.options.sizeLimit": "5Gi"})),
    Case("a generic ephemeral volume of a template is a claim per pod", EPHEMERAL,
         jvm(executor={**template(container(OF_EXECUTOR), volumes=[ephemeral("scratch", "5Gi", "gp3")]),
                       "instances": 2}), count=2, storage=charged(5 * GIB, 5 * GIB), in_spark=False),
    Case("one of the manifest is a claim where it is mounted", WEBHOOK,
         jvm(volumes=[ephemeral("scratch", "5Gi")],
             driver={"volumeMounts": [{"name": "scratch", "mountPath": "/s"}]}),
         storage=charged(5 * GIB, storage_class=None), in_spark=False),
]  # fmt: skip
