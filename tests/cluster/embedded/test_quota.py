# SPDX-License-Identifier: Apache-2.0
"""ResourceQuota: the API server's refusals, and ``status.used`` as it counts."""

import pytest
from kubernetes import client

from tests.cluster.applications import eventually, pod, spark_application
from tests.cluster.embedded.test_api import refusal

pytestmark = pytest.mark.cluster


def test_a_pod_over_quota_is_refused_with_the_api_servers_sentence(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"requests.cpu": "2", "requests.memory": "4Gi", "pods": "10"})
    kubernetes.core.create_namespaced_pod(namespace, pod("first", cpu="1500m", memory="1536Mi"))

    answer = refusal(kubernetes.core.create_namespaced_pod, namespace, pod("second", memory="3Gi"))

    assert answer == (
        403,
        'pods "second" is forbidden: exceeded quota: quota, requested: requests.cpu=1,requests.memory=3Gi, '
        "used: requests.cpu=1500m,requests.memory=1536Mi, limited: requests.cpu=2,requests.memory=4Gi",
    )
    assert kubernetes.used(namespace) == {"requests.cpu": "1500m", "requests.memory": "1536Mi", "pods": "1"}


def test_a_pod_must_name_what_the_quota_counts(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"limits.memory": "4Gi", "requests.cpu": "2"})
    body = pod("vague")
    del body["spec"]["containers"][0]["resources"]["requests"]["cpu"]

    assert refusal(kubernetes.core.create_namespaced_pod, namespace, body) == (
        403,
        'pods "vague" is forbidden: failed quota: quota: must specify limits.memory for: main; '
        "requests.cpu for: main",
    )


def test_applications_are_counted_as_objects(kubernetes, namespace):
    counted = "count/sparkapplications.sparkoperator.k8s.io"
    kubernetes.set_quota(namespace, {counted: "1"})
    kubernetes.submit(namespace, spark_application("first"))

    assert refusal(kubernetes.submit, namespace, spark_application("second")) == (
        403,
        'sparkapplications.sparkoperator.k8s.io "second" is forbidden: exceeded quota: quota, '
        f"requested: {counted}=1, used: {counted}=1, limited: {counted}=1",
    )


def test_gpus_are_counted_by_their_requests(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"requests.nvidia.com/gpu": "1"})
    body = pod("gpu")
    body["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "2"}}

    assert (
        "requested: requests.nvidia.com/gpu=2, used: requests.nvidia.com/gpu=0, limited:"
        in (refusal(kubernetes.core.create_namespaced_pod, namespace, body)[1])
    )


def test_a_quota_made_later_counts_what_exists_and_follows_its_spec(kubernetes, namespace):
    kubernetes.core.create_namespaced_pod(namespace, pod("early"))
    kubernetes.set_quota(namespace, {"cpu": "4", "pods": "2"})
    assert kubernetes.used(namespace) == {"cpu": "1", "pods": "1"}

    kubernetes.core.patch_namespaced_resource_quota("quota", namespace, {"spec": {"hard": {"cpu": "500m"}}})

    kubernetes.until_quota_is(namespace, {"cpu": "500m", "pods": "2"})
    status = kubernetes.core.read_namespaced_resource_quota("quota", namespace).status
    assert (status.hard, status.used) == ({"cpu": "500m", "pods": "2"}, {"cpu": "1", "pods": "1"})
    assert refusal(kubernetes.core.create_namespaced_pod, namespace, pod("late"))[0] == 403


def test_finished_pods_leave_the_quota_but_not_the_object_count(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"cpu": "4", "pods": "4", "count/pods": "9"})
    kubernetes.submit(namespace, spark_application("app"))
    kubernetes.until_state(namespace, "app", "COMPLETED")

    eventually(
        lambda: kubernetes.used(namespace) == {"cpu": "0", "pods": "0", "count/pods": "1"}, "quota given back"
    )


@pytest.mark.embedded_only("the controller manager notices at its next count, up to five minutes later")
def test_a_terminating_pod_counts_until_its_grace_is_over(kubernetes, namespace):
    kubernetes.set_quota(namespace, {"pods": "1"})
    kubernetes.core.create_namespaced_pod(namespace, pod("held", nodeName="a-lost-node"))
    kubernetes.core.patch_namespaced_pod("held", namespace, {"metadata": {"labels": {"kubelet": "lost"}}})
    eventually(lambda: kubernetes.used(namespace) == {"pods": "1"}, "the pod is counted")

    kubernetes.core.delete_namespaced_pod(
        "held", namespace, body=client.V1DeleteOptions(grace_period_seconds=1)
    )

    eventually(lambda: kubernetes.used(namespace) == {"pods": "0"}, "the pod is out of the quota", seconds=5)


def test_a_quota_with_a_scope_counts_the_pods_of_its_scope_only(kubernetes, namespace):
    body = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}}
    kubernetes.core.create_namespaced_resource_quota(namespace, body)
    kubernetes.until_quota_is(namespace, {"pods": "1"}, "q")
    kubernetes.core.create_namespaced_pod(namespace, pod("burstable"))
    carefree = pod("carefree")
    carefree["spec"]["containers"][0]["resources"] = {}
    kubernetes.core.create_namespaced_pod(namespace, carefree)

    carefree["metadata"]["name"] = "second"
    assert refusal(kubernetes.core.create_namespaced_pod, namespace, carefree) == (
        403,
        'pods "second" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1',
    )
    assert kubernetes.used(namespace) == {"pods": "1"}
