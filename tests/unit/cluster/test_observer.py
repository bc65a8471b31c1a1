# SPDX-License-Identifier: Apache-2.0
"""One picture of a cluster from all its watches; over real sockets."""

import re
import threading
import time
from random import Random

import pytest

from airflow_priority_spark.cluster.kinds import PERMISSIONS
from airflow_priority_spark.cluster.observer import ClusterObserver
from airflow_priority_spark.cluster.reflector import Rhythm
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.resources import Resources

QUICK = Rhythm(retry_first=0.01, retry_most=0.05)
SPARK = "/apis/sparkoperator.k8s.io/v1beta2"
WIDE = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "resourcequotas": "/api/v1/resourcequotas",
    "limitranges": "/api/v1/limitranges",
    "namespaces": "/api/v1/namespaces",
    "priorityclasses": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "sparkapplications": f"{SPARK}/sparkapplications",
}


def narrow(kind, namespace):
    root = SPARK if kind == "sparkapplications" else "/api/v1"
    return f"{root}/namespaces/{namespace}/{kind}"


def named(name, namespace="team-a", labels=None, **rest):
    return {"metadata": {"namespace": namespace, "name": name, "uid": name, "labels": labels or {}}, **rest}


def pod(name, phase="Running", cpu="1", **metadata):
    raw = named(
        name, status={"phase": phase}, spec={"containers": [{"resources": {"requests": {"cpu": cpu}}}]}
    )
    raw["metadata"].update(metadata)
    return raw


def node(name, labels=None):
    ready = {"allocatable": {"cpu": "4"}, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": labels or {}}, "status": ready}


QUOTA = named("compute", spec={"hard": {"pods": "9"}}, status={"hard": {"pods": "9"}, "used": {"pods": "1"}})


class Cluster:
    """A scripted cluster: serve a kind's objects, refuse it, or send an event to its open watches."""

    def __init__(self, api):
        self.api = api
        self._events = {}
        self._news = threading.Condition()

    def serve(self, path, *items):
        self.api.on(
            path, lambda request: request.reply({"metadata": {"resourceVersion": "1"}, "items": list(items)})
        )
        self._events[path] = []
        self.api.on("watch:" + path, lambda request: self._watch(request, path))

    def refuse(self, path, code=403, message="forbidden"):
        for prefix in ("", "watch:"):
            self.api.on(prefix + path, lambda request: request.refuse(code, message))

    def send(self, path, what, raw):
        with self._news:
            self._events[path].append((what, raw))
            self._news.notify_all()

    def _watch(self, request, path):
        events, sent = self._events[path], 0
        request.begin()
        while not self.api.closing.is_set() and events is self._events[path]:
            with self._news:
                if len(events) == sent:
                    self._news.wait(0.1)
            for what, raw in events[sent:]:
                request.event(what, raw)
            sent = len(events)
        request.end()


@pytest.fixture
def cluster(api):
    made = Cluster(api)
    for path in WIDE.values():
        made.serve(path)
    made.serve(WIDE["nodes"], node("worker-1"), node("worker-2"))
    made.serve(WIDE["pods"], pod("p-2"), pod("p-1"))
    made.serve(WIDE["resourcequotas"], QUOTA)
    made.serve(WIDE["namespaces"], {"metadata": {"name": "team-a"}}, {"metadata": {"name": "team-b"}})
    return made


@pytest.fixture
def observe(api):
    started = []

    def start(**options):
        observer = ClusterObserver(
            api.connection, "cluster-1", **{"rhythm": QUICK, "random": Random(0), **options}
        )
        started.append(observer)
        observer.start()
        return observer

    yield start
    for observer in started:
        observer.stop()


def fresh(observer, **options):
    def look():
        view = observer.view(time.time(), **options)
        return view if view.fresh else None

    return look


def test_the_picture_is_stale_until_everything_has_been_read(cluster, observe, api, eventually):
    api.on(WIDE["limitranges"], lambda request: request.hang())
    observer = observe()

    def only_limit_ranges_are_missing():
        view = observer.view(time.time(), fixed_nodes=True)
        return view.stale_reason == "limitranges: not read yet" and view

    view = eventually(only_limit_ranges_are_missing, "all but limit ranges are read")
    assert not view.fresh


def test_the_picture_knows_namespaces_labels_and_the_default_priority_class(cluster, observe, eventually):
    cluster.serve(WIDE["namespaces"], {"metadata": {"name": "team-a", "labels": {"tier": "batch"}}})
    classes = [("low", -5, True), ("middle", 0, True), ("high", 9, False)]
    cluster.serve(
        WIDE["priorityclasses"],
        *(
            {"metadata": {"name": name}, "value": value, "globalDefault": default}
            for name, value, default in classes
        ),
    )
    view = eventually(fresh(observe()), "the picture is fresh")

    assert (view.namespaces, view.namespace_labels) == (frozenset({"team-a"}), {"team-a": {"tier": "batch"}})
    assert view.default_priority_class == "low"


def test_without_the_right_to_list_priority_classes_everything_else_goes_on(cluster, observe, eventually):
    cluster.refuse(WIDE["priorityclasses"])
    view = eventually(fresh(observe()), "the picture is fresh")

    assert view.default_priority_class == ""


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("auto", ("quota+nodes", False, False)),
        ("quota+dry-run", ("quota", True, False)),
        ("auto+placeholder", ("quota+nodes", False, True)),
        ("quota+nodes+dry-run+placeholder", ("quota+nodes", True, True)),
    ],
)
def test_a_mode_may_ask_for_a_dry_run_and_placeholders(cluster, observe, eventually, mode, expected):
    view = eventually(fresh(observe(), mode=mode, fixed_nodes=True), "the picture is fresh")

    assert (view.mode, view.dry_run, view.placeholders) == expected


def test_an_unknown_mode_is_refused_with_what_may_be_written(cluster, observe):
    with pytest.raises(
        InvalidInput, match=r"capacity_mode: 'nodes' is not valid; allowed: auto, quota, quota\+n"
    ):
        observe().view(time.time(), mode="nodes")


def test_the_configured_maxima_of_elastic_nodes_are_in_the_picture(cluster, observe, eventually):
    most = Resources({"cpu": 400_000})
    view = eventually(fresh(observe(), fixed_nodes=False, node_maxima=most), "the picture is fresh")

    assert view.node_maxima == most


def test_the_picture_holds_every_part_in_a_fixed_order(cluster, observe, eventually):
    view = eventually(fresh(observe(), fixed_nodes=True), "the picture is fresh")

    assert view.cluster_id == "cluster-1"
    assert [item.name for item in view.nodes] == ["worker-1", "worker-2"]
    assert [item.name for item in view.pods] == ["p-1", "p-2"]
    assert [(item.namespace, item.hard, item.used) for item in view.quotas] == [
        ("team-a", Resources({"pods": 9}), Resources({"pods": 1}))
    ]
    assert view.namespaces == {"team-a", "team-b"}
    assert (view.mode, view.fixed_nodes, view.stale_reason) == ("quota+nodes", True, "")


def test_parts_that_did_not_change_are_not_built_again(cluster, observe, eventually):
    observer = observe()
    before = eventually(fresh(observer), "the picture is fresh")

    cluster.send(WIDE["resourcequotas"], "MODIFIED", {**QUOTA, "status": {"used": {"pods": "5"}}})
    eventually(lambda: observer.counters()["resourcequotas"].events, "the event has arrived")
    after = observer.view(time.time())

    assert after.quotas[0].used == Resources({"pods": 5})
    assert after.pods is before.pods
    assert after.nodes is before.nodes


def test_a_change_wakes_who_waits_for_it(cluster, observe, eventually):
    calls = []
    observer = observe(changed=lambda: calls.append(1))
    eventually(fresh(observer), "the picture is fresh")
    while observer.wait_for_change(0.2):
        pass
    calls.clear()

    cluster.send(WIDE["pods"], "ADDED", pod("p-3"))

    assert observer.wait_for_change(5)
    assert calls == [1]
    assert not observer.wait_for_change(0.01), "one change wakes once"
    assert [item.name for item in observer.view(time.time()).pods] == ["p-1", "p-2", "p-3"]


def test_a_grace_period_that_ends_takes_the_pod_out_of_the_quota_without_any_event(
    cluster, observe, eventually
):
    cluster.serve(
        WIDE["pods"],
        pod("p", deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=30),
    )
    observer = observe()
    eventually(fresh(observer), "the picture is fresh")
    deleted = 1767225600.0

    before = observer.view(deleted + 29)
    assert observer.view(deleted + 29.5).pods is before.pods
    after = observer.view(deleted + 31)

    assert [(item.counts_quota, item.counts_node) for item in before.pods] == [(True, True)]
    assert [(item.counts_quota, item.counts_node) for item in after.pods] == [(False, True)]
    assert observer.view(deleted + 32).pods is after.pods


MODES = [
    ("auto", True, "quota+nodes"),
    ("auto", False, "quota"),
    ("auto", None, "quota"),
    ("quota", True, "quota"),
    ("quota+nodes", False, "quota+nodes"),
]


@pytest.mark.parametrize(("mode", "fixed", "effective"), MODES)
def test_the_capacity_mode_follows_the_site_and_the_nodes(
    cluster, observe, eventually, mode, fixed, effective
):
    view = eventually(fresh(observe(), mode=mode, fixed_nodes=fixed), "the picture is fresh")

    assert view.mode == effective


def test_a_sign_of_an_autoscaler_is_found(cluster, observe, eventually):
    cluster.serve(WIDE["nodes"], node("worker-1", {"karpenter.sh/nodepool": "spark"}))
    observer = observe()
    eventually(lambda: observer.view(time.time()).nodes, "the nodes are read")

    assert observer.nodes_kind() == (False, "label karpenter.sh/nodepool on node worker-1")


def test_applications_are_told_apart_by_installation(cluster, observe, eventually):
    ours = named("ours", labels={"priority-spark/instance": "airflow-1"})
    cluster.serve(WIDE["sparkapplications"], ours, named("foreign"))
    observer = observe()
    eventually(fresh(observer), "the picture is fresh")

    assert [item.name for item in observer.applications()] == ["foreign", "ours"]
    assert [item.name for item in observer.applications("airflow-1")] == ["ours"]
    assert list(observer.applications("airflow-2")) == []


def test_a_missing_crd_makes_the_picture_stale_and_its_installation_mends_it(cluster, observe, eventually):
    path = WIDE["sparkapplications"]
    cluster.refuse(path, 404, "404 page not found")
    observer = observe()

    eventually(
        lambda: observer.view(time.time()).stale_reason.startswith(
            "sparkapplications.sparkoperator.k8s.io: not read yet: the SparkApplication CRD"
        ),
        "it is said",
    )
    assert "install the Kubeflow Spark operator" in observer.view(time.time()).stale_reason

    cluster.serve(path)
    eventually(fresh(observer), "the picture is fresh")


def test_without_permission_to_list_quotas_anywhere_the_picture_is_stale_and_says_what_to_grant(
    cluster, observe, eventually
):
    said = 'resourcequotas is forbidden: User "arbiter" cannot list resource "resourcequotas"'
    cluster.refuse(WIDE["resourcequotas"], message=said)
    cluster.refuse(narrow("resourcequotas", "team-a"), message=said)
    observer = observe()

    def reason():
        observer.follow({"team-a"})
        found = observer.view(time.time()).stale_reason
        return (
            found
            if found.startswith("resourcequotas in team-a: not read yet: ") and ";" not in found
            else None
        )

    reason = eventually(reason, "only quotas are missing")
    assert reason.startswith(
        "resourcequotas in team-a: not read yet: cannot list resourcequotas in namespace team-a of cluster"
    )
    assert reason.endswith("Grant the verb list on resourcequotas in namespace team-a to arbiter")

    cluster.serve(narrow("resourcequotas", "team-a"), QUOTA)
    view = eventually(fresh(observer), "the picture is fresh")
    assert [item.name for item in view.quotas] == ["compute"]


def test_with_rights_in_namespaces_only_the_queues_are_watched_one_by_one_and_judged_by_quota(
    cluster, observe, eventually, api
):
    kinds = ("pods", "resourcequotas", "limitranges", "sparkapplications")
    for path in WIDE.values():
        cluster.refuse(path)
    for kind in kinds:
        for namespace in ("team-a", "team-b"):
            cluster.serve(narrow(kind, namespace))
    cluster.serve(narrow("pods", "team-a"), pod("p-1"))
    cluster.serve(
        narrow("pods", "team-b"), {**pod("p-2"), "metadata": {"namespace": "team-b", "name": "p-2"}}
    )
    observer = observe()

    def settled():
        observer.follow({"team-a", "team-b"})
        view = observer.view(time.time(), mode="quota+nodes", fixed_nodes=True)
        return view if view.fresh else None

    view = eventually(settled, "the picture is fresh")
    assert view.mode == "quota"
    assert [(item.namespace, item.name) for item in view.pods] == [("team-a", "p-1"), ("team-b", "p-2")]
    assert view.namespaces is None
    assert observer.notes()[0].startswith(
        "capacity is judged by quota only: pods and nodes may not be listed"
    )
    assert "pods: watched namespace by namespace" in observer.notes()
    assert "pods in team-b" in observer.counters()

    observer.follow({"team-a"})
    view = observer.view(time.time())
    assert [(item.namespace, item.name) for item in view.pods] == [("team-a", "p-1")]


def test_a_permission_granted_later_widens_the_picture(cluster, observe, eventually):
    cluster.refuse(WIDE["pods"])
    cluster.serve(narrow("pods", "team-a"), pod("p-1"))
    observer = observe()

    def look():
        observer.follow({"team-a"})
        return observer.view(time.time(), fixed_nodes=True)

    eventually(lambda: look().fresh, "the narrow picture is fresh")
    assert look().mode == "quota"

    cluster.serve(WIDE["pods"], pod("p-1"), pod("p-2"))
    view = eventually(lambda: len(look().pods) == 2 and look(), "the wide picture is there")
    assert (view.mode, view.fresh) == ("quota+nodes", True)
    assert observer.notes() == []


def test_an_outage_is_forgiven_for_a_while_and_then_makes_the_picture_stale(cluster, observe, eventually):
    observer = observe(stale_after_seconds=30)
    eventually(fresh(observer), "the picture is fresh")

    for path in WIDE.values():
        cluster.refuse(path, 503, "apiserver is shutting down")
        cluster.send(path, "ERROR", {"code": 500, "message": "shutting down"})
    lost = eventually(
        lambda: all(state.lost_since for state in observer.counters().values()) and observer.counters(),
        "all lost",
    )
    since = lost["pods"].lost_since

    assert observer.view(since + 20).fresh
    view = observer.view(since + 45)
    assert not view.fresh
    assert re.search(r"pods: out of step for 45 s: cannot (list|watch) pods of cluster", view.stale_reason)
    assert len(view.pods) == 2, "the last known picture is still there to be shown"

    for path in WIDE.values():
        cluster.serve(path)
    eventually(lambda: not any(state.lost_since for state in observer.counters().values()), "all regained")
    assert observer.view(since + 45).fresh


def test_stop_ends_every_watch_within_a_second(cluster, observe, eventually):
    before = threading.active_count()
    observer = observe()
    eventually(fresh(observer), "the picture is fresh")

    began = time.monotonic()
    observer.stop()

    assert time.monotonic() - began < 1.0
    watching = [thread.name for thread in threading.enumerate() if thread.name.startswith("watch ")]
    assert watching == [], before


def test_twenty_thousand_pods_are_converted_when_they_arrive_and_copied_by_reference_after(
    cluster, observe, eventually
):
    cluster.serve(WIDE["pods"], *(pod(f"p-{number:05}") for number in range(20_000)))
    observer = observe()
    view = eventually(fresh(observer), "the picture is fresh", 60)
    assert len(view.pods) == 20_000

    began = time.process_time()
    for _ in range(1000):
        observer.view(time.time())
    quiet = time.process_time() - began
    cluster.send(WIDE["pods"], "ADDED", pod("q"))
    eventually(lambda: observer.counters()["pods"].events, "the event has arrived")
    began = time.process_time()
    changed = observer.view(time.time())
    one_change = time.process_time() - began

    assert len(changed.pods) == 20_001
    assert changed.pods[0] is view.pods[0], "views are kept, not made again"
    assert quiet < 1.0, "a picture of a quiet cluster costs well under a millisecond"
    assert one_change < 1.0


def test_every_permission_used_is_in_the_table_with_its_reason():
    table = {(item.verb, item.kind.plural) for item in PERMISSIONS}

    assert {(verb, kind) for verb in ("list", "watch") for kind in WIDE} <= table
    assert {("get", "namespaces"), ("get", "sparkapplications"), ("delete", "sparkapplications")} <= table
    assert all(item.why for item in PERMISSIONS)
