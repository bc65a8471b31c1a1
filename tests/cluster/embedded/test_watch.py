# SPDX-License-Identifier: Apache-2.0
"""Watches through the real clients: initial objects, resuming, selectors, bookmarks, 410."""

import json

import kubernetes_asyncio
import pytest
from kubernetes import watch
from kubernetes.client import ApiException

from tests.cluster.applications import Kubernetes

pytestmark = pytest.mark.cluster


def note(kubernetes, namespace, name, labels=None):
    body = {"metadata": {"name": name, "labels": labels or {}}}
    return kubernetes.core.create_namespaced_config_map(namespace, body).metadata.resource_version


def is_certificate(name):
    """Kubernetes puts certificates of its own into every namespace, a moment after it was made."""
    return name.endswith(".crt")


def events(kubernetes, namespace, count, **options):
    """The first ``count`` events of a watch on the namespace's config maps, as (type, name)."""
    seen = []
    stream = watch.Watch().stream(
        kubernetes.core.list_namespaced_config_map, namespace, timeout_seconds=5, **options
    )
    for event in stream:
        if not is_certificate(event["object"].metadata.name):
            seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == count:
            break
    return seen


def raw_lines(kubernetes, namespace, **options):
    answer = kubernetes.core.list_namespaced_config_map(
        namespace, watch=True, _preload_content=False, **options
    )
    return [json.loads(line) for line in answer.read().splitlines()]


def test_a_watch_without_a_version_begins_with_what_exists(kubernetes, namespace):
    for name in ("a", "b"):
        note(kubernetes, namespace, name)

    assert events(kubernetes, namespace, 2) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_watch_resumes_after_the_version_it_has_seen(kubernetes, namespace):
    note(kubernetes, namespace, "a")
    seen = note(kubernetes, namespace, "b")
    note(kubernetes, namespace, "c")
    kubernetes.core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
    kubernetes.core.delete_namespaced_config_map("b", namespace)

    assert events(kubernetes, namespace, 3, resource_version=seen) == [
        ("ADDED", "c"),
        ("MODIFIED", "a"),
        ("DELETED", "b"),
    ]


def test_an_object_that_begins_or_ceases_to_match_is_added_or_deleted(kubernetes, namespace):
    start = note(kubernetes, namespace, "a", {"watched": "no"})
    for value in ("yes", "no"):
        kubernetes.core.patch_namespaced_config_map(
            "a", namespace, {"metadata": {"labels": {"watched": value}}}
        )

    found = events(kubernetes, namespace, 2, resource_version=start, label_selector="watched=yes")

    assert found == [("ADDED", "a"), ("DELETED", "a")]


def test_other_namespaces_are_not_seen(kubernetes, namespace):
    start = note(kubernetes, namespace, "mine")
    note(kubernetes, "default", "theirs")
    note(kubernetes, namespace, "mine-too")
    kubernetes.core.delete_namespaced_config_map("theirs", "default")

    lines = raw_lines(kubernetes, namespace, resource_version=start, timeout_seconds=1)

    names = [line["object"]["metadata"]["name"] for line in lines]
    assert [name for name in names if not is_certificate(name)] == ["mine-too"]


@pytest.mark.embedded_only("others send bookmarks when they like")
def test_a_watch_ends_in_time_with_a_bookmark_when_asked_for(kubernetes, namespace):
    seen = note(kubernetes, namespace, "a")
    note(kubernetes, "default", "elsewhere")
    kubernetes.core.delete_namespaced_config_map("elsewhere", "default")
    options = {"resource_version": seen, "timeout_seconds": 3}

    (bookmark,) = raw_lines(kubernetes, namespace, allow_watch_bookmarks=True, **options)

    assert bookmark["type"] == "BOOKMARK"
    assert int(bookmark["object"]["metadata"]["resourceVersion"]) > int(seen)
    assert raw_lines(kubernetes, namespace, **options) == []


def test_a_version_older_than_the_window_is_gone(start_cluster):
    small = Kubernetes(start_cluster(watch_window=5, namespaces={"team-a": None}).kubeconfig)
    old = note(small, "team-a", "first")
    for number in range(6):
        note(small, "team-a", f"later-{number}")

    with pytest.raises(ApiException) as caught:
        events(small, "team-a", 1, resource_version=old)
    (line,) = raw_lines(small, "team-a", resource_version=old, timeout_seconds=1)

    assert caught.value.status == 410
    assert line["type"] == "ERROR"
    assert line["object"]["code"] == 410
    assert line["object"]["reason"] == "Expired"
    assert line["object"]["message"].startswith(f"too old resource version: {old} (")


def test_a_version_of_before_a_restart_is_gone(start_cluster, tmp_path):
    options = {"directory": tmp_path, "namespaces": {"team-a": None}}
    first = start_cluster(**options)
    old = note(Kubernetes(first.kubeconfig), "team-a", "a")
    first.stop()

    again = Kubernetes(start_cluster(**options).kubeconfig)

    assert raw_lines(again, "team-a", resource_version=old, timeout_seconds=1)[0]["object"]["code"] == 410


async def test_the_asyncio_client_watches_too(embedded_cluster, kubernetes, namespace):
    note(kubernetes, namespace, "a")
    await kubernetes_asyncio.config.load_kube_config(str(embedded_cluster.kubeconfig))
    async with kubernetes_asyncio.client.ApiClient() as api:
        core = kubernetes_asyncio.client.CoreV1Api(api)
        stream = kubernetes_asyncio.watch.Watch().stream(core.list_namespaced_config_map, namespace)
        async with stream:
            async for event in stream:
                assert (event["type"], event["object"].metadata.name) == ("ADDED", "a")
                break


def test_a_watch_shows_versions_in_order_although_a_controller_writes_in_between(kubernetes, namespace):
    quota = {"metadata": {"name": "limits"}, "spec": {"hard": {"pods": "1"}}}
    first = kubernetes.core.create_namespaced_resource_quota(namespace, quota)
    lines = kubernetes.core.list_namespaced_resource_quota(
        namespace,
        watch=True,
        timeout_seconds=3,
        resource_version=first.metadata.resource_version,
        _preload_content=False,
    )
    for pods in range(2, 12):
        kubernetes.core.patch_namespaced_resource_quota(
            "limits", namespace, {"spec": {"hard": {"pods": str(pods)}}}
        )
    objects = [json.loads(line)["object"] for line in lines.read().splitlines()]

    versions = [int(item["metadata"]["resourceVersion"]) for item in objects]
    assert versions == sorted(versions)
    assert objects[-1]["status"]["hard"] == {"pods": "11"}
