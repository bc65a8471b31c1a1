# SPDX-License-Identifier: Apache-2.0
"""Writes that go through: dry runs, unknown fields, patches by type, and server-side apply."""

import json

import pytest
from kubernetes import client

from tests.cluster.applications import APPLICATIONS, GROUP, pod, spark_application
from tests.cluster.embedded.test_api import refusal

pytestmark = pytest.mark.cluster

APPLY = "application/apply-patch+yaml"


def raw(kubernetes, method, path, body, content_type="application/json", **query):
    """Send a request as no method of the client does; returns the answer."""
    answer = kubernetes.api.call_api(
        path,
        method,
        query_params=list(query.items()),
        header_params={"Content-Type": content_type, "Accept": "application/json"},
        body=body,
        auth_settings=["BearerToken"],
        _preload_content=False,
        _return_http_data_only=True,
    )
    return answer


def apply(kubernetes, path, body, manager, **query):
    answer = raw(kubernetes, "PATCH", path, body, APPLY, fieldManager=manager, **query)
    return json.loads(answer.data)


def notes(namespace, name=""):
    return f"/api/v1/namespaces/{namespace}/configmaps/{name}".rstrip("/")


def note(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_a_dry_run_is_checked_and_answered_but_not_stored(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"pods": "1"})

    created = kubernetes.core.create_namespaced_pod(namespace, pod("p"), dry_run="All")

    assert created.metadata.uid
    assert created.spec.restart_policy == "Always"
    assert refusal(kubernetes.core.read_namespaced_pod, "p", namespace)[0] == 404
    assert kubernetes.used(namespace) == {"pods": "0"}
    kubernetes.core.create_namespaced_pod(namespace, pod("p"))
    assert (
        "exceeded quota"
        in refusal(kubernetes.core.create_namespaced_pod, namespace, pod("q"), dry_run="All")[1]
    )


def test_an_unknown_field_is_dropped_with_a_warning_or_refused(kubernetes, namespace):
    body = {**pod("p"), "spec": {**pod("p")["spec"], "restartPolicies": "Never"}}
    path = f"/api/v1/namespaces/{namespace}/pods"

    answer = raw(kubernetes, "POST", path, body)

    assert answer.headers["Warning"] == '299 - "unknown field \\"spec.restartPolicies\\""'
    assert "restartPolicies" not in json.loads(answer.data)["spec"]
    assert refusal(kubernetes.core.create_namespaced_pod, namespace, body, field_validation="Strict") == (
        400,
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
        'unknown field "spec.restartPolicies"',
    )


def test_a_value_of_a_wrong_type_is_refused_with_its_field(kubernetes, namespace):
    body = pod("p", terminationGracePeriodSeconds="soon")

    assert refusal(kubernetes.core.create_namespaced_pod, namespace, body) == (
        400,
        'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field '
        "PodSpec.spec.terminationGracePeriodSeconds of type int64",
    )


def test_the_schema_of_applications_is_checked_with_every_cause(kubernetes, namespace):
    body = spark_application("a", mode="cloud")
    body["spec"]["driver"]["cores"] = 0

    code, message = refusal(kubernetes.submit, namespace, body)

    assert code == 422
    assert (
        "spec.driver.cores: Invalid value: 0: spec.driver.cores in body should be greater than or equal to 1"
        in message
    )
    assert 'spec.mode: Unsupported value: "cloud": supported values: "cluster", "client"' in message


def test_a_strategic_merge_joins_containers_and_keeps_the_order_it_is_told(kubernetes, namespace):
    body = pod("p", schedulerName="nobody")
    body["spec"]["containers"].append({"name": "side", "image": "pause"})
    kubernetes.core.create_namespaced_pod(namespace, body)
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "main"}, {"name": "side"}],
            "containers": [{"name": "side", "image": "other"}],
        }
    }

    changed = kubernetes.core.patch_namespaced_pod("p", namespace, patch)

    assert [(one.name, one.image) for one in changed.spec.containers] == [
        ("main", "pause"),
        ("side", "other"),
    ]


def test_apply_owns_fields_conflicts_over_them_and_drops_what_it_no_longer_names(kubernetes, namespace):
    path = notes(namespace, "shared")
    apply(kubernetes, path, note("shared", a="1", b="2"), "first")
    apply(kubernetes, path, note("shared", c="3"), "second")

    with pytest.raises(client.ApiException) as caught:
        apply(kubernetes, path, note("shared", a="9", c="3"), "second")
    conflict = json.loads(caught.value.body)
    dropped = apply(kubernetes, path, note("shared", a="1"), "first")
    taken = apply(kubernetes, path, note("shared", a="9", c="3"), "second", force="true")

    assert conflict["code"] == 409
    assert conflict["message"] == 'Apply failed with 1 conflict: conflict with "first": .data.a'
    assert conflict["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "first"', "field": ".data.a"}
    ]
    assert dropped["data"] == {"a": "1", "c": "3"}
    assert taken["data"] == {"a": "9", "c": "3"}
    assert {entry["manager"] for entry in taken["metadata"]["managedFields"]} == {"second"}, (
        "first has nothing left"
    )


def test_apply_creates_an_application_and_notices_who_changed_it(kubernetes, namespace):
    body = spark_application("app", suspend=True)
    path = f"/apis/{'/'.join(GROUP)}/namespaces/{namespace}/{APPLICATIONS}/app"
    created = apply(kubernetes, path, body, "gitops")
    change = {"spec": {"executor": {"instances": 5}}}
    kubernetes.custom.patch_namespaced_custom_object(*GROUP, namespace, APPLICATIONS, "app", change)

    with pytest.raises(client.ApiException) as caught:
        apply(kubernetes, path, body, "gitops")

    assert created["spec"]["executor"]["instances"] == 1
    assert ".spec.executor.instances" in json.loads(caught.value.body)["message"]


def test_apply_of_an_unknown_field_names_it(kubernetes, namespace):
    with pytest.raises(client.ApiException) as caught:
        apply(kubernetes, notes(namespace, "odd"), {**note("odd"), "dat": {}}, "me")

    assert caught.value.status == 500
    assert ".dat: field not declared in schema" in json.loads(caught.value.body)["message"]


def test_an_eviction_is_refused_when_a_disruption_budget_says_so(kubernetes, namespace):
    budgets = client.PolicyV1Api(kubernetes.api)
    selector = {"matchLabels": {"app": "a"}}
    budgets.create_namespaced_pod_disruption_budget(
        namespace, {"metadata": {"name": "keep"}, "spec": {"minAvailable": 1, "selector": selector}}
    )
    body = {**pod("p", nodeName="no-such-node"), "metadata": {"name": "p", "labels": {"app": "a"}}}
    kubernetes.core.create_namespaced_pod(namespace, body)
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    kubernetes.core.patch_namespaced_pod_status("p", namespace, {"status": ready})

    code, message = refusal(
        kubernetes.core.create_namespaced_pod_eviction,
        "p",
        namespace,
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}},
    )

    assert code == 429
    assert message == "Cannot evict pod as it would violate the pod's disruption budget."
    kubernetes.core.delete_namespaced_pod("p", namespace, grace_period_seconds=0)
