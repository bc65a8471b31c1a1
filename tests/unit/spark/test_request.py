# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_priority_spark.errors import InvalidRequest
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.demand import compute_demand
from airflow_priority_spark.spark.request import MAX_REQUEST_BYTES, AdmissionRequest, ConnectionRef
from tests.unit.spark.manifests import manifest

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
DEMAND = compute_demand(
    manifest(
        executor={
            "instances": 3,
            "nodeSelector": {"zone": "a"},
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "priorityClassName": "high",
            "sidecars": [{"name": "proxy", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}],
            "affinity": {
                "nodeAffinity": {
                    REQUIRED: {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["a", "b"]}]},
                            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
                        ]
                    }
                },
                "podAffinity": {
                    REQUIRED: [
                        {
                            "topologyKey": "zone",
                            "labelSelector": {"matchLabels": {"app": "cache"}},
                            "namespaceSelector": {},
                        }
                    ]
                },
                "podAntiAffinity": {
                    REQUIRED: [
                        {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {
                                "matchExpressions": [{"key": "spark-role", "operator": "Exists"}]
                            },
                            "mismatchLabelKeys": ["spark-app-selector"],
                        }
                    ]
                },
            },
            "template": {
                "spec": {
                    "topologySpreadConstraints": [
                        {"topologyKey": "zone", "maxSkew": 2, "labelSelector": {}, "minDomains": 3}
                    ]
                }
            },
        }
    )
).demand
REQUEST = AdmissionRequest(
    "team-a", "high", DEMAND, ConnectionRef("k8s", in_cluster=True), "observe", "why", 2
)


def test_affinity_spread_sidecars_and_priority_class_are_in_the_request():
    _, executor = DEMAND.pod_sets
    assert all(executor.affinity)
    assert executor.containers
    assert executor.scope.priority_class == "high"
    written = REQUEST.to_json()["demand"]["pod_sets"]
    assert json.loads(json.dumps(written)) == written
    assert {"affinity", "containers", "scope"} & set(written[0]) == set()


def changed(path, value):
    data = json.loads(json.dumps(REQUEST.to_json()))
    *parents, last = path
    place = data
    for step in parents:
        place = place[step]
    place[last] = value
    return data


def test_a_request_survives_the_way_through_json():
    assert AdmissionRequest.parse(json.dumps(REQUEST.to_json())) == REQUEST
    assert REQUEST.checked() == REQUEST.to_json()


WRONG = [
    (("version",), 2, "version: 2 is not valid; allowed: 1"),
    (("namespace",), "", "namespace: '' is not valid; allowed: a non-empty string"),
    (("priority",), 7, "priority: 7 is not valid"),
    (("flow",), "fast", "flow: 'fast' is not valid; allowed: priority, observe, legacy"),
    (("keep_application",), "no", "keep_application: 'no' is not valid; allowed: true or false"),
    (("admission",), -1, "admission: -1 is not valid; allowed: a whole number"),
    (("surprise",), 1, "request.surprise: 'present' is not valid; allowed: one of admission"),
    (("connection", "in_cluster"), "yes", "connection.in_cluster: 'yes' is not valid"),
    (("connection", "token"), "x", "connection.token: 'present' is not valid"),
    (("demand", "pod_sets"), [], "demand.pod_sets: [] is not valid; allowed: a list with at least one"),
    (
        ("demand", "pod_sets", 1, "affinity", "apart", 0, "job"),
        "every",
        "demand.pod_sets[1].affinity.apart[0].job: 'every' is not valid; allowed: nothing, same, other",
    ),
    (
        ("demand", "pod_sets", 1, "affinity", "spread", 0, "max_skew"),
        0,
        "demand.pod_sets[1].affinity.spread[0].max_skew: 0 is not valid; allowed: a whole number of at least",
    ),
    (
        ("demand", "pod_sets", 1, "affinity", "nodes", 0, "labels", 0),
        ["disk", "Is", []],
        "demand.pod_sets[1].affinity.nodes[0].labels[0].operator: 'Is' is not valid; allowed: In, NotIn,",
    ),
    (
        ("demand", "pod_sets", 1, "affinity", "nodes", 0, "labels"),
        [["disk", "In", []]] * 101,
        "demand.pod_sets[1].affinity.nodes[0].labels: '101 items' is not valid; allowed: at most 100",
    ),
    (
        ("demand", "pod_sets", 1, "affinity"),
        [],
        "demand.pod_sets[1].affinity: [] is not valid; allowed: an obj",
    ),
    (
        ("demand", "pod_sets", 1, "scope", "deadline"),
        1,
        "demand.pod_sets[1].scope.deadline: 1 is not valid; allowed: true or",
    ),
    (("demand", "pod_sets", 1, "scope", "qos"), 1, "demand.pod_sets[1].scope.qos: 'present' is not"),
    (("demand", "pod_sets", 1, "labels", "app"), 1, "demand.pod_sets[1].labels.app: 1 is not valid"),
    (
        ("demand", "pod_sets", 1, "containers", 0, "kind"),
        "ephemeral",
        "demand.pod_sets[1].containers[0].kind: 'ephemeral' is not valid; allowed: nothing, init, sidecar",
    ),
    (("demand", "pod_sets", 1, "count"), 1.5, "demand.pod_sets[1].count: 1.5 is not valid"),
    (
        ("demand", "pod_sets", 1, "count"),
        10**6,
        "demand.pod_sets[1].count: 1000000 is not valid; allowed: at most",
    ),
    (("demand", "pod_sets", 0, "requests", "cpu"), "1", "demand.pod_sets[0].requests.cpu: '1' is not valid"),
    (("demand", "pod_sets", 1, "tolerations"), {}, "demand.pod_sets[1].tolerations: {} is not valid"),
    (
        ("demand", "pod_sets", 1, "tolerations", 0, "operator"),
        "Likes",
        "demand.pod_sets[1].tolerations.operator: 'Likes' is not valid; allowed: Exists or Equal",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[".".join(map(str, w[0])) for w in WRONG])
def test_what_does_not_fit_the_schema_is_refused_by_name(path, value, message):
    with pytest.raises(InvalidRequest) as caught:
        AdmissionRequest.from_json(changed(path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"text"', "[" * 5000])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(InvalidRequest, match="request: "):
        AdmissionRequest.parse(text)


def test_what_is_too_large_is_refused_before_it_is_read():
    with pytest.raises(InvalidRequest, match=f"allowed: at most {MAX_REQUEST_BYTES} bytes"):
        AdmissionRequest.parse(" " * (MAX_REQUEST_BYTES + 1))


def test_two_ways_to_a_cluster_have_two_aliases():
    assert ConnectionRef("a").alias() != ConnectionRef("a", cluster_context="x").alias()
    assert ConnectionRef("a").alias() == ConnectionRef("a").alias()


def test_an_event_survives_its_payload_and_unknown_keys_are_ignored():
    event = AdmissionEvent("admitted", "j", "i", "team-a", "high", 2, 12.5, 41.0, history=("queued",))
    payload = json.loads(json.dumps(event.to_payload()))
    assert AdmissionEvent.from_payload({**payload, "of_the_future": 1}) == event


@pytest.mark.parametrize("payload", [None, [], "admitted", {}, {"outcome": "perhaps"}])
def test_something_else_is_no_admission_event(payload):
    with pytest.raises(InvalidRequest, match="an admission event with outcome admitted, legacy"):
        AdmissionEvent.from_payload(payload)
