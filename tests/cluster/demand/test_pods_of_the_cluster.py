# SPDX-License-Identifier: Apache-2.0
"""The pods a cluster really has, beside the demand that was computed before they existed.

The embedded cluster plays Spark with a computation of its own. Every golden case becomes an application
of it, as our operator would create it; volume claims it does not make.
"""

from __future__ import annotations

import pytest
from kubernetes import client

from airflow_priority_spark.embedded.quantities import NANO, parse
from airflow_priority_spark.embedded.specs import NodeSpec
from airflow_priority_spark.scheduling.model import Toleration
from airflow_priority_spark.spark.demand import compute_demand
from airflow_priority_spark.spark.manifest import prepare
from tests.cluster.applications import Kubernetes, eventually
from tests.unit.spark.golden.case import Case, container, jvm, template
from tests.unit.spark.golden.test_golden import CASES

pytestmark = pytest.mark.cluster

NAMESPACE = "golden"
SPOT = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}
PLACED = Case(
    "pods carry the constraints that were computed",
    "kubeflow/spark-operator: internal/webhook/sparkpod_defaulter.go",
    jvm(
        driver={"nodeSelector": {"disk": "ssd"}},
        executor={**template(container("spark-kubernetes-executor"), nodeSelector={"zone": "a"}),
                  "tolerations": [SPOT], "instances": 2},
        sparkConf={"spark.kubernetes.executor.node.selector.kind": "spot"},
    ),
    count=2,
)  # fmt: skip
# With other options a demand is meant to differ from what a job starts with.
STARTED = [PLACED, *(case for case in CASES if not case.options)]
NAMES = {case.sentence: f"golden-{number}" for number, case in enumerate(STARTED)}
# The API server lets a pod name an overhead only when it is its RuntimeClass's.
OVERHEADS = {"kata": {"cpu": "250m", "memory": "120Mi"}, "wasm": {"memory": "128Mi"}}

# The API server gives every pod some minutes on a node that is lost.
TOLERATED_BY_ALL = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@pytest.fixture(scope="module")
def kubernetes(start_cluster):
    """A cluster in which all applications run at once."""
    devices = {"nvidia.com/gpu": "50", "amd.com/gpu": "50", "x.com/fpga": "50"}
    labels = {"disk": "ssd", "zone": "a", "kind": "spot"}
    node = NodeSpec("large", cpu="900", memory="4000Gi", pods="900", extended=devices, labels=labels)
    found = Kubernetes(start_cluster(nodes=[node]).kubeconfig)
    found.create_namespace(NAMESPACE)
    for name, overhead in OVERHEADS.items():
        client.NodeV1Api(found.api).create_runtime_class(
            {"metadata": {"name": name}, "handler": name, "overhead": {"podFixed": overhead}}
        )
    for case in STARTED:
        body = prepare(
            case.body,
            name=NAMES[case.sentence],
            namespace=NAMESPACE,
            labels={},
            annotations={"priority-spark/simulated-runtime": "600s"},
        )
        found.submit(NAMESPACE, body)
    expected = sum(1 + case.count for case in STARTED)
    eventually(lambda: len(found.pods(NAMESPACE)) >= expected, f"{expected} pods", seconds=120)
    return found


@pytest.fixture(scope="module")
def pods(kubernetes):
    """Every pod by application and role, as the API server tells."""
    by_role = {}
    for pod in kubernetes.pods(NAMESPACE):
        labels = pod.metadata.labels
        by_role.setdefault((labels["sparkoperator.k8s.io/app-name"], labels["spark-role"]), []).append(pod)
    return by_role


@pytest.mark.parametrize("case", STARTED, ids=[case.sentence for case in STARTED])
def test_driver_and_executors_ask_for_exactly_the_computed_demand(kubernetes, pods, case):
    for pod_set in compute_demand(case.body).demand.pod_sets:
        there = pods.get((NAMES[case.sentence], pod_set.name), [])
        assert len(there) == pod_set.count
        for pod in there:
            assert asked(kubernetes, pod, "requests") == pod_set.requests.as_dict()
            assert asked(kubernetes, pod, "limits") == pod_set.limits.as_dict()
            assert tuple(sorted((pod.spec.node_selector or {}).items())) == pod_set.node_selector
            own = [entry for entry in pod.spec.tolerations or () if entry.key not in TOLERATED_BY_ALL]
            assert tuple(map(tolerated, own)) == pod_set.tolerations


def asked(kubernetes, pod, which):
    """Return what the scheduler counts: containers, or a larger init container, and overhead; base units."""
    spec = kubernetes.api.sanitize_for_serialization(pod.spec)
    running, started, largest = {}, {}, {}
    for item in spec["containers"]:
        add(running, item, which)
    for item in spec.get("initContainers") or ():
        if item.get("restartPolicy") == "Always":
            add(running, item, which)
            add(started, item, which)
        else:
            largest = greater(largest, add(dict(started), item, which))
    whole = greater(running, largest)
    overhead = {"resources": {which: spec.get("overhead") or {}}}
    if which == "limits":
        overhead["resources"][which] = {k: v for k, v in overhead["resources"][which].items() if k in whole}
    return add(whole, overhead, which)


def add(amounts, item, which):
    for name, text in ((item.get("resources") or {}).get(which) or {}).items():
        amount = parse(text).nanos * (1000 if name == "cpu" else 1) // NANO
        amounts[name] = amounts.get(name, 0) + amount
    return amounts


def greater(one, other):
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {*one, *other}}


def tolerated(entry):
    return Toleration(entry.key or "", entry.operator or "Equal", entry.value or "", entry.effect or "")
