# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest

from airflow_priority_spark.errors import InvalidManifest
from airflow_priority_spark.spark.manifest import prepare, validate_manifest
from tests.unit.spark.manifests import manifest

LABELS = {"priority-spark/job": "j"}


def without(name):
    body = manifest()
    del body["spec"][name]
    return body


def prepared(body):
    return prepare(body, name="a-b-1", namespace="team-b", labels=LABELS, annotations={"note": "x"})


def test_a_sound_manifest_passes():
    validate_manifest(manifest(sparkConf={"spark.executor.memory": "1g"}, suspend=False))


def test_driver_executor_and_metadata_may_be_left_out():
    body = manifest()
    del body["metadata"], body["spec"]["driver"], body["spec"]["executor"]
    validate_manifest(body)


WRONG = [
    ("not a mapping", ["a"], "manifest: ['a']", "a mapping with apiVersion"),
    (
        "another operator's version",
        {**manifest(), "apiVersion": "spark.apache.org/v1"},
        "apiVersion: 'spark.apache.org/v1'",
        "sparkoperator.k8s.io/v1beta2",
    ),
    ("another kind", {**manifest(), "kind": "Pod"}, "kind: 'Pod'", "SparkApplication"),
    ("metadata", {**manifest(), "metadata": "pi"}, "metadata: 'pi'", "a mapping"),
    ("no spec", {**manifest(), "spec": None}, "spec: None", "a mapping with at least type"),
    ("no type", without("type"), "spec.type: None", "Java, Python, Scala, R"),
    ("mode", manifest(mode="local"), "spec.mode: 'local'", "cluster, client"),
    (
        "no main file",
        without("mainApplicationFile"),
        "spec.mainApplicationFile: None",
        "local:///opt/app/main.py",
    ),
    ("a version that is a number", manifest(sparkVersion=3.5), "spec.sparkVersion: 3.5", 'such as "4.0.1"'),
    (
        "restart policy",
        manifest(restartPolicy={"type": "Ever"}),
        "spec.restartPolicy.type: 'Ever'",
        "OnFailure",
    ),
    ("unknown field of spec", manifest(drivers={}), "spec.drivers: {}", "did you mean 'driver'?"),
    ("unknown field of driver", manifest(driver={"memroy": "8g"}), "spec.driver.memroy: '8g'", "'memory'?"),
    ("unknown field of executor", manifest(executor={"replicas": 3}), "spec.executor.replicas: 3", "v1beta2"),
    (
        "unknown field of dynamicAllocation",
        manifest(dynamicAllocation={"max": 3}),
        "spec.dynamicAllocation.max: 3",
        "v1beta2",
    ),
    (
        "a driver field on an executor",
        manifest(executor={"podName": "x"}),
        "spec.executor.podName: 'x'",
        "only fields of SparkApplication",
    ),
    ("driver is a list", manifest(driver=["x"]), "spec.driver: ['x']", "a mapping"),
    (
        "an unquoted number in sparkConf",
        manifest(sparkConf={"spark.executor.instances": 2}),
        "spec.sparkConf[spark.executor.instances]: 2",
        "put it in quotes",
    ),
    (
        "node selectors on both levels",
        manifest(nodeSelector={"a": "b"}, driver={"nodeSelector": {"c": "d"}}),
        "spec.driver.nodeSelector: {'c': 'd'}",
        "not both",
    ),
]


@pytest.mark.parametrize(("body", "found", "allowed"), [c[1:] for c in WRONG], ids=[c[0] for c in WRONG])
def test_what_is_wrong_is_named_with_its_value_and_what_is_allowed(body, found, allowed):
    with pytest.raises(InvalidManifest) as caught:
        validate_manifest(body)
    message = str(caught.value)
    assert message.startswith(f"{found} is not valid; allowed: ")
    assert allowed in message


def test_name_namespace_and_labels_are_set_everywhere_and_the_authors_kept():
    body = prepared(manifest(driver={"labels": {"team": "a"}}))
    assert (body["metadata"]["name"], body["metadata"]["namespace"]) == ("a-b-1", "team-b")
    assert body["metadata"]["labels"] == LABELS
    assert body["metadata"]["annotations"] == {"note": "x"}
    assert body["spec"]["driver"]["labels"] == {"team": "a", **LABELS}
    assert body["spec"]["executor"]["labels"] == LABELS


def test_an_author_cannot_overwrite_our_labels():
    body = prepared(manifest(driver={"labels": {"priority-spark/job": "mine"}}))
    assert body["spec"]["driver"]["labels"] == LABELS


def test_airflow_retries_unless_the_author_chose_otherwise():
    assert prepared(manifest())["spec"]["restartPolicy"] == {"type": "Never"}
    chosen = {"type": "OnFailure", "onFailureRetries": 2}
    assert prepared(manifest(restartPolicy=chosen))["spec"]["restartPolicy"] == chosen


def test_a_number_of_executors_nobody_named_is_written_down():
    assert prepared(manifest())["spec"]["executor"]["instances"] == 1
    in_conf = prepared(manifest(sparkConf={"spark.executor.instances": "3"}))
    dynamic = prepared(manifest(dynamicAllocation={"enabled": True}))
    assert "instances" not in in_conf["spec"]["executor"]
    assert "instances" not in dynamic["spec"]["executor"]


def test_a_generated_name_gives_way_and_the_argument_stays_as_it_is():
    body = manifest()
    body["metadata"]["generateName"] = "pi-"
    before = copy.deepcopy(body)
    assert "generateName" not in prepared(body)["metadata"]
    assert body == before
