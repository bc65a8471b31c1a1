# SPDX-License-Identifier: Apache-2.0
"""LimitRanges: what they fill in, what they refuse, and that the quota counts what they filled in."""

import pytest
from kubernetes import client

from tests.cluster.applications import eventually, pod, spark_application
from tests.cluster.embedded.test_api import refusal

pytestmark = pytest.mark.cluster


def limit_range(kubernetes, namespace, **limits):
    body = {"metadata": {"name": "limits"}, "spec": {"limits": [{"type": "Container", **limits}]}}
    return kubernetes.core.create_namespaced_limit_range(namespace, body)


def plain(name, **resources):
    """A pod whose container says no more about resources than it is told to."""
    body = pod(name)
    body["spec"]["containers"][0]["resources"] = resources
    return body


def resources_of(created):
    found = created.spec.containers[0].resources
    return found.requests, found.limits


def test_a_container_that_says_nothing_gets_the_defaults_and_is_told_so(kubernetes, namespace):
    limit_range(kubernetes, namespace, default={"cpu": "2", "memory": "2Gi"}, defaultRequest={"cpu": "500m"})

    created = kubernetes.core.create_namespaced_pod(namespace, plain("p"))

    assert resources_of(created) == ({"cpu": "500m", "memory": "2Gi"}, {"cpu": "2", "memory": "2Gi"})
    assert created.metadata.annotations["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container main; cpu, memory limit for container main"
    )
    assert created.status.qos_class == "Burstable"


def test_what_a_container_says_stays(kubernetes, namespace):
    limit_range(kubernetes, namespace, default={"cpu": "2"}, defaultRequest={"cpu": "500m"})

    created = kubernetes.core.create_namespaced_pod(
        namespace, plain("p", requests={"cpu": "1"}, limits={"cpu": "1"})
    )

    assert resources_of(created) == ({"cpu": "1"}, {"cpu": "1"})
    assert created.metadata.annotations is None


def test_a_maximum_alone_is_also_the_default(kubernetes, namespace):
    stored = limit_range(kubernetes, namespace, max={"cpu": "4"})

    assert stored.spec.limits[0].default == {"cpu": "4"}
    assert resources_of(kubernetes.core.create_namespaced_pod(namespace, plain("p"))) == (
        {"cpu": "4"},
        {"cpu": "4"},
    )


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"limits": {"cpu": "5"}}, "maximum cpu usage per Container is 4, but limit is 5"),
        ({"requests": {"cpu": "50m"}}, "minimum cpu usage per Container is 100m, but request is 50m"),
        (
            {"requests": {"cpu": "1"}, "limits": {"cpu": "4"}},
            "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        ),
    ],
)
def test_a_container_out_of_bounds_is_refused_with_the_bound(kubernetes, namespace, asked, sentence):
    bounds = {"max": {"cpu": "4"}, "min": {"cpu": "100m"}, "maxLimitRequestRatio": {"cpu": "2"}}
    limit_range(kubernetes, namespace, **bounds, default={"cpu": "100m"}, defaultRequest={"cpu": "100m"})

    code, message = refusal(kubernetes.core.create_namespaced_pod, namespace, plain("p", **asked))

    assert code == 403
    assert message.startswith('pods "p" is forbidden: ')
    assert sentence in message


def test_a_pod_as_a_whole_and_a_claim_have_bounds_too(kubernetes, namespace):
    limits = [
        {"type": "Pod", "max": {"cpu": "2"}},
        {"type": "PersistentVolumeClaim", "max": {"storage": "2Gi"}},
    ]
    kubernetes.core.create_namespaced_limit_range(
        namespace, {"metadata": {"name": "l"}, "spec": {"limits": limits}}
    )
    two = plain("p", limits={"cpu": "1500m"})
    two["spec"]["containers"].append({**two["spec"]["containers"][0], "name": "side"})
    claim = {
        "metadata": {"name": "c"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "none",
            "resources": {"requests": {"storage": "3Gi"}},
        },
    }

    assert refusal(kubernetes.core.create_namespaced_pod, namespace, two) == (
        403,
        'pods "p" is forbidden: maximum cpu usage per Pod is 2, but limit is 3',
    )
    assert refusal(kubernetes.core.create_namespaced_persistent_volume_claim, namespace, claim) == (
        403,
        'persistentvolumeclaims "c" is forbidden: '
        "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi",
    )


def test_the_quota_counts_what_the_limit_range_filled_in(kubernetes, namespace):
    limit_range(kubernetes, namespace, default={"cpu": "2"}, defaultRequest={"cpu": "2"})
    kubernetes.set_quota(namespace, {"requests.cpu": "3"})
    kubernetes.core.create_namespaced_pod(namespace, plain("first"))

    code, message = refusal(kubernetes.core.create_namespaced_pod, namespace, plain("second"))

    assert code == 403
    assert (
        "exceeded quota: quota, requested: requests.cpu=2, used: requests.cpu=2, limited: requests.cpu=3"
        in message
    )


def test_a_limit_range_that_contradicts_itself_is_refused_with_its_fields(kubernetes, namespace):
    limits = [{"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"}}]

    code, message = refusal(
        kubernetes.core.create_namespaced_limit_range,
        namespace,
        {"metadata": {"name": "bad"}, "spec": {"limits": limits}},
    )

    assert code == 422
    assert 'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1' in message


def test_an_application_whose_driver_is_too_large_fails_with_the_sentence(kubernetes, namespace):
    limit_range(kubernetes, namespace, max={"memory": "512Mi"})
    kubernetes.submit(namespace, spark_application("large"))

    eventually(lambda: kubernetes.state(namespace, "large") == "FAILED", "the application fails")

    message = kubernetes.application(namespace, "large")["status"]["applicationState"]["errorMessage"]
    assert "maximum memory usage per Container is 512Mi, but limit is 896Mi" in message
    assert client.CoreV1Api(kubernetes.api).list_namespaced_pod(namespace).items == []
