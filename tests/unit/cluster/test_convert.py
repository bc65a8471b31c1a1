# SPDX-License-Identifier: Apache-2.0
"""Objects as the API server writes them become the views a decision needs."""

from fractions import Fraction

import pytest

from airflow_priority_spark.cluster import convert
from airflow_priority_spark.scheduling.constraints import PodTerm, Requirement
from airflow_priority_spark.scheduling.model import PodScope, QuotaScope, Taint, Toleration
from airflow_priority_spark.scheduling.resources import Resources

GIB = 2**30
MIB = 2**20


def container(cpu=None, memory=None, *, limits=None, restart=None):
    requests = {name: amount for name, amount in (("cpu", cpu), ("memory", memory)) if amount}
    raw = {"name": "c", "resources": {"requests": requests, "limits": limits or {}}}
    return {**raw, "restartPolicy": restart} if restart else raw


def raw_pod(spec=None, *, phase="Running", labels=None, **metadata):
    return {
        "metadata": {"namespace": "team-a", "name": "p", "labels": labels or {}, **metadata},
        "spec": spec or {"containers": [container("1", "1Gi")]},
        "status": {"phase": phase},
    }


# An executor pod as Spark 4 creates it on Kubernetes 1.33, cut to what matters and what must not confuse.
EXECUTOR = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "pi-7d8c1f9a2b3c4d5e-exec-1",
        "namespace": "team-a",
        "uid": "8a6d9d0e-0000-4000-8000-000000000001",
        "resourceVersion": "4711",
        "creationTimestamp": "2026-03-01T12:00:00Z",
        "labels": {
            "spark-role": "executor",
            "spark-exec-id": "1",
            "spark-app-selector": "spark-7d8c1f9a",
            "priority-spark/job": "0191e0a0-1111-7000-8000-000000000001",
            "priority-spark/instance": "airflow-1",
        },
    },
    "spec": {
        "nodeName": "worker-1",
        "nodeSelector": {"pool": "spark", "disk": "ssd"},
        "tolerations": [
            {"key": "dedicated", "operator": "Equal", "value": "spark", "effect": "NoSchedule"},
            {
                "key": "node.kubernetes.io/not-ready",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            },
            {"operator": "Exists"},
        ],
        "containers": [
            {
                "name": "spark-kubernetes-executor",
                "image": "spark:4",
                "resources": {
                    "requests": {"cpu": "500m", "memory": "1408Mi", "nvidia.com/gpu": "1"},
                    "limits": {"memory": "1408Mi", "nvidia.com/gpu": "1"},
                },
            }
        ],
    },
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}


def test_an_executor_pod_belongs_to_its_job_and_carries_what_it_uses():
    view = convert.pod(EXECUTOR).at(0.0)

    assert (view.namespace, view.name, view.node) == ("team-a", "pi-7d8c1f9a2b3c4d5e-exec-1", "worker-1")
    assert (view.job_id, view.pod_set) == ("0191e0a0-1111-7000-8000-000000000001", "executor")
    assert view.requests == Resources({"cpu": 500, "memory": 1408 * MIB, "nvidia.com/gpu": 1})
    assert view.limits == Resources({"memory": 1408 * MIB, "nvidia.com/gpu": 1})
    assert view.node_selector == (("disk", "ssd"), ("pool", "spark"))
    assert view.tolerations == (
        Toleration("dedicated", "Equal", "spark", "NoSchedule"),
        Toleration("node.kubernetes.io/not-ready", "Exists", "", "NoExecute"),
        Toleration("", "Exists", "", ""),
    )
    assert (view.counts_quota, view.counts_node) == (True, True)


def test_a_foreign_pod_that_is_not_bound_yet_has_neither_job_nor_node():
    view = convert.pod(raw_pod(phase="Pending")).at(0.0)

    assert (view.job_id, view.pod_set, view.node) == (None, None, None)
    assert (view.counts_quota, view.counts_node) == (True, True)


REQUESTS = {
    "containers add up": (
        {"containers": [container("1", "1Gi"), container("500m", "512Mi")]},
        {"cpu": 1500, "memory": 1536 * MIB},
    ),
    "an init container that is larger counts instead": (
        {"initContainers": [container("3", "512Mi")], "containers": [container("1", "1Gi")]},
        {"cpu": 3000, "memory": GIB},
    ),
    "init containers run one after the other": (
        {"initContainers": [container("2"), container("2")], "containers": [container("1")]},
        {"cpu": 2000},
    ),
    "a restartable init container runs beside the containers": (
        {"initContainers": [container("1", restart="Always")], "containers": [container("2")]},
        {"cpu": 3000},
    ),
    "an init container runs beside the restartable ones started before it": (
        {
            "initContainers": [
                container("1", restart="Always"),
                container("4"),
                container("1", restart="Always"),
            ],
            "containers": [container("1")],
        },
        {"cpu": 5000},
    ),
    "an init container does not run beside the restartable ones started after it": (
        {
            "initContainers": [container("4"), container("1", restart="Always")],
            "containers": [container("1")],
        },
        {"cpu": 4000},
    ),
    "the runtime's overhead comes on top": (
        {"containers": [container("1", "1Gi")], "overhead": {"cpu": "250m", "memory": "120Mi"}},
        {"cpu": 1250, "memory": GIB + 120 * MIB},
    ),
    "amounts of the whole pod replace the sum": (
        {"containers": [container("1", "1Gi")], "resources": {"requests": {"cpu": "4"}}},
        {"cpu": 4000, "memory": GIB},
    ),
    "no requests at all": ({"containers": [{"name": "c"}]}, {}),
}


@pytest.mark.parametrize("sentence", REQUESTS)
def test_effective_requests(sentence):
    spec, expected = REQUESTS[sentence]
    assert convert.pod_amounts(spec, "requests") == Resources(expected)


def test_overhead_raises_only_limits_that_exist():
    spec = {"containers": [container(limits={"memory": "1Gi"})], "overhead": {"cpu": "250m", "memory": "1Gi"}}

    assert convert.pod_amounts(spec, "limits") == Resources({"memory": 2 * GIB})


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_counts_nowhere(phase):
    view = convert.pod(raw_pod(phase=phase)).at(0.0)

    assert (view.counts_quota, view.counts_node) == (False, False)


def test_a_terminating_pod_leaves_the_quota_when_its_grace_is_over_but_stays_on_its_node():
    raw = raw_pod(deletionTimestamp="2026-03-01T12:00:00Z", deletionGracePeriodSeconds=30)
    record = convert.pod(raw)
    deadline = convert.instant("2026-03-01T12:00:30Z")

    assert record.quota_deadline == deadline
    assert record.at(deadline).counts_quota
    assert not record.at(deadline + 0.001).counts_quota
    assert record.at(deadline + 3600).counts_node


def test_a_terminating_pod_without_a_grace_period_counts_until_it_is_gone():
    record = convert.pod(raw_pod(deletionTimestamp="2026-03-01T12:00:00Z"))

    assert record.at(convert.instant("2027-01-01T00:00:00Z")).counts_quota


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def social(**term):
    """Return a pod spec that must be apart from some pods in its zone."""
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "etl"}}, **term}
    return {"containers": [container("1", "1Gi")], "affinity": {"podAntiAffinity": {REQUIRED: [term]}}}


def test_a_pod_keeps_what_it_requires_of_its_company_and_its_labels():
    view = convert.pod(raw_pod(social(namespaceSelector={}), labels={"app": "etl"})).view

    (term,) = view.affinity.apart
    assert term == PodTerm("zone", (Requirement("app", "In", ("etl",)),), namespace_selector=())
    assert view.labels == (("app", "etl"),)
    assert view.scope == PodScope(cross_namespace=True)


def test_where_a_bound_pod_might_have_gone_is_forgotten():
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]
    spec = {"containers": [], "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}}

    assert convert.pod(raw_pod(spec)).view.affinity.nodes
    assert not convert.pod(raw_pod({**spec, "nodeName": "n1"})).view.affinity.nodes


def test_an_operator_of_a_newer_kubernetes_does_not_stop_the_watch():
    newer = {"matchExpressions": [{"key": "app", "operator": "Like", "values": ["e*"]}]}
    (term,) = convert.pod(raw_pod(social(labelSelector=newer))).view.affinity.apart

    assert not term.selector[0].holds({"app": "etl"})


def test_a_pod_says_what_the_scopes_of_quotas_look_at():
    raw = raw_pod({"containers": [], "priorityClassName": "low", "activeDeadlineSeconds": 0})
    raw["status"]["qosClass"] = "BestEffort"

    assert convert.pod(raw).view.scope == PodScope("low", deadline=True, best_effort=True)


def test_a_gated_pod_asks_for_no_node_yet_but_is_in_its_quota():
    view = convert.pod(raw_pod({"containers": [], "schedulingGates": [{"name": "kueue"}]})).view

    assert (view.counts_quota, view.counts_node) == (True, False)


def test_a_placeholder_stands_for_a_pod_of_its_job():
    labels = {"priority-spark/placeholder-for": "job-1", "priority-spark/pod-set": "executor"}
    view = convert.pod(raw_pod(labels=labels)).view

    assert (view.placeholder, view.job_id, view.pod_set) == (True, "job-1", "executor")


def test_only_the_default_priority_class_is_kept():
    raw = {"metadata": {"name": "low"}, "value": -5}

    assert convert.default_priority_class(raw) is None
    assert convert.default_priority_class({**raw, "globalDefault": True}) == (-5, "low")


def raw_node(ready="True", **spec):
    return {
        "metadata": {"name": "worker-1", "labels": {"pool": "spark"}},
        "spec": spec,
        "status": {
            "allocatable": {
                "cpu": "3920m",
                "memory": "12Gi",
                "pods": "110",
                "ephemeral-storage": "47093746742",
            },
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
        },
    }


def test_a_node_offers_what_the_kubelet_reports():
    view = convert.node(
        raw_node(taints=[{"key": "dedicated", "value": "spark", "effect": "NoSchedule"}])
    ).view

    assert view.name == "worker-1"
    assert view.allocatable == Resources(
        {"cpu": 3920, "memory": 12 * GIB, "pods": 110, "ephemeral-storage": 47093746742}
    )
    assert view.labels == {"pool": "spark"}
    assert view.taints == (Taint("dedicated", "spark", "NoSchedule"),)
    assert view.ready


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (raw_node(unschedulable=True), "cordoned"),
        (raw_node(ready="False"), "not ready"),
        (raw_node(ready="Unknown"), "not heard of"),
        ({"metadata": {"name": "new"}}, "not ready"),
    ],
)
def test_a_node_that_takes_no_pods_says_why(raw, why):
    view = convert.node(raw).view
    assert (view.ready, view.unready_reason) == (False, why)


def raw_quota(spec, status=None):
    return {"metadata": {"namespace": "team-a", "name": "compute"}, "spec": spec, "status": status or {}}


def test_a_quota_is_what_the_api_server_admits_against():
    status = {"hard": {"requests.cpu": "8", "pods": "20"}, "used": {"requests.cpu": "1500m", "pods": "3"}}
    view = convert.quota(raw_quota({"hard": {"requests.cpu": "16", "pods": "20"}}, status))

    assert (view.namespace, view.name) == ("team-a", "compute")
    assert view.hard == Resources({"requests.cpu": 8000, "pods": 20})
    assert view.used == Resources({"requests.cpu": 1500, "pods": 3})


def test_a_quota_without_status_yet_counts_as_wished_for_and_unused():
    view = convert.quota(raw_quota({"hard": {"pods": "20"}}))

    assert (view.hard, view.used) == (Resources({"pods": 20}), Resources())


def test_a_hard_limit_of_zero_is_a_limit():
    view = convert.quota(raw_quota({"hard": {"requests.nvidia.com/gpu": "0", "pods": "5"}}))

    assert view.keys == {"requests.nvidia.com/gpu", "pods"}


def test_a_quota_keeps_its_scopes_and_its_scope_selector():
    spec = {
        "hard": {"pods": "20"},
        "scopes": ["NotTerminating"],
        "scopeSelector": {
            "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["low", "high"]}]
        },
    }

    assert convert.quota(raw_quota(spec)).scopes == (
        QuotaScope("NotTerminating"),
        QuotaScope("PriorityClass", "In", ("high", "low")),
    )


def test_a_limit_range_keeps_what_it_says_of_containers_and_of_pods():
    raw = {
        "metadata": {"namespace": "team-a", "name": "small"},
        "spec": {
            "limits": [
                {"type": "Container", "max": {"cpu": "4", "memory": "8Gi"}, "default": {"cpu": "1"}},
                {"type": "Pod", "max": {"cpu": "6"}, "maxLimitRequestRatio": {"cpu": "1.5"}},
                {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
            ]
        },
    }
    view = convert.limit_range(raw)

    assert (view.namespace, view.name) == ("team-a", "small")
    container, pod = view.items
    assert (container.kind, container.maximum) == ("Container", Resources({"cpu": 4000, "memory": 8 * GIB}))
    assert (pod.kind, pod.maximum, pod.ratios) == (
        "Pod",
        Resources({"cpu": 6000}),
        (("cpu", Fraction(3, 2)),),
    )


def test_a_limit_range_is_completed_as_the_api_server_completes_it():
    limits = [{"type": "Container", "max": {"cpu": "4"}, "min": {"cpu": "1", "memory": "1Gi"}}]
    raw = {"metadata": {"namespace": "a", "name": "b"}, "spec": {"limits": limits}}
    (item,) = convert.limit_range(raw).items

    assert item.default_limits == Resources({"cpu": 4000})
    assert item.default_requests == Resources({"cpu": 4000, "memory": GIB})


def test_a_limit_range_of_volume_claims_alone_is_left_out():
    limits = [{"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}]
    raw = {"metadata": {"namespace": "a", "name": "b"}, "spec": {"limits": limits}}

    assert convert.limit_range(raw) is None
