# SPDX-License-Identifier: Apache-2.0
"""What a demand holds besides the sizes in the golden cases: limits, places, objects, words."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from airflow_priority_spark.scheduling.constraints import PodTerm, Requirement, Spread
from airflow_priority_spark.scheduling.model import PodScope, Toleration
from airflow_priority_spark.spark.demand import compute_demand, describe_demand, excess
from airflow_priority_spark.spark.memory import GIB, MIB
from tests.unit.spark.manifests import jvm, manifest, volume


def pods(body, **options):
    driver, executor = compute_demand(body, **options).demand.pod_sets
    return driver, executor


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


def test_spark_makes_a_network_policy_from_4_2_on_unless_the_step_is_excluded():
    key = "count/networkpolicies.networking.k8s.io"
    step = {
        "spark.kubernetes.driver.pod.excludedFeatureSteps": (
            "org.apache.spark.deploy.k8s.features.NetworkPolicyFeatureStep"
        )
    }
    assert compute_demand(manifest(sparkVersion="4.1.1")).demand.objects[key] == 0
    assert compute_demand(manifest(sparkVersion="4.2.0")).demand.objects[key] == 1
    assert compute_demand(manifest(sparkVersion="4.2.0", sparkConf=step)).demand.objects[key] == 0


def affine(*expressions, **term):
    terms = [{"matchExpressions": list(expressions), **term}]
    required = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    }
    return manifest(executor={"affinity": required})


def test_a_required_affinity_that_says_no_more_than_a_selector_is_one():
    body = affine({"key": "zone", "operator": "In", "values": ["a"]})
    assert pods(body)[1].node_selector == (("zone", "a"),)
    assert compute_demand(body).warnings == ()


def test_one_that_says_more_is_looked_at_node_by_node():
    body = affine({"key": "zone", "operator": "In", "values": ["b", "a"]})
    (term,) = pods(body)[1].affinity.nodes
    assert term.labels == (Requirement("zone", "In", ("a", "b")),)
    assert pods(body)[1].node_selector == ()
    assert compute_demand(body).warnings == ()


def crowd(role="executor", **term):
    """Return a manifest whose pods of a role must be apart from some pods on every node."""
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "etl"}}, **term}
    required = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return manifest(**{role: {"affinity": required, "labels": {"app": "etl"}}})


def test_pods_that_must_be_apart_say_from_whom():
    (term,) = pods(crowd())[1].affinity.apart
    assert term == PodTerm("kubernetes.io/hostname", (Requirement("app", "In", ("etl",)),))
    assert term.selector[0].holds(dict(pods(crowd())[1].labels))


def test_what_an_author_writes_into_labels_cannot_be_read_from_the_demand():
    labels = dict(pods(manifest(driver={"labels": {"key": "hunter2"}}))[0].labels)
    assert "hunter2" not in str(labels)
    assert Requirement("key", "In", ("hunter2",)).holds(labels)
    assert not Requirement("key", "In", ("hunter3",)).holds(labels)
    assert Requirement("key", "NotIn", ("hunter3",)).holds(labels)


@pytest.mark.parametrize(
    ("keys", "term"),
    [
        ({"matchLabelKeys": ["spark-app-selector"]}, {"job": "same"}),
        ({"mismatchLabelKeys": ["spark-app-selector"]}, {"job": "other"}),
        ({"matchLabelKeys": ["no-such-label"]}, {}),
        (
            {"matchLabelKeys": ["spark-role"]},
            {
                "selector": (
                    Requirement("app", "In", ("etl",)),
                    Requirement("spark-role", "In", ("executor",)),
                )
            },
        ),
    ],
    ids=["a label of the job alone", "of other jobs", "a label nobody has", "a label that is known"],
)
def test_a_term_that_compares_labels_means_pods_of_the_same_job_or_with_the_same_value(keys, term):
    plain = PodTerm("kubernetes.io/hostname", (Requirement("app", "In", ("etl",)),))
    assert pods(crowd(**keys))[1].affinity.apart == (plain._replace(**term),)


def test_a_hard_topology_spread_of_a_template_counts_and_a_soft_one_does_not():
    hard = {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    soft = {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    template = {"spec": {"topologySpreadConstraints": [hard, soft]}}
    assert pods(manifest(executor={"template": template}))[1].affinity.spread == (Spread("zone", 2),)


def test_a_pod_says_what_the_scopes_of_quotas_look_at():
    elsewhere = {"topologyKey": "zone", "namespaces": ["other"], "labelSelector": {}}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": elsewhere}]}
    body = manifest(
        driver={"priorityClassName": "high", "template": {"spec": {"activeDeadlineSeconds": 60}}},
        executor={"affinity": {"podAffinity": preferred}},
    )
    driver, executor = pods(body)
    assert driver.scope == PodScope("high", deadline=True)
    assert executor.scope == PodScope(cross_namespace=True)


def test_a_pod_with_a_sidecar_lists_its_containers_for_limit_ranges():
    sidecar = {"name": "proxy", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
    driver, executor = pods(manifest(driver={"sidecars": [sidecar]}))
    assert [item.name for item in driver.containers] == ["spark-kubernetes-driver", "proxy"]
    assert executor.containers == ()


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

    def test_more_storage_exceeds_it(self):
        claims = volume(sizeLimit="10Gi", storageClass="gp3", claimName="OnDemand")
        more = compute_demand(manifest(sparkConf=claims)).demand
        assert "persistentvolumeclaims: 1 instead of 0" in excess(more, self.admitted)

    def test_a_pod_set_that_was_not_admitted_exceeds_it(self):
        only_driver = replace(self.admitted, pod_sets=self.admitted.pod_sets[:1])
        assert excess(self.admitted, only_driver) == "executors: 2 instead of 0"
