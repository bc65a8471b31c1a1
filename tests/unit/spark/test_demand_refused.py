# SPDX-License-Identifier: Apache-2.0
"""What can never be right is refused by its name, and what the numbers leave out is said."""

from __future__ import annotations

import pytest

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.spark.demand import compute_demand
from tests.unit.spark.manifests import jvm, manifest, volume

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
VOLUME = "spark.kubernetes.executor.volumes.persistentVolumeClaim.d.options"

IMPOSSIBLE = [
    ("driver cores 0", manifest(driver={"cores": 0}), "spec.driver.cores: 0", "at least 1"),
    ("half a core", manifest(driver={"cores": 0.5}), "spec.driver.cores: 0.5", "a whole number"),
    ("no core request", manifest(driver={"coreRequest": "0"}), "spec.driver.coreRequest: '0'", "more than 0"),
    ("core request", manifest(driver={"coreRequest": "1x"}), "spec.driver.coreRequest: '1x'", "quantity"),
    ("core limit", manifest(driver={"coreLimit": "many"}), "spec.driver.coreLimit: 'many'", "quantity"),
    ("instances", manifest(executor={"instances": -1}), "spec.executor.instances: -1", "at least 1"),
    ("memory", manifest(executor={"memory": "4Gi"}), "spec.executor.memory: '4Gi'", "such as 512m or 4g"),
    ("no memory", manifest(driver={"memory": "100k"}), "spec.driver.memory: '100k'", "at least 1m"),
    (
        "memory in sparkConf",
        manifest(sparkConf={"spark.executor.memory": "2.5g"}),
        "spec.sparkConf[spark.executor.memory]: '2.5g'",
        "no fraction",
    ),
    ("overhead", manifest(driver={"memoryOverhead": "x"}), "spec.driver.memoryOverhead: 'x'", "512m or 4g"),
    ("factor", manifest(memoryOverheadFactor="lots"), "spec.memoryOverheadFactor: 'lots'", "at least 0"),
    (
        "off-heap without a size",
        manifest(sparkConf={"spark.memory.offHeap.enabled": "true"}),
        "spec.sparkConf[spark.memory.offHeap.size]: None",
        "off-heap memory is enabled",
    ),
    (
        "a flag that is none",
        manifest(sparkConf={"spark.memory.offHeap.enabled": "on"}),
        "spec.sparkConf[spark.memory.offHeap.enabled]: 'on'",
        "true or false",
    ),
    (
        "more to start with than the maximum",
        manifest(dynamicAllocation={"enabled": True, "initialExecutors": 5, "maxExecutors": 3}),
        "spec.dynamicAllocation.maxExecutors: 3",
        "at least the 5 executors",
    ),
    (
        "GPU without a number",
        manifest(driver={"gpu": {"name": "nvidia.com/gpu", "quantity": 0}}),
        "spec.driver.gpu.quantity: 0",
        "at least 1",
    ),
    (
        "GPU without a domain",
        manifest(driver={"gpu": {"name": "gpu", "quantity": 1}}),
        "spec.driver.gpu.name: 'gpu'",
        "nvidia.com/gpu",
    ),
    (
        "device without a vendor",
        manifest(sparkConf={"spark.driver.resource.gpu.amount": "1"}),
        "spec.sparkConf[spark.driver.resource.gpu.vendor]: None",
        "vendor",
    ),
    (
        "limit below the request",
        manifest(executor={"memory": "2g", "memoryLimit": "1g"}),
        "spec.executor.memoryLimit: '1g'",
        "at least the pod's request of 2.8 GiB",
    ),
    (
        "a sidecar's quantity",
        manifest(driver={"sidecars": [{"resources": {"requests": {"memory": "1gb"}}}]}),
        "spec.driver.sidecars.resources.memory: '1gb'",
        "quantity",
    ),
    (
        "a core limit below the request",
        manifest(driver={"cores": 2, "coreLimit": "1"}),
        "spec.driver.coreLimit: '1'",
        "at least the pod's request of 2 CPU",
    ),
    (
        "a template's limit below the request",
        manifest(
            driver={
                "cores": 2,
                "template": {"spec": {"containers": [{"resources": {"limits": {"cpu": "1"}}}]}},
            }
        ),
        "spec.driver.template.spec.containers.resources.limits[cpu]: '1 CPU'",
        "at least the request of 2 CPU",
    ),
    (
        "pods apart by no label",
        manifest(driver={"affinity": {"podAntiAffinity": {REQUIRED: [{"labelSelector": {}}]}}}),
        "spec.driver.affinity.podAntiAffinity.topologyKey: None",
        "such as kubernetes.io/hostname",
    ),
    (
        "an operator that is none",
        manifest(
            executor={
                "affinity": {
                    "nodeAffinity": {
                        REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"operator": "Is"}]}]}
                    }
                }
            }
        ),
        "spec.executor.affinity.nodeAffinity.operator: 'Is'",
        "In, NotIn, Exists, DoesNotExist, Gt, Lt",
    ),
    (
        "a skew of nothing",
        manifest(
            executor={
                "template": {"spec": {"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 0}]}}
            }
        ),
        "spec.executor.topologySpreadConstraints.maxSkew: 0",
        "a whole number of at least 1",
    ),
    (
        "tasks larger than their executors",
        manifest(executor={"cores": 2}, sparkConf={"spark.task.cpus": "4"}),
        "spec.sparkConf[spark.task.cpus]: '4'",
        "at most the 2 cores of an executor",
    ),
    (
        "a volume's size that is none",
        manifest(sparkConf=volume(sizeLimit="100GB", storageClass="gp3", claimName="OnDemand")),
        f"spec.sparkConf[{VOLUME}.sizeLimit]: '100GB'",
        "quantity",
    ),
    (
        "a volume's size whose unit was forgotten",
        manifest(sparkConf=volume(sizeLimit="100", storageClass="gp3", claimName="OnDemand")),
        f"spec.sparkConf[{VOLUME}.sizeLimit]: '100'",
        "at least 1Ki",
    ),
    (
        "a volume without a claim",
        manifest(sparkConf=volume(sizeLimit="100Gi")),
        f"spec.sparkConf[{VOLUME}.claimName]: None",
        "OnDemand",
    ),
    (
        "a toleration's operator",
        manifest(driver={"tolerations": [{"key": "a", "operator": "Likes"}]}),
        "spec.driver.tolerations.operator: 'Likes'",
        "Exists or Equal",
    ),
]


@pytest.mark.parametrize(
    ("body", "found", "allowed"), [case[1:] for case in IMPOSSIBLE], ids=[case[0] for case in IMPOSSIBLE]
)
def test_an_impossible_size_is_refused_with_field_value_and_what_is_allowed(body, found, allowed):
    with pytest.raises(InvalidInput) as caught:
        compute_demand(body)
    message = str(caught.value)
    assert message.startswith(f"{found} is not valid; allowed: ")
    assert allowed in message


def test_reserving_an_unbounded_maximum_is_refused():
    with pytest.raises(InvalidInput, match=r"spec\.dynamicAllocation\.maxExecutors: None .* to be reserved"):
        compute_demand(manifest(dynamicAllocation={"enabled": True}), reserve="max")


WARNINGS = [
    (
        "a minimum that Spark 3 does not know",
        jvm(sparkConf={"spark.driver.minMemoryOverhead": "1g"}),
        "spec.sparkConf[spark.driver.minMemoryOverhead]: Spark before 4.0 does not know it and uses 384 MiB",
    ),
    (
        "a version whose rules nobody knows",
        manifest(sparkVersion="latest"),
        "spec.sparkVersion: the rules of Spark 'latest' are not known; those of 4.3 are used",
    ),
    (
        "a version that is too old",
        manifest(sparkVersion="2.4.8"),
        "spec.sparkVersion: the rules of Spark '2.4.8' are not known; those of 3.3 are used",
    ),
    (
        "a bursty overhead",
        manifest(sparkConf={"spark.executor.memoryOverheadBursty.enabled": "true"}),
        "executors may request less than their overhead; all is reserved",
    ),
    (
        "a RuntimeClass whose overhead only the cluster knows",
        jvm(driver={"template": {"spec": {"runtimeClassName": "kata"}}}),
        "spec.driver.template.spec.runtimeClassName: what RuntimeClass 'kata' adds to each pod is not known",
    ),
    (
        "a template file",
        manifest(sparkConf={"spark.kubernetes.driver.podTemplateFile": "s3a://t.yaml"}),
        "spec.sparkConf[spark.kubernetes.driver.podTemplateFile]: the Spark operator replaces it",
    ),
    (
        "a master in sparkConf",
        manifest(sparkConf={"spark.master": "local[2]"}),
        "spec.sparkConf[spark.master]: the Spark operator replaces it",
    ),
    (
        "executors that grow",
        manifest(sparkConf={"spark.kubernetes.executor.resizeInterval": "1m"}),
        "executors may ask for more memory while they run; the growth is not reserved",
    ),
    (
        "a claim on demand that Spark does not make",
        manifest(
            sparkConf={
                "spark.kubernetes.driver.volumes.persistentVolumeClaim.d.options.claimName": "OnDemand"
            }
        ),
        "Spark makes no claim without both storageClass and sizeLimit",
    ),
    (
        "a container whose pod a quota refuses",
        jvm(driver={"sidecars": [{"name": "proxy", "resources": {"requests": {"cpu": "1"}}}]}),
        "spec.driver.sidecars: container 'proxy' requests no memory; a quota on them refuses its pod",
    ),
]


@pytest.mark.parametrize(
    ("body", "said"), [case[1:] for case in WARNINGS], ids=[case[0] for case in WARNINGS]
)
def test_what_the_numbers_cannot_say_is_warned_about(body, said):
    assert any(said in line for line in compute_demand(body).warnings)


def test_an_ordinary_manifest_warns_about_nothing():
    assert compute_demand(manifest()).warnings == ()
