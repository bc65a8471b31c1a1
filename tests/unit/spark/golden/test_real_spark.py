# SPDX-License-Identifier: Apache-2.0
"""The golden cases against the installed Spark: its own pod builders must ask for the same."""

from __future__ import annotations

from collections import Counter

import pytest

from airflow_priority_spark.embedded import spark_submit
from airflow_priority_spark.embedded.pods import pod_requests
from airflow_priority_spark.embedded.quantities import NANO, parse
from airflow_priority_spark.spark.demand import compute_demand
from tests.unit.spark.golden.real_spark import real_spark
from tests.unit.spark.golden.test_golden import CASES
from tests.unit.spark.manifests import jvm

# The installed Spark is a 4.x: it is not asked what another version, the webhook or Kubernetes decides.
DECIDED_BY_SPARK = [case for case in CASES if case.in_spark]

pytestmark = [
    pytest.mark.java,
    pytest.mark.skipif(spark_submit.obstacle() is not None, reason=str(spark_submit.obstacle())),
]


@pytest.fixture(scope="module")
def spark():
    with real_spark() as running:
        yield running


def asked(pod):
    """Return a pod's requests after the API server has made limits of what has no request requests."""
    for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
        resources = container.setdefault("resources", {})
        resources["requests"] = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {
        name: amount.nanos * (1000 if name == "cpu" else 1) // NANO
        for name, amount in pod_requests(pod["spec"]).items()
        if amount.nanos
    }


@pytest.mark.parametrize("case", DECIDED_BY_SPARK, ids=[case.sentence for case in DECIDED_BY_SPARK])
def test_spark_itself_would_create_pods_of_that_size(spark, tmp_path, case):
    (driver, with_driver), (executor, with_executor), count = spark.pods(case.body["spec"], tmp_path)
    demand = compute_demand(case.body, **case.options).demand
    assert asked(driver) == demand.pod_sets[0].requests.as_dict()
    assert asked(executor) == demand.pod_sets[1].requests.as_dict()
    assert count == demand.pod_sets[1].count
    claims = [item for item in with_driver + with_executor * count if item["kind"] == "PersistentVolumeClaim"]
    sizes = [parse(item["spec"]["resources"]["requests"]["storage"]).nanos // NANO for item in claims]
    assert len(claims) == demand.objects["persistentvolumeclaims"]
    assert sum(sizes) == demand.objects["requests.storage"]


def test_spark_makes_a_service_a_network_policy_and_the_templates_config_map(spark, tmp_path):
    body = jvm(sparkVersion="4.3.0")
    (_, with_driver), _, _ = spark.pods(body["spec"], tmp_path)
    made = Counter(item["kind"] for item in with_driver)
    objects = compute_demand(body).demand.objects
    # The operator adds a service for the UI; driver and executors make a config map of settings each.
    assert made["Service"] == objects["services"] - 1
    assert made["ConfigMap"] == objects["configmaps"] - 2
    assert made["NetworkPolicy"] == objects["count/networkpolicies.networking.k8s.io"] == 1
    assert sum(made.values()) == 3
