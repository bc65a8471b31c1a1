# SPDX-License-Identifier: Apache-2.0
"""The kinds beside pods that jobs, operators and people use, each with what is its own."""

import base64
import uuid

import pytest
from kubernetes import client

from tests.cluster.applications import eventually, pod
from tests.cluster.embedded.test_api import refusal

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster_name():
    """A name for an object without a namespace, which other tests of the cluster do not use."""
    return f"ps-test-{uuid.uuid4().hex[:8]}"


def test_a_config_map_that_is_immutable_stays_as_it_is(kubernetes, namespace):
    body = {"metadata": {"name": "fixed"}, "data": {"a": "1"}, "immutable": True}
    kubernetes.core.create_namespaced_config_map(namespace, body)

    code, message = refusal(
        kubernetes.core.patch_namespaced_config_map, "fixed", namespace, {"data": {"a": "2"}}
    )

    assert code == 422
    assert "data: Forbidden: field is immutable when `immutable` is set" in message


def test_a_secret_takes_plain_words_and_gives_them_encoded(kubernetes, namespace):
    body = {"metadata": {"name": "s"}, "stringData": {"password": "open sesame"}}

    created = kubernetes.core.create_namespaced_secret(namespace, body)

    assert created.type == "Opaque"
    assert created.string_data is None
    assert base64.b64decode(created.data["password"]) == b"open sesame"


def test_a_headless_service_of_a_driver_has_no_address(kubernetes, namespace):
    ports = [{"name": "driver-rpc-port", "port": 7078}]
    body = {"metadata": {"name": "driver-svc"}, "spec": {"clusterIP": "None", "ports": ports}}

    spec = kubernetes.core.create_namespaced_service(namespace, body).spec

    assert (spec.cluster_ip, spec.type) == ("None", "ClusterIP")
    assert [(port.port, port.target_port, port.protocol) for port in spec.ports] == [(7078, 7078, "TCP")]


def test_a_claim_waits_and_is_protected(kubernetes, namespace):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "none",
        "resources": {"requests": {"storage": "1Gi"}},
    }

    claim = kubernetes.core.create_namespaced_persistent_volume_claim(
        namespace, {"metadata": {"name": "data"}, "spec": spec}
    )

    assert claim.status.phase == "Pending"
    assert claim.metadata.finalizers == ["kubernetes.io/pvc-protection"]
    assert claim.spec.volume_mode == "Filesystem"


def test_a_priority_class_gives_pods_its_value(kubernetes, namespace, cluster_name):
    scheduling = client.SchedulingV1Api(kubernetes.api)
    scheduling.create_priority_class({"metadata": {"name": cluster_name}, "value": 1000})
    try:
        created = kubernetes.core.create_namespaced_pod(namespace, pod("p", priorityClassName=cluster_name))
        changed = refusal(scheduling.patch_priority_class, cluster_name, {"value": 5})
    finally:
        scheduling.delete_priority_class(cluster_name)

    assert (created.spec.priority, created.spec.preemption_policy) == (1000, "PreemptLowerPriority")
    assert changed == (
        422,
        f'PriorityClass.scheduling.k8s.io "{cluster_name}" is invalid: '
        "value: Forbidden: may not be changed in an update.",
    )
    assert refusal(
        kubernetes.core.create_namespaced_pod, namespace, pod("q", priorityClassName="none-such")
    ) == (
        403,
        'pods "q" is forbidden: no PriorityClass with name none-such was found',
    )


def test_a_runtime_class_adds_its_overhead_to_pods_and_to_what_the_quota_counts(
    kubernetes, namespace, cluster_name
):
    nodes = client.NodeV1Api(kubernetes.api)
    body = {"metadata": {"name": cluster_name}, "handler": "kata", "overhead": {"podFixed": {"cpu": "250m"}}}
    nodes.create_runtime_class(body)
    kubernetes.set_quota(namespace, {"requests.cpu": "2"})
    try:
        created = kubernetes.core.create_namespaced_pod(
            namespace, pod("p", runtimeClassName=cluster_name, schedulerName="nobody")
        )
    finally:
        nodes.delete_runtime_class(cluster_name)

    assert created.spec.overhead == {"cpu": "250m"}
    eventually(lambda: kubernetes.used(namespace) == {"requests.cpu": "1250m"}, "the overhead is counted")
    assert refusal(kubernetes.core.create_namespaced_pod, namespace, pod("q", runtimeClassName=cluster_name))[
        1
    ] == (f'pods "q" is forbidden: pod rejected: RuntimeClass "{cluster_name}" not found')


def test_of_two_who_want_a_lease_one_gets_it(kubernetes, namespace):
    leases = client.CoordinationV1Api(kubernetes.api)
    spec = {"holderIdentity": "first", "leaseDurationSeconds": 15}
    leases.create_namespaced_lease(namespace, {"metadata": {"name": "leader"}, "spec": spec})
    seen_by_both = [leases.read_namespaced_lease("leader", namespace) for _ in range(2)]
    for lease, name in zip(seen_by_both, ("second", "third"), strict=True):
        lease.spec.holder_identity = name

    leases.replace_namespaced_lease("leader", namespace, seen_by_both[0])
    code, message = refusal(leases.replace_namespaced_lease, "leader", namespace, seen_by_both[1])

    assert code == 409
    assert "the object has been modified; please apply your changes to the latest version" in message
    assert leases.read_namespaced_lease("leader", namespace).spec.holder_identity == "second"


def test_generated_names_are_short_and_all_different(kubernetes, namespace):
    body = {"metadata": {"generateName": f"{'long-' * 13}exec-"}}

    names = [kubernetes.core.create_namespaced_config_map(namespace, body).metadata.name for _ in range(5)]

    assert len(set(names)) == 5
    assert {len(name) for name in names} == {63}
    assert all(name.startswith("long-long-") for name in names)
