# SPDX-License-Identifier: Apache-2.0
"""How objects go: finalizers, owners, grace, preconditions."""

import pytest
from kubernetes import client

from tests.cluster.applications import eventually, pod
from tests.cluster.embedded.test_api import refusal

pytestmark = pytest.mark.cluster

HELD = ["example.com/hold"]


def note(kubernetes, namespace, name, **metadata):
    body = {"metadata": {"name": name, **metadata}}
    return kubernetes.core.create_namespaced_config_map(namespace, body)


def owned_by(owner, *, blocks=False):
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
    }
    return [{**reference, "blockOwnerDeletion": blocks}]


def exists(kubernetes, namespace, name):
    found = kubernetes.core.list_namespaced_config_map(namespace, field_selector=f"metadata.name={name}")
    return bool(found.items)


def delete(kubernetes, namespace, name, **options):
    return kubernetes.core.delete_namespaced_config_map(
        name, namespace, body=client.V1DeleteOptions(**options)
    )


def test_a_finalizer_holds_an_object_until_it_is_taken_off(kubernetes, namespace):
    note(kubernetes, namespace, "held", finalizers=HELD)

    delete(kubernetes, namespace, "held")
    told = kubernetes.core.read_namespaced_config_map("held", namespace)
    kubernetes.core.patch_namespaced_config_map("held", namespace, {"metadata": {"finalizers": None}})

    assert told.metadata.deletion_timestamp is not None
    assert told.metadata.finalizers == HELD
    assert not exists(kubernetes, namespace, "held")


def test_nobody_adds_a_finalizer_to_what_is_being_deleted(kubernetes, namespace):
    note(kubernetes, namespace, "held", finalizers=HELD)
    delete(kubernetes, namespace, "held")

    code, message = refusal(
        kubernetes.core.patch_namespaced_config_map,
        "held",
        namespace,
        {"metadata": {"finalizers": [*HELD, "example.com/more"]}},
    )

    assert code == 422
    assert (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"
        in message
    )
    kubernetes.core.patch_namespaced_config_map("held", namespace, {"metadata": {"finalizers": None}})


def test_in_the_background_dependents_go_after_their_owner(kubernetes, namespace):
    owner = note(kubernetes, namespace, "owner")
    child = note(kubernetes, namespace, "child", ownerReferences=owned_by(owner))
    note(kubernetes, namespace, "grandchild", ownerReferences=owned_by(child))

    delete(kubernetes, namespace, "owner")

    assert not exists(kubernetes, namespace, "owner")
    eventually(lambda: not exists(kubernetes, namespace, "child"), "the child is collected")
    eventually(lambda: not exists(kubernetes, namespace, "grandchild"), "and the grandchild")


def test_in_the_foreground_the_owner_waits_for_dependents_that_block_it(kubernetes, namespace):
    owner = note(kubernetes, namespace, "owner")
    note(kubernetes, namespace, "child", ownerReferences=owned_by(owner, blocks=True), finalizers=HELD)

    delete(kubernetes, namespace, "owner", propagation_policy="Foreground")
    eventually(
        lambda: kubernetes.core.read_namespaced_config_map("child", namespace).metadata.deletion_timestamp,
        "the child is asked to go first",
    )
    waiting = kubernetes.core.read_namespaced_config_map("owner", namespace).metadata

    assert waiting.finalizers == ["foregroundDeletion"]
    kubernetes.core.patch_namespaced_config_map("child", namespace, {"metadata": {"finalizers": None}})
    eventually(lambda: not exists(kubernetes, namespace, "owner"), "then the owner goes")


def test_orphans_stay_and_forget_their_owner(kubernetes, namespace):
    owner = note(kubernetes, namespace, "owner")
    note(kubernetes, namespace, "child", ownerReferences=owned_by(owner))

    delete(kubernetes, namespace, "owner", propagation_policy="Orphan")

    eventually(lambda: not exists(kubernetes, namespace, "owner"), "the owner goes")
    child = kubernetes.core.read_namespaced_config_map("child", namespace)
    assert child.metadata.owner_references is None


def test_an_object_of_an_owner_that_never_was_is_collected(kubernetes, namespace):
    lost = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody"}
    uid = "11111111-1111-1111-1111-111111111111"

    note(kubernetes, namespace, "waif", ownerReferences=[{**lost, "uid": uid}])

    eventually(lambda: not exists(kubernetes, namespace, "waif"), "the waif is collected")


def test_an_object_with_a_second_owner_stays_with_it(kubernetes, namespace):
    first, second = (note(kubernetes, namespace, name) for name in ("first", "second"))
    note(kubernetes, namespace, "child", ownerReferences=[*owned_by(first), *owned_by(second)])
    note(kubernetes, namespace, "only-child", ownerReferences=owned_by(first))

    delete(kubernetes, namespace, "first")

    eventually(lambda: not exists(kubernetes, namespace, "only-child"), "the collector has passed")
    assert exists(kubernetes, namespace, "child")


def test_a_pod_on_a_node_gets_its_grace_and_a_shorter_one_counts(kubernetes, namespace):
    kubernetes.core.create_namespaced_pod(
        namespace, pod("p", nodeName="no-such-node", terminationGracePeriodSeconds=40)
    )

    def grace_after(**options):
        body = client.V1DeleteOptions(**options)
        return kubernetes.core.delete_namespaced_pod(
            "p", namespace, body=body
        ).metadata.deletion_grace_period_seconds

    assert grace_after() == 40
    assert grace_after(grace_period_seconds=60) == 40
    assert grace_after(grace_period_seconds=5) == 5
    assert grace_after(grace_period_seconds=0) == 0
    assert refusal(kubernetes.core.read_namespaced_pod, "p", namespace) == (404, 'pods "p" not found')


def test_a_pod_that_nobody_has_placed_goes_at_once(kubernetes, namespace):
    kubernetes.core.create_namespaced_pod(namespace, pod("p", schedulerName="nobody"))

    kubernetes.core.delete_namespaced_pod("p", namespace)

    assert refusal(kubernetes.core.read_namespaced_pod, "p", namespace)[0] == 404


@pytest.mark.parametrize("field", ["uid", "resource_version"])
def test_a_precondition_that_does_not_hold_keeps_the_object(kubernetes, namespace, field):
    note(kubernetes, namespace, "kept")
    conditions = client.V1Preconditions(**{field: "1"})

    code, message = refusal(
        kubernetes.core.delete_namespaced_config_map,
        "kept",
        namespace,
        body=client.V1DeleteOptions(preconditions=conditions),
    )

    assert code == 409
    assert 'Operation cannot be fulfilled on ConfigMap "kept": the ' in message
    assert "in the precondition (1) does not match" in message
    assert exists(kubernetes, namespace, "kept")


def test_a_dry_run_deletes_nothing(kubernetes, namespace):
    note(kubernetes, namespace, "kept")

    answer = delete(kubernetes, namespace, "kept", dry_run=["All"])

    assert answer.status == "Success"
    assert exists(kubernetes, namespace, "kept")


def test_a_claim_stays_while_a_pod_uses_it(kubernetes, namespace):
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "none",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    kubernetes.core.create_namespaced_persistent_volume_claim(namespace, claim)
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    kubernetes.core.create_namespaced_pod(namespace, pod("user", volumes=[volume], nodeName="no-such-node"))

    kubernetes.core.delete_namespaced_persistent_volume_claim("data", namespace)
    held = kubernetes.core.read_namespaced_persistent_volume_claim("data", namespace).metadata
    kubernetes.core.delete_namespaced_pod("user", namespace, grace_period_seconds=0)

    def claims():
        return kubernetes.core.list_namespaced_persistent_volume_claim(namespace).items

    assert held.deletion_timestamp is not None
    assert held.finalizers == ["kubernetes.io/pvc-protection"]
    eventually(lambda: not claims(), "the claim goes with its pod")
