# SPDX-License-Identifier: Apache-2.0
"""The API server's answers, read through the real client."""

import json

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from airflow_priority_spark.embedded.access import Denial
from tests.cluster.applications import APPLICATIONS, GROUP, Kubernetes, eventually, pod, spark_application

pytestmark = pytest.mark.cluster


def refusal(call, *args, **options):
    """Return the code and the ``Status`` message of a call that must be refused."""
    with pytest.raises(ApiException) as caught:
        call(*args, **options)
    status = json.loads(caught.value.body)
    assert status["kind"] == "Status"
    assert status["code"] == caught.value.status
    return caught.value.status, status["message"]


def test_discovery_tells_the_version_the_groups_and_the_application_crd(kubernetes):
    assert client.VersionApi(kubernetes.api).get_code().minor == "36"
    groups = [group.name for group in client.ApisApi(kubernetes.api).get_api_versions().groups]
    resources = kubernetes.custom.get_api_resources(*GROUP).resources
    core = {resource.name for resource in kubernetes.core.get_api_resources().resources}
    crds = client.ApiextensionsV1Api(kubernetes.api).list_custom_resource_definition().items

    assert "sparkoperator.k8s.io" in groups
    assert [resource.name for resource in resources] == ["sparkapplications", "sparkapplications/status"]
    assert {"pods", "pods/log", "resourcequotas", "nodes", "events"} <= core
    assert [crd.metadata.name for crd in crds] == ["sparkapplications.sparkoperator.k8s.io"]


def test_without_the_crd_applications_are_no_known_path(start_cluster):
    bare = Kubernetes(start_cluster(without_crd=True).kubeconfig)

    with pytest.raises(ApiException) as caught:
        bare.custom.list_cluster_custom_object(*GROUP, APPLICATIONS)

    assert caught.value.status == 404
    assert caught.value.body.strip() in ("404 page not found", b"404 page not found")
    assert client.ApiextensionsV1Api(bare.api).list_custom_resource_definition().items == []


def test_a_cluster_started_again_in_its_directory_keeps_its_identity(start_cluster, tmp_path):
    def identity(cluster):
        return Kubernetes(cluster.kubeconfig).core.read_namespace("kube-system").metadata.uid

    first = start_cluster(directory=tmp_path)
    uid = identity(first)
    first.stop()

    assert identity(start_cluster(directory=tmp_path)) == uid
    assert identity(start_cluster()) != uid


def test_creation_gives_name_uid_time_and_version(kubernetes, namespace):
    body = {"metadata": {"generateName": "note-"}, "data": {"a": "1"}}

    created = kubernetes.core.create_namespaced_config_map(namespace, body)

    assert created.metadata.name.startswith("note-")
    assert len(created.metadata.name) == len("note-") + 5
    assert created.metadata.uid
    assert created.metadata.creation_timestamp
    assert int(created.metadata.resource_version) > 0


def test_a_second_object_of_a_name_is_refused(kubernetes, namespace):
    kubernetes.core.create_namespaced_config_map(namespace, {"metadata": {"name": "twice"}})

    code, message = refusal(
        kubernetes.core.create_namespaced_config_map, namespace, {"metadata": {"name": "twice"}}
    )

    assert (code, message) == (409, 'configmaps "twice" already exists')


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda core, ns: core.read_namespaced_pod("none", ns), 'pods "none" not found'),
        (lambda core, ns: core.create_namespaced_pod("nowhere", pod("a")), 'namespaces "nowhere" not found'),
        (lambda core, ns: core.read_node("none"), 'nodes "none" not found'),
    ],
)
def test_what_is_not_there_is_not_found(kubernetes, namespace, read, message):
    assert refusal(read, kubernetes.core, namespace) == (404, message)


def test_an_invalid_object_is_refused_with_its_field(kubernetes, namespace):
    code, message = refusal(kubernetes.core.create_namespaced_pod, namespace, pod("Upper"))
    assert code == 422
    assert message.startswith(
        'Pod "Upper" is invalid: metadata.name: Invalid value: "Upper": a lowercase RFC 1123'
    )

    code, message = refusal(kubernetes.core.create_namespaced_pod, namespace, pod("a", cpu="lots"))
    assert code == 400
    assert message.startswith(
        'Pod in version "v1" cannot be handled as a Pod: quantities must match the regular'
    )

    app = spark_application("a")
    del app["spec"]["driver"]
    assert refusal(kubernetes.submit, namespace, app) == (
        422,
        'SparkApplication.sparkoperator.k8s.io "a" is invalid: spec.driver: Required value',
    )


def test_a_stale_replacement_conflicts(kubernetes, namespace):
    first = kubernetes.core.create_namespaced_config_map(
        namespace, {"metadata": {"name": "c"}, "data": {"v": "1"}}
    )
    kubernetes.core.patch_namespaced_config_map("c", namespace, {"data": {"v": "2"}})
    first.data = {"v": "3"}

    code, message = refusal(kubernetes.core.replace_namespaced_config_map, "c", namespace, first)

    assert code == 409
    assert message == (
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert kubernetes.core.read_namespaced_config_map("c", namespace).data == {"v": "2"}


def test_a_write_that_changes_nothing_makes_no_new_version(kubernetes, namespace):
    before = kubernetes.core.create_namespaced_config_map(
        namespace, {"metadata": {"name": "c"}, "data": {"v": "1"}}
    )

    after = kubernetes.core.patch_namespaced_config_map("c", namespace, {"data": {"v": "1"}})

    assert after.metadata.resource_version == before.metadata.resource_version


def test_merge_patch_sets_and_removes(kubernetes, namespace):
    kubernetes.submit(namespace, spark_application("app", runtime="1h"))

    patched = kubernetes.custom.patch_namespaced_custom_object(
        *GROUP,
        namespace,
        APPLICATIONS,
        "app",
        {"metadata": {"labels": {"a": "1"}}, "spec": {"mainClass": None}},
    )

    assert patched["metadata"]["labels"] == {"a": "1"}
    assert "mainClass" not in patched["spec"]
    assert patched["metadata"]["generation"] == 2


def test_strategic_and_json_patches_change_labels_of_a_pod(kubernetes, namespace):
    kubernetes.core.create_namespaced_pod(namespace, pod("p"))
    kubernetes.core.patch_namespaced_pod("p", namespace, {"metadata": {"labels": {"a": "1", "b": "2"}}})

    operations = [{"op": "replace", "path": "/metadata/labels/a", "value": "3"}]
    kubernetes.core.patch_namespaced_pod(
        "p", namespace, [*operations, {"op": "remove", "path": "/metadata/labels/b"}]
    )

    assert kubernetes.core.read_namespaced_pod("p", namespace).metadata.labels == {"a": "3"}


def test_status_changes_only_through_its_own_path(kubernetes, namespace):
    kubernetes.submit(namespace, spark_application("app", runtime="1h"))
    kubernetes.until_state(namespace, "app", "RUNNING")
    write = {"status": {"applicationState": {"state": "FAILED"}}, "spec": {"mainClass": "Other"}}

    kubernetes.custom.patch_namespaced_custom_object(*GROUP, namespace, APPLICATIONS, "app", write)
    assert kubernetes.state(namespace, "app") == "RUNNING"

    write["spec"]["mainClass"] = "Third"
    kubernetes.custom.patch_namespaced_custom_object_status(*GROUP, namespace, APPLICATIONS, "app", write)
    assert kubernetes.application(namespace, "app")["spec"]["mainClass"] == "Other"
    assert kubernetes.state(namespace, "app") == "FAILED"


def test_the_spec_of_a_pod_does_not_change(kubernetes, namespace):
    kubernetes.core.create_namespaced_pod(namespace, pod("p"))

    code, message = refusal(
        kubernetes.core.patch_namespaced_pod, "p", namespace, {"spec": {"nodeName": "elsewhere"}}
    )

    assert code == 422
    assert 'Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than' in message


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=a", ["one"]),
        ("app==a", ["one"]),
        ("app!=a", ["three", "two"]),
        ("app in (a, b)", ["one", "two"]),
        ("app notin (a),tier", ["two"]),
        ("tier", ["one", "two"]),
        ("!tier", ["three"]),
        ("app=a,tier=back", ["one"]),
    ],
)
def test_label_selectors(kubernetes, namespace, selector, found):
    labels = {"one": {"app": "a", "tier": "back"}, "two": {"app": "b", "tier": "front"}, "three": {}}
    for name, own in labels.items():
        kubernetes.core.create_namespaced_config_map(namespace, {"metadata": {"name": name, "labels": own}})

    items = kubernetes.core.list_namespaced_config_map(namespace, label_selector=selector).items

    assert [item.metadata.name for item in items if item.metadata.name in labels] == found


def test_field_selectors(kubernetes, namespace):
    def names(selector):
        items = kubernetes.core.list_pod_for_all_namespaces(field_selector=selector).items
        return [item.metadata.name for item in items]

    own = f"metadata.namespace={namespace}"
    for name, cpu in (("small", "1"), ("huge", "1000")):
        kubernetes.core.create_namespaced_pod(namespace, pod(name, cpu=cpu))
    eventually(lambda: names(f"status.phase=Running,{own}") == ["small"], "the small pod runs")

    assert names(own) == ["huge", "small"]
    assert names(f"spec.nodeName=,{own}") == ["huge"]
    assert names(f"status.phase!=Running,metadata.name=huge,{own}") == ["huge"]
    events = kubernetes.core.list_namespaced_event(
        namespace, field_selector="involvedObject.name=huge,involvedObject.kind=Pod"
    ).items
    assert [event.reason for event in events] == ["FailedScheduling"]
    assert refusal(kubernetes.core.list_namespaced_pod, namespace, field_selector="spec.what=1") == (
        400,
        "field label not supported: spec.what",
    )


def test_deletion_with_the_uid_of_another_object_conflicts(kubernetes, namespace):
    app = kubernetes.submit(namespace, spark_application("app", runtime="1h"))
    other = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))

    code, message = refusal(kubernetes.delete_application, namespace, "app", body=other)

    uid = app["metadata"]["uid"]
    assert code == 409
    assert "another" in message
    assert uid in message
    own = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=uid))
    assert kubernetes.delete_application(namespace, "app", body=own)["details"]["uid"] == uid


def test_deleting_an_application_removes_its_pods_and_services(kubernetes, namespace):
    kubernetes.submit(namespace, spark_application("app", executors=2, runtime="1h"))
    eventually(lambda: len(kubernetes.pods(namespace)) == 3, "driver and executors")
    assert len(kubernetes.core.list_namespaced_service(namespace).items) == 2

    kubernetes.delete_application(namespace, "app")

    eventually(lambda: not kubernetes.pods(namespace), "no pods")
    eventually(lambda: not kubernetes.core.list_namespaced_service(namespace).items, "no services")


def test_a_collection_is_deleted_by_selector(kubernetes, namespace):
    for name, kept in (("a", "no"), ("b", "no"), ("c", "yes")):
        body = {"metadata": {"name": name, "labels": {"keep": kept}}}
        kubernetes.core.create_namespaced_config_map(namespace, body)

    kubernetes.core.delete_collection_namespaced_config_map(namespace, label_selector="keep=no")

    left = [item.metadata.name for item in kubernetes.core.list_namespaced_config_map(namespace).items]
    # Kubernetes puts certificates of its own into every namespace.
    assert [name for name in left if not name.endswith(".crt")] == ["c"]


def test_deleting_a_namespace_empties_it_first(kubernetes):
    kubernetes.create_namespace("short-lived")
    kubernetes.submit("short-lived", spark_application("app", runtime="1h"))
    kubernetes.until_state("short-lived", "app", "RUNNING")

    kubernetes.core.delete_namespace("short-lived")

    def names():
        return [item.metadata.name for item in kubernetes.core.list_namespace().items]

    eventually(lambda: "short-lived" not in names(), "the namespace is gone")
    assert (
        kubernetes.core.list_pod_for_all_namespaces(field_selector="metadata.namespace=short-lived").items
        == []
    )


def test_an_unknown_token_is_unauthorized(embedded_cluster):
    stranger = client.Configuration(host=embedded_cluster.url)
    stranger.verify_ssl = False
    stranger.api_key = {"authorization": "Bearer nobody"}

    assert refusal(client.CoreV1Api(client.ApiClient(stranger)).list_node) == (401, "Unauthorized")


def test_a_denied_user_reads_the_api_servers_sentence_and_others_do_not(start_cluster):
    cluster = start_cluster(namespaces={"team-a": None}, denials=[Denial("reader", "list", "resourcequotas")])
    admin, reader = (Kubernetes(cluster.kubeconfig_of(user)) for user in ("kubernetes-admin", "reader"))

    assert refusal(reader.core.list_namespaced_resource_quota, "team-a") == (
        403,
        'resourcequotas is forbidden: User "reader" cannot list resource "resourcequotas" '
        'in API group "" in the namespace "team-a"',
    )
    assert refusal(reader.core.list_resource_quota_for_all_namespaces)[1].endswith("at the cluster scope")
    assert reader.core.list_namespaced_pod("team-a").items == []
    assert admin.core.list_namespaced_resource_quota("team-a").items == []
    assert [may_list_quotas(user) for user in (admin, reader)] == [True, False]


def may_list_quotas(user):
    attributes = {"namespace": "team-a", "verb": "list", "resource": "resourcequotas"}
    body = {"spec": {"resourceAttributes": attributes}}
    return client.AuthorizationV1Api(user.api).create_self_subject_access_review(body).status.allowed
