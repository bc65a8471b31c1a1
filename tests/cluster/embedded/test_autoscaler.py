# SPDX-License-Identifier: Apache-2.0
"""The autoscaler: nodes for pods that a new node would help, and none for others; empty ones go."""

import pytest
import yaml

from airflow_priority_spark.cluster.autoscaling import hint_on_node
from airflow_priority_spark.embedded.autoscaler import Autoscaler
from airflow_priority_spark.embedded.daemons import Daemons
from airflow_priority_spark.embedded.kinds import CONFIG_MAPS, DAEMON_SETS, NODES
from airflow_priority_spark.embedded.pools import Pool
from airflow_priority_spark.embedded.specs import daemon_manifest
from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.model import Taint
from tests.cluster.embedded.control_plane import until

CANDIDATE = ("DeletionCandidateOfClusterAutoscaler", "PreferNoSchedule")
SAFE = "cluster-autoscaler.kubernetes.io/safe-to-evict"


@pytest.fixture
def scaled(plane):
    """Begin an autoscaler with these options."""

    def begin(options="max=3,delay=50ms,idle=200ms,cpu=4"):
        return plane.begin(Autoscaler(plane.verbs, Pool.parse(options), scan_seconds=0.01))

    return begin


def own(plane):
    return {name for name in plane.nodes() if name.startswith("autoscaled-")}


def status(plane):
    found = plane.find("cluster-autoscaler-status", "kube-system", CONFIG_MAPS)
    return yaml.safe_load(found["data"]["status"])


async def test_waiting_pods_get_as_many_nodes_as_they_need(plane, scaled):
    scaled()
    for number in range(4):
        plane.pod(f"p{number}", cpu="2")

    await until(lambda: all(plane.place(f"p{number}") for number in range(4)), "all are placed")

    assert len(own(plane)) == 2
    assert "pod triggered scale-up: [{autoscaled 0->2 (max: 3)}]" in plane.events("TriggeredScaleUp")


async def test_a_node_that_comes_is_not_ordered_twice(plane, scaled):
    scaled("max=3,delay=300ms,idle=10s,cpu=4")
    plane.pod("early", cpu="2")
    await until(lambda: plane.events("TriggeredScaleUp"), "early is told")
    await until(
        lambda: status(plane)["nodeGroups"][0]["scaleUp"]["status"] == "InProgress", "a node is ordered"
    )
    plane.pod("late", cpu="2")

    await until(lambda: plane.place("early") and plane.place("late"), "both are placed")

    assert len(own(plane)) == 1
    assert status(plane)["nodeGroups"][0]["health"]["cloudProviderTarget"] == 1


async def test_no_node_is_added_for_a_pod_that_it_would_not_help(plane, scaled):
    scaled()
    plane.pod("large", cpu="5")
    plane.pod("choosy", nodeSelector={"disk": "ssd"})

    await until(lambda: len(plane.events("NotTriggerScaleUp")) == 2, "both are told")

    assert set(plane.events("NotTriggerScaleUp")) == {
        "pod didn't trigger scale-up: 1 Insufficient cpu",
        "pod didn't trigger scale-up: 1 node(s) didn't match Pod's node affinity/selector",
    }
    assert not own(plane)


async def test_the_pool_grows_to_its_limit_only(plane, scaled):
    scaled("max=2,delay=10ms,idle=10s,cpu=4")
    for number in range(3):
        plane.pod(f"p{number}", cpu="4")

    await until(lambda: plane.events("NotTriggerScaleUp"), "one is told")

    await until(lambda: len(own(plane)) == 2, "two nodes are there")
    assert set(plane.events("NotTriggerScaleUp")) == {
        "pod didn't trigger scale-up: 1 max node group size reached"
    }


async def test_new_nodes_have_the_labels_and_taints_of_their_pool(plane, scaled):
    scaled("max=1,delay=10ms,cpu=2,memory=4Gi,nvidia.com/gpu=1,label.pool=gpu,taint.gpu=yes:NoSchedule")
    plane.pod("intolerant", nodeSelector={"pool": "gpu"})
    plane.pod("gpu", nodeSelector={"pool": "gpu"}, tolerations=[{"key": "gpu", "operator": "Exists"}])

    await until(lambda: plane.place("gpu"), "gpu is placed")

    assert plane.place("intolerant") is None
    assert "1 node(s) had untolerated taint(s)" in plane.events("NotTriggerScaleUp")[0]


async def test_pods_that_want_to_be_apart_get_a_node_each(plane, scaled):
    scaled()
    apart = [{"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "kubernetes.io/hostname"}]
    rule = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}}
    for number in range(2):
        plane.pod(f"p{number}", labels={"app": "a"}, affinity=rule)

    await until(lambda: plane.place("p0") and plane.place("p1"), "both are placed")

    assert plane.place("p0") != plane.place("p1")


async def test_what_daemons_will_take_of_a_new_node_is_counted(plane, scaled):
    plane.begin(Daemons(plane.client))
    plane.verbs.create(DAEMON_SETS, "kube-system", daemon_manifest("agent", {"cpu": "500m"}))
    scaled()
    plane.pod("whole", cpu="4")
    plane.pod("rest", cpu="3500m")

    await until(lambda: plane.place("rest"), "rest is placed")

    assert plane.events("NotTriggerScaleUp") == ["pod didn't trigger scale-up: 1 Insufficient cpu"]


async def test_an_empty_node_is_marked_then_removed_and_others_stay(plane, scaled):
    plane.node("fixed", cpu="1")
    scaled()
    plane.pod("p", cpu="4")
    await until(lambda: plane.place("p"), "p is placed")
    (name,) = own(plane)

    plane.finish("p")

    await until(lambda: CANDIDATE in plane.taints(name), "the node is marked")
    assert status(plane)["nodeGroups"][0]["scaleDown"]["status"] == "CandidatesPresent"
    await until(lambda: plane.nodes() == {"fixed"}, "the node is removed")
    assert plane.events("ScaleDown", "default") == ["node removed by cluster autoscaler"]


async def test_a_node_that_is_needed_again_loses_its_mark(plane, scaled):
    scaled("max=1,delay=10ms,idle=5s,cpu=4")
    plane.pod("p", cpu="4")
    await until(lambda: plane.place("p"), "p is placed")
    (name,) = own(plane)
    plane.end("p")
    await until(lambda: CANDIDATE in plane.taints(name), "the node is marked")

    plane.pod("q", cpu="4")

    await until(lambda: plane.place("q") == name, "the node is used again")
    await until(lambda: CANDIDATE not in plane.taints(name), "the mark is gone")


@pytest.mark.parametrize(
    ("annotations", "stays"),
    [
        ({SAFE: "true"}, False),
        ({SAFE: "false"}, True),
        ({"karpenter.sh/do-not-disrupt": "true"}, True),
        ({}, True),
    ],
)
async def test_a_pod_keeps_its_node_unless_it_may_be_evicted(plane, scaled, annotations, stays):
    scaled("max=1,delay=10ms,idle=50ms,cpu=4")
    plane.pod("p", cpu="4", annotations=annotations)
    await until(lambda: plane.place("p"), "p is placed")
    (name,) = own(plane)

    if stays:
        await until(
            lambda: status(plane)["nodeGroups"][0]["health"]["nodeCounts"]["registered"]["total"] == 1, "told"
        )
        assert CANDIDATE not in plane.taints(name)
    else:
        await until(lambda: not own(plane), "the node is removed")
        assert "deletionTimestamp" in plane.find("p")["metadata"]


async def test_a_node_that_is_not_to_be_disrupted_stays(plane, scaled):
    scaled("max=1,delay=10ms,idle=50ms,cpu=4")
    plane.pod("p", cpu="4")
    await until(lambda: plane.place("p"), "p is placed")
    (name,) = own(plane)
    keep = {"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}
    plane.verbs.update(
        NODES,
        "",
        name,
        lambda node: {
            **node,
            "metadata": {**node["metadata"], "annotations": {**node["metadata"]["annotations"], **keep}},
        },
    )

    plane.end("p")
    plane.node("other")

    await until(lambda: status(plane)["nodeGroups"][0]["scaleDown"]["status"] == "NoCandidates", "told")
    assert CANDIDATE not in plane.taints(name)


async def test_the_nodes_are_seen_to_be_an_autoscalers(plane, scaled):
    scaled()
    plane.pod("p")
    await until(lambda: plane.place("p"), "p is placed")
    (name,) = own(plane)

    metadata = plane.find(name, "", NODES)["metadata"]

    assert hint_on_node(metadata["labels"], metadata["annotations"], ()) == (
        "annotation cluster-autoscaler.kubernetes.io/node-group"
    )
    mark = Taint(key=CANDIDATE[0], effect=CANDIDATE[1])
    assert hint_on_node({}, {}, [mark]) == f"taint {CANDIDATE[0]}"


def test_a_pool_is_read_as_it_is_written():
    pool = Pool.parse(
        "max=5,delay=2m,idle=30s,cpu=16,memory=64Gi,nvidia.com/gpu=2,label.a=b,taint.c=d:NoExecute"
    )

    assert (pool.most, pool.delay_seconds, pool.idle_seconds) == (5, 120, 30)
    assert pool.node.extended == {"nvidia.com/gpu": "2"}
    assert Pool.parse(pool.text()) == pool


@pytest.mark.parametrize("text", ["", "delay=30s", "max=0", "max=many", "max=3,delay=soon", "max=3,cpu=lots"])
def test_a_pool_that_is_none_is_refused_with_what_is_allowed(text):
    with pytest.raises(InvalidInput) as caught:
        Pool.parse(text)

    assert "--autoscale" in str(caught.value)
    assert repr(text) in str(caught.value)
    assert "max=N,delay=30s" in str(caught.value)
