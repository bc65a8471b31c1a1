# SPDX-License-Identifier: Apache-2.0
"""What can never run fails the task in ``execute``: no retry, no queue, nothing in the cluster."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from tests.unit.operators.tasks import task
from tests.unit.spark_cluster import names, spark_application, task_context

MEMORY = "a whole number with one of the suffixes b, k, m, g, t, p, such as 512m or 4g"
QUANTITY = "a Kubernetes quantity such as 500m, 2, 1.5, 1e3, 512Mi or 4Gi"
POOL = "the name of a priority pool, such as high or normal: at most 63 letters, digits, dashes"
KNOWN = "high, normal (of [priority_spark] priority_pools and more_priorities)"
NAME = "a name of 1 to 63 characters"
CLAIM = "spark.kubernetes.executor.volumes.persistentVolumeClaim.data.options"


def with_spec(**spec):
    return {"spec": spark_application("pi", **spec)}


def called(name):
    return {"spec": spark_application(name)}


REFUSED = [
    ("a driver's memory", with_spec(driver={"memory": "4Gi"}), "spec.driver.memory: '4Gi'", MEMORY),
    ("an executor's memory", with_spec(executor={"memory": "2.5g"}), "spec.executor.memory: '2.5g'", MEMORY),
    (
        "memory in sparkConf",
        with_spec(driver={}, sparkConf={"spark.driver.memory": "lots"}),
        "spec.sparkConf[spark.driver.memory]: 'lots'",
        MEMORY,
    ),
    (
        "an overhead",
        with_spec(driver={"memoryOverhead": "1 GB!"}),
        "spec.driver.memoryOverhead: '1 GB!'",
        MEMORY,
    ),
    (
        "a core request",
        with_spec(driver={"coreRequest": "half"}),
        "spec.driver.coreRequest: 'half'",
        QUANTITY,
    ),
    ("a core limit", with_spec(executor={"coreLimit": "2x"}), "spec.executor.coreLimit: '2x'", QUANTITY),
    (
        "a sidecar's memory",
        with_spec(driver={"sidecars": [{"name": "a", "resources": {"limits": {"memory": "1gb"}}}]}),
        "spec.driver.sidecars.resources.memory: '1gb'",
        QUANTITY,
    ),
    (
        "a volume's size",
        with_spec(
            sparkConf={
                f"{CLAIM}.claimName": "OnDemand",
                f"{CLAIM}.storageClass": "gp3",
                f"{CLAIM}.sizeLimit": "100 gigs",
            }
        ),
        f"spec.sparkConf[{CLAIM}.sizeLimit]: '100 gigs'",
        QUANTITY,
    ),
    ("an unknown priority", {"priority": "urgentest"}, "priority: 'urgentest'", KNOWN),
    ("a priority that no pool could be called", {"priority": "high!"}, "priority: 'high!'", POOL),
    ("a priority over the limit", {"priority": "p" * 64}, f"priority: '{'p' * 64}'", POOL),
    ("a priority that is no text", {"priority": 7}, "priority: 7", POOL),
    ("a manifest's name over the limit", called("n" * 64), f"metadata.name: '{'n' * 64}'", NAME),
    (
        "a driver pod's name over the limit",
        with_spec(driver={"podName": "d" * 64}),
        f"spec.driver.podName: '{'d' * 64}'",
        NAME,
    ),
    (
        "the executors' prefix over the limit",
        with_spec(sparkConf={"spark.kubernetes.executor.podNamePrefix": "e" * 48}),
        f"spec.sparkConf[spark.kubernetes.executor.podNamePrefix]: '{'e' * 48}'",
        "a name of 1 to 47 characters",
    ),
]


@pytest.mark.parametrize("flow", ["priority", "legacy"])
@pytest.mark.parametrize(
    ("options", "found", "allowed"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_the_task_fails_naming_field_value_and_allowed_form(
    ref, namespace, kubernetes, options, found, allowed, flow
):
    with pytest.raises(AirflowFailException) as caught:
        task(ref, namespace, deployment_flow=flow, **options).execute(task_context())
    assert str(caught.value).startswith(f"{found} is not valid; allowed: {allowed}")
    assert names(kubernetes, namespace) == []


def test_a_namespace_over_the_limit_fails_too(ref):
    with pytest.raises(AirflowFailException, match=r"^namespace: 'nnn.* at most 63 lower-case letters"):
        task(ref, "n" * 64).execute(task_context())


@pytest.mark.parametrize("name", ["n" * 63, "taxi-driver-stats", "My_Job"])
def test_a_name_that_only_looks_odd_is_no_reason_to_fail(ref, namespace, name):
    """The application gets a name of its own; the stock operator takes such manifests too."""
    with pytest.raises(TaskDeferred):
        task(ref, namespace, **called(name)).execute(task_context())


def section(**entries):
    return {"template_spec": {"spark": spark_application("pi"), "kubernetes": entries}}


PARSER = "a path to, or the text of, a YAML or JSON mapping; Exception when loading resource definition: "
UNREADABLE = [
    ({"application_file": "kind: ["}, "application_file: 'kind: ['", PARSER),
    ({"application_file": "a: 1\n---\nb: 2"}, "application_file: 'a: 1\\n---\\nb: 2'", PARSER),
    ({"application_file": "[" + "x" * 99}, f"application_file: '[{'x' * 59}…'", PARSER),
    ({"application_file": ["app.yaml"]}, "application_file: ['app.yaml']", "a path to, or the text of, a "),
    ({"template_spec": 5}, "template_spec: 5", "a path to, or the text of, a YAML or JSON mapping"),
    (section(tolerations={"key": "spot"}), "kubernetes.tolerations: {'key': 'spot'}", "a list"),
    (section(node_selector=["ssd"]), "kubernetes.node_selector: ['ssd']", "a mapping"),
    (section(env_vars=5), "kubernetes.env_vars: 5", "what the stock provider takes there; it says Expected"),
    (section(image_pull_secrets=5), "kubernetes.image_pull_secrets: 5", "what the stock provider takes"),
    (
        with_spec(driver={"container_resources": {"cpu": 5}}),
        "spec.driver.container_resources.cpu: 5",
        "a mapping",
    ),
    (
        with_spec(driver={"container_resources": {"gpu": {"name": "nvidia.com/gpu", "quantity": "two"}}}),
        "spec.driver.gpu.quantity: 'two'",
        "a whole number of at least 1",
    ),
    ({"labels": ["team"]}, "labels: ['team']", "a mapping of strings"),
]


@pytest.mark.parametrize(
    ("options", "found", "allowed"), UNREADABLE, ids=[case[1].partition(":")[0] for case in UNREADABLE]
)
def test_what_cannot_be_read_fails_at_once_by_the_name_of_its_argument(ref, options, found, allowed):
    given = {"template_spec": None, **options} if "application_file" in options else options
    with pytest.raises(AirflowFailException) as caught:
        task(ref, "n", **given).execute(task_context())
    assert str(caught.value).startswith(f"{found} is not valid; allowed: {allowed}")


MORE = "AIRFLOW__PRIORITY_SPARK__MORE_PRIORITIES"


@pytest.mark.parametrize(
    ("more", "priority"), [("team_a.nightly, P1", "P1"), ("*", "p" * 63), ("nightly", "high")]
)
def test_a_pool_that_some_queue_may_have_is_left_to_the_arbiter(ref, namespace, monkeypatch, more, priority):
    monkeypatch.setenv(MORE, more)
    with pytest.raises(TaskDeferred) as caught:
        task(ref, namespace, priority=priority).execute(task_context())
    assert caught.value.trigger.request["priority"] == priority
