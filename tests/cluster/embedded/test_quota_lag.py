# SPDX-License-Identifier: Apache-2.0
"""Quotas take at once and give back late; terminating pods, several quotas, and scopes."""

import asyncio

import pytest

from airflow_priority_spark.embedded import objects, quota
from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.kinds import CLAIMS, PRIORITY_CLASSES, RESOURCE_QUOTAS, SERVICES
from tests.cluster.embedded.control_plane import TEAM, ControlPlane, until

LAG = 0.2


@pytest.fixture
async def late():
    """A control plane whose quota controller takes a while."""
    async with ControlPlane(quota_lag=LAG) as running:
        yield running


def refused(plane, *arguments, **options):
    with pytest.raises(ApiError) as caught:
        plane.pod(*arguments, **options)
    return caught.value.message


async def test_what_a_pod_takes_counts_at_once_and_what_it_gives_back_late(late):
    late.quota(hard={"pods": "1", "requests.cpu": "2"})
    await until(late.used, "the quota is noted")
    late.pod("a", cpu="2")
    assert late.used() == {"pods": "1", "requests.cpu": "2"}

    late.finish("a")

    assert late.used() == {"pods": "1", "requests.cpu": "2"}
    assert refused(late, "b") == (
        'pods "b" is forbidden: exceeded quota: quota, requested: pods=1,requests.cpu=1, '
        "used: pods=1,requests.cpu=2, limited: pods=1,requests.cpu=2"
    )
    await asyncio.sleep(LAG * 1.5)
    assert late.used() == {"pods": "0", "requests.cpu": "0"}
    late.pod("b")


async def test_a_new_quota_keeps_nobody_out_before_it_is_noted(late):
    late.quota(hard={"pods": "0"})
    late.pod("early")

    await until(lambda: late.used() == {"pods": "1"}, "the quota is noted")

    assert "exceeded quota: quota, requested: pods=1, used: pods=1, limited: pods=0" in refused(late, "late")


async def test_a_changed_quota_is_in_force_once_it_is_noted(late):
    late.quota(hard={"pods": "0"})
    await until(late.used, "the quota is noted")
    hard = {"hard": {"pods": "1"}}
    late.verbs.update(RESOURCE_QUOTAS, TEAM, "quota", lambda data: {**data, "spec": hard})

    assert "limited: pods=0" in refused(late, "early")
    await until(lambda: late.find("quota", kind=RESOURCE_QUOTAS)["status"]["hard"] == {"pods": "1"}, "noted")
    late.pod("late")


async def test_a_terminating_pod_counts_for_its_grace_twice_over(plane, monkeypatch):
    """Its ``deletionTimestamp`` has its grace in it, and the quota adds it again."""
    plane.quota(hard={"pods": "1"})
    plane.pod("a", nodeName="lost")
    plane.end("a", grace=30)
    counted = plane.find("a")

    for seconds, expected in ((29, True), (31, True), (59, True), (61, False)):
        monkeypatch.setattr(objects._Clock, "skew", objects.timedelta(seconds=seconds))
        assert quota._holds_compute(counted) is expected, seconds


async def test_a_terminating_pod_is_out_of_the_quota_without_any_event(plane):
    plane.quota(hard={"pods": "1", "count/pods": "5"})
    plane.pod("a", nodeName="lost")
    plane.end("a", grace=1)
    assert plane.used() == {"pods": "1", "count/pods": "1"}

    await until(lambda: plane.used() == {"pods": "0", "count/pods": "1"}, "a is counted no more", seconds=4)

    assert plane.find("a") is not None


async def test_every_quota_of_a_namespace_has_to_let_a_pod_in(plane):
    plane.quota("cpu", hard={"requests.cpu": "1"})
    plane.quota("pods", hard={"pods": "1"})
    plane.pod("a", cpu="500m")

    assert "exceeded quota: pods," in refused(plane, "b", cpu="500m")
    plane.finish("a")
    assert "exceeded quota: cpu," in refused(plane, "b", cpu="2")
    assert (plane.used("cpu"), plane.used("pods")) == ({"requests.cpu": "0"}, {"pods": "0"})


@pytest.mark.parametrize(
    ("spec", "counted", "other"),
    [
        ({"scopes": ["Terminating"]}, {"activeDeadlineSeconds": 60}, {}),
        ({"scopes": ["NotTerminating"]}, {}, {"activeDeadlineSeconds": 60}),
        ({"scopes": ["BestEffort"]}, {"cpu": None}, {}),
        ({"scopes": ["NotBestEffort"]}, {}, {"cpu": None}),
        ({"scopes": ["PriorityClass"]}, {"priorityClassName": "high"}, {}),
        ({"operator": "In", "values": ["high"]}, {"priorityClassName": "high"}, {"priorityClassName": "low"}),
        ({"operator": "NotIn", "values": ["high"]}, {}, {"priorityClassName": "high"}),
        ({"operator": "DoesNotExist"}, {}, {"priorityClassName": "high"}),
    ],
)
async def test_a_scope_decides_which_pods_count(plane, spec, counted, other):
    for value, name in enumerate(("low", "high")):
        plane.verbs.create(PRIORITY_CLASSES, "", {"metadata": {"name": name}, "value": value})
    if "operator" in spec:
        spec = {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", **spec}]}}
    plane.quota(hard={"pods": "1"}, **spec)

    plane.pod("other", **other)
    plane.pod("first", **counted)

    assert plane.used() == {"pods": "1"}
    assert "exceeded quota" in refused(plane, "second", **counted)
    plane.pod("another", **other)


async def test_storage_gpus_and_doors_are_counted(plane):
    plane.quota(
        hard={
            "requests.storage": "10Gi",
            "persistentvolumeclaims": "5",
            "fast.storageclass.storage.k8s.io/requests.storage": "4Gi",
            "requests.nvidia.com/gpu": "2",
            "services.nodeports": "2",
            "count/services": "5",
        }
    )
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "storageClassName": "fast",
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "3Gi"}},
        },
    }
    plane.verbs.create(CLAIMS, TEAM, claim)
    ports = [{"name": f"p{number}", "port": number} for number in (1, 2)]
    plane.verbs.create(
        SERVICES, TEAM, {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": ports}}
    )
    gpu = {"name": "m", "image": "p", "resources": {"limits": {"nvidia.com/gpu": "2"}}}
    plane.pod("g", containers=[gpu])

    assert plane.used() == {
        "requests.storage": "3Gi",
        "persistentvolumeclaims": "1",
        "fast.storageclass.storage.k8s.io/requests.storage": "3Gi",
        "requests.nvidia.com/gpu": "2",
        "services.nodeports": "2",
        "count/services": "1",
    }
    with pytest.raises(ApiError, match=r"requested: fast\.storageclass\..*/requests\.storage=3Gi"):
        plane.verbs.create(CLAIMS, TEAM, {**claim, "metadata": {"name": "more"}})
