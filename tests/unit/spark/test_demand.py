# SPDX-License-Identifier: Apache-2.0
"""Each case is a sentence, a manifest and what Spark then requests: (millicores, MiB, count)."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from airflow_priority_spark.embedded import spark_requests
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.model import Toleration
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.demand import compute_demand, describe_demand, excess
from airflow_priority_spark.spark.memory import GIB, MIB
from tests.unit.spark.manifests import jvm, manifest


def pods(body, **options):
    driver, executor = compute_demand(body, **options).demand.pod_sets
    return driver, executor


def shape(pod_set):
    return pod_set.requests["cpu"], pod_set.requests["memory"] // MIB, pod_set.count


DRIVER = [
    # BasicDriverFeatureStep, BasicExecutorFeatureStep, ResourceProfile.calculateOverHeadMemory
    ("nothing given: one core, 1 GiB and the 0.4 of a Python file", manifest(), (1000, 1024 + 409, 1)),
    ("a jar has a factor of 0.1, but at least 384 MiB", jvm(), (1000, 1024 + 384, 1)),
    ("an R file counts as non-JVM", jvm(mainApplicationFile="local:///a.R"), (1000, 1024 + 409, 1)),
    (
        "the suffix decides, not spec.type",
        manifest(type="Python", mainApplicationFile="local:///a.jar"),
        (1000, 1024 + 384, 1),
    ),
    ("cores", manifest(driver={"cores": 2}), (2000, 1433, 1)),
    ("coreRequest goes before cores", manifest(driver={"cores": 2, "coreRequest": "500m"}), (500, 1433, 1)),
    (
        "a core request in sparkConf goes before cores",
        manifest(driver={"cores": 2}, sparkConf={"spark.kubernetes.driver.request.cores": "0.1"}),
        (100, 1433, 1),
    ),
    (
        "a typed field goes before sparkConf",
        manifest(driver={"memory": "2g"}, sparkConf={"spark.driver.memory": "8g"}),
        (1000, 2048 + 819, 1),
    ),
    ("memory in sparkConf", manifest(sparkConf={"spark.driver.memory": "2g"}), (1000, 2867, 1)),
    ("memory without suffix counts MiB", jvm(driver={"memory": "8192"}), (1000, 8192 + 819, 1)),
    (
        "memoryOverhead replaces factor and minimum",
        manifest(driver={"memory": "1g", "memoryOverhead": "100m"}),
        (1000, 1124, 1),
    ),
    (
        "memoryOverheadFactor of the application",
        jvm(memoryOverheadFactor="0.5", driver={"memory": "4g"}),
        (1000, 4096 + 2048, 1),
    ),
    (
        "sparkConf goes before spec.memoryOverheadFactor",
        jvm(
            memoryOverheadFactor="0.5",
            driver={"memory": "4g"},
            sparkConf={"spark.kubernetes.memoryOverheadFactor": "0.25"},
        ),
        (1000, 4096 + 1024, 1),
    ),
    (
        "the driver's own factor goes before the common one",
        jvm(
            driver={"memory": "4g"},
            sparkConf={
                "spark.kubernetes.memoryOverheadFactor": "0.25",
                "spark.driver.memoryOverheadFactor": "0.75",
            },
        ),
        (1000, 4096 + 3072, 1),
    ),
    (
        "Spark 4 lets the minimum be set",
        jvm(sparkVersion="4.0.1", sparkConf={"spark.driver.minMemoryOverhead": "256m"}),
        (1000, 1024 + 256, 1),
    ),
    (
        "Spark 3 does not know that setting",
        jvm(sparkConf={"spark.driver.minMemoryOverhead": "256m"}),
        (1000, 1024 + 384, 1),
    ),
    (
        "off-heap and Python memory are the executors' only",
        jvm(
            sparkConf={
                "spark.memory.offHeap.enabled": "true",
                "spark.memory.offHeap.size": "1g",
                "spark.executor.pyspark.memory": "1g",
            }
        ),
        (1000, 1024 + 384, 1),
    ),
]

EXECUTOR = [
    ("nothing given: the operator's one executor", manifest(), (1000, 1433, 1)),
    ("instances", manifest(executor={"instances": 5}), (1000, 1433, 5)),
    ("instances in sparkConf", manifest(sparkConf={"spark.executor.instances": "3"}), (1000, 1433, 3)),
    (
        "typed instances go before sparkConf",
        manifest(executor={"instances": 5}, sparkConf={"spark.executor.instances": "3"}),
        (1000, 1433, 5),
    ),
    ("no executor at all", manifest(sparkConf={"spark.executor.instances": "0"}), (1000, 1433, 0)),
    (
        "the non-JVM factor reaches the executors through the driver's configuration",
        manifest(executor={"memory": "4g"}),
        (1000, 4096 + 1638, 1),
    ),
    (
        "off-heap memory without suffix counts bytes",
        jvm(
            sparkConf={
                "spark.memory.offHeap.enabled": "true",
                "spark.memory.offHeap.size": str(512 * MIB),
            }
        ),
        (1000, 1024 + 384 + 512, 1),
    ),
    (
        "off-heap memory that is not enabled does not count",
        jvm(sparkConf={"spark.memory.offHeap.size": "1g"}),
        (1000, 1024 + 384, 1),
    ),
    (
        "Python memory counts for Python",
        manifest(sparkConf={"spark.executor.pyspark.memory": "512m"}),
        (1000, 1433 + 512, 1),
    ),
    (
        "Python memory does not count for a jar",
        jvm(sparkConf={"spark.executor.pyspark.memory": "512m"}),
        (1000, 1024 + 384, 1),
    ),
    (
        "a core request below one core",
        manifest(executor={"cores": 1, "coreRequest": "250m", "instances": 2}),
        (250, 1433, 2),
    ),
]


@pytest.mark.parametrize(
    ("body", "expected"), [case[1:] for case in DRIVER], ids=[case[0] for case in DRIVER]
)
def test_driver(body, expected):
    assert shape(pods(body)[0]) == expected


@pytest.mark.parametrize(
    ("body", "expected"), [case[1:] for case in EXECUTOR], ids=[case[0] for case in EXECUTOR]
)
def test_executors(body, expected):
    assert shape(pods(body)[1]) == expected


# The embedded cluster runs Spark 4, where a minimum overhead can be set whatever the manifest's version.
BOTH = [case for case in (*DRIVER, *EXECUTOR) if case[0] != "Spark 3 does not know that setting"]


@pytest.mark.parametrize("body", [case[1] for case in BOTH], ids=[case[0] for case in BOTH])
def test_the_embedded_cluster_which_computes_for_itself_creates_pods_of_that_size(body):
    driver, executor = pods(body)
    made = spark_requests.driver_resources(body["spec"]), spark_requests.executor_resources(body["spec"])
    assert Resources.parse(made[0]["requests"]) == driver.requests
    assert Resources.parse(made[1]["requests"]) == executor.requests


DYNAMIC = [
    ("starts at the minimum", {"minExecutors": 2, "maxExecutors": 8}, None, "initial", 2),
    ("starts at the initial number", {"initialExecutors": 4, "minExecutors": 2}, None, "initial", 4),
    ("starts at instances when they are more", {"initialExecutors": 4}, 6, "initial", 6),
    ("may start with none", {"minExecutors": 0, "maxExecutors": 3}, None, "initial", 0),
    ("reserve min", {"initialExecutors": 4, "minExecutors": 1}, None, "min", 1),
    ("reserve max", {"initialExecutors": 4, "maxExecutors": 9}, None, "max", 9),
    ("disabled: static", {"enabled": False, "minExecutors": 7}, 3, "max", 3),
]


@pytest.mark.parametrize(
    ("dynamic", "instances", "reserve", "expected"),
    [case[1:] for case in DYNAMIC],
    ids=[c[0] for c in DYNAMIC],
)
def test_dynamic_allocation(dynamic, instances, reserve, expected):
    executor = {} if instances is None else {"instances": instances}
    body = manifest(executor=executor, dynamicAllocation={"enabled": True, **dynamic})
    assert pods(body, reserve=reserve)[1].count == expected


def test_dynamic_allocation_in_spark_conf_starts_with_the_webhooks_one_executor():
    body = manifest(sparkConf={"spark.dynamicAllocation.enabled": "true"})
    assert pods(body)[1].count == 1


def test_executors_beyond_the_reserved_ones_are_warned_about():
    bounded = manifest(dynamicAllocation={"enabled": True, "initialExecutors": 2, "maxExecutors": 8})
    unbounded = manifest(dynamicAllocation={"enabled": True, "initialExecutors": 2})
    assert compute_demand(bounded).warnings == (
        "dynamic allocation may grow up to 8; only 2 executors are reserved",
    )
    assert "grow without bound; only 2" in compute_demand(unbounded).warnings[0]


def test_a_heap_too_small_for_spark_is_warned_about():
    assert "driver memory of 256 MiB: Spark does not start with less than 450 MiB" in (
        compute_demand(manifest(driver={"memory": "256m"})).warnings
    )


def test_a_gpu_is_requested_and_limited():
    gpu = {"gpu": {"name": "nvidia.com/gpu", "quantity": 2}}
    driver, executor = pods(manifest(executor=gpu))
    assert (executor.requests["nvidia.com/gpu"], executor.limits["nvidia.com/gpu"]) == (2, 2)
    assert driver.requests["nvidia.com/gpu"] == 0


def test_a_gpu_may_be_given_in_spark_conf():
    body = manifest(
        sparkConf={"spark.executor.resource.gpu.amount": "1", "spark.executor.resource.gpu.vendor": "amd.com"}
    )
    assert pods(body)[1].requests["amd.com/gpu"] == 1


def test_limits_are_memory_always_and_cpu_only_if_given():
    driver, executor = pods(manifest(driver={"coreLimit": "1200m"}, executor={"memoryLimit": "2g"}))
    assert driver.limits.as_dict() == {"cpu": 1200, "memory": driver.requests["memory"]}
    assert executor.limits.as_dict() == {"memory": 2 * GIB}


def test_sidecars_and_init_containers_count_as_the_scheduler_counts_them():
    def container(name, memory, **more):
        return {"name": name, "resources": {"requests": {"cpu": "100m", "memory": memory}}, **more}

    body = jvm(
        driver={
            "sidecars": [container("proxy", "64Mi")],
            "initContainers": [container("mesh", "32Mi", restartPolicy="Always"), container("huge", "4Gi")],
        }
    )
    driver, _ = pods(body)
    assert driver.requests["cpu"] == 1200
    assert driver.requests["memory"] == 4 * GIB + 32 * MIB


def test_a_template_adds_its_sidecars_but_not_cpu_and_memory_of_sparks_container():
    own = {
        "name": "spark",
        "resources": {"requests": {"cpu": "9", "memory": "9Gi", "ephemeral-storage": "1Gi"}},
    }
    other = {"name": "proxy", "resources": {"limits": {"memory": "64Mi"}}}
    _, executor = pods(jvm(executor={"template": {"spec": {"containers": [own, other]}}}))
    assert executor.requests.as_dict() == {
        "cpu": 1000,
        "memory": (1024 + 384 + 64) * MIB,
        "ephemeral-storage": GIB,
    }


def test_node_selectors_come_from_the_application_spark_conf_and_the_pod():
    body = manifest(
        executor={"nodeSelector": {"disk": "ssd"}},
        sparkConf={
            "spark.kubernetes.node.selector.zone": "a",
            "spark.kubernetes.executor.node.selector.kind": "spot",
        },
    )
    driver, executor = pods(body)
    assert driver.node_selector == (("zone", "a"),)
    assert executor.node_selector == (("disk", "ssd"), ("kind", "spot"), ("zone", "a"))


def test_tolerations_come_from_the_pod():
    entry = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}
    driver, executor = pods(manifest(executor={"tolerations": [entry]}))
    assert (driver.tolerations, executor.tolerations) == (
        (),
        (Toleration("spot", "Exists", "", "NoSchedule"),),
    )


def test_the_objects_a_quota_may_count():
    plain = compute_demand(manifest()).demand.objects.as_dict()
    assert plain == {
        "count/configmaps": 3,
        "count/services": 2,
        "count/sparkapplications.sparkoperator.k8s.io": 1,
        "configmaps": 3,
        "services": 2,
    }
    more = manifest(
        driverIngressOptions=[{"servicePort": 8080, "servicePortName": "api"}],
        monitoring={"prometheus": {"jmxExporterJar": "/jmx.jar"}},
        executor={"template": {"spec": {}}},
        sparkConf={"spark.kubernetes.executor.disableConfigMap": "true"},
    )
    objects = compute_demand(more).demand.objects
    assert (objects["services"], objects["configmaps"]) == (3, 3)


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


def test_every_number_names_the_field_that_decided_it():
    body = manifest(
        driver={"coreRequest": "500m"}, executor={"instances": 3}, sparkConf={"spark.driver.memory": "2g"}
    )
    explain = "\n".join(compute_demand(body).explain)
    assert "driver cpu: 0.5 CPU (spec.driver.coreRequest)" in explain
    assert (
        "driver memory: 2.8 GiB = 2048 MiB heap + 819 MiB overhead (spec.sparkConf[spark.driver.memory]"
        in explain
    )
    assert "overhead: factor 0.4 of a non-JVM main file" in explain
    assert "executors: 3 (spec.executor.instances)" in explain
    assert "executor cpu: 1 CPU (Spark's default)" in explain


def test_a_demand_is_said_in_one_line():
    demand = compute_demand(manifest(executor={"instances": 2})).demand
    assert describe_demand(demand) == (
        "1 driver of 1 CPU and 1.4 GiB, 2 executors of 1 CPU and 1.4 GiB; together 3 pods, 3 CPU, 4.2 GiB"
    )


def test_the_manifest_is_not_changed():
    body = manifest(driver={"gpu": {"name": "nvidia.com/gpu", "quantity": 1}})
    before = copy.deepcopy(body)
    compute_demand(body)
    assert body == before


class TestExcess:
    admitted = compute_demand(manifest(executor={"instances": 2})).demand

    def test_the_same_or_a_smaller_demand_fits_what_was_admitted(self):
        assert excess(self.admitted, self.admitted) == ""
        assert excess(compute_demand(manifest()).demand, self.admitted) == ""

    def test_more_executors_exceed_it(self):
        more = compute_demand(manifest(executor={"instances": 4})).demand
        assert excess(more, self.admitted) == "executors: 4 instead of 2"

    def test_larger_pods_exceed_it(self):
        more = compute_demand(manifest(driver={"memory": "2g"})).demand
        assert excess(more, self.admitted) == "driver memory: 2.8 GiB instead of 1.4 GiB"

    def test_another_placement_is_another_demand(self):
        moved = compute_demand(manifest(driver={"nodeSelector": {"zone": "b"}})).demand
        assert excess(moved, self.admitted) == "driver: other node selector or tolerations"

    def test_a_pod_set_that_was_not_admitted_exceeds_it(self):
        only_driver = replace(self.admitted, pod_sets=self.admitted.pod_sets[:1])
        assert excess(self.admitted, only_driver) == "executors: 2 instead of 0"
