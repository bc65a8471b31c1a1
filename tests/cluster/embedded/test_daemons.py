# SPDX-License-Identifier: Apache-2.0
"""DaemonSets: the pods that every node carries before any job's."""

import pytest

from airflow_priority_spark.embedded.daemons import Daemons
from airflow_priority_spark.embedded.kinds import DAEMON_SETS, PODS
from airflow_priority_spark.embedded.specs import daemon_manifest
from tests.cluster.embedded.control_plane import until

AGENT = daemon_manifest("agent", {"cpu": "500m"})


@pytest.fixture
def daemons(plane):
    return plane.begin(Daemons(plane.client))


def agents(plane):
    """The node of every daemon's pod that has one."""
    found = [record.data for record in plane.verbs.store.all(PODS, "kube-system")]
    return sorted(pod["spec"]["nodeName"] for pod in found if pod["spec"].get("nodeName"))


@pytest.mark.usefixtures("daemons")
async def test_every_node_has_its_pod_also_one_that_comes_later(plane):
    plane.node("one")
    plane.verbs.create(DAEMON_SETS, "kube-system", AGENT)
    await until(lambda: agents(plane) == ["one"], "one has its agent")

    plane.node("two", taints=[("gpu", "yes", "NoSchedule")])

    await until(lambda: agents(plane) == ["one", "two"], "two has its agent")
    status = plane.find("agent", "kube-system", DAEMON_SETS)["status"]
    assert (status["desiredNumberScheduled"], status["numberUnavailable"]) == (2, 2)


@pytest.mark.usefixtures("daemons")
async def test_what_daemons_take_is_not_there_for_jobs(plane):
    plane.node("n", cpu="1")
    plane.verbs.create(DAEMON_SETS, "kube-system", AGENT)
    await until(lambda: agents(plane) == ["n"], "n has its agent")

    plane.pod("job", cpu="600m")

    await until(lambda: plane.sentence("job"), "job is looked at")
    assert plane.sentence("job").startswith("0/1 nodes are available: 1 Insufficient cpu.")


@pytest.mark.usefixtures("daemons")
async def test_a_daemon_pushes_a_job_out_of_a_full_node(plane):
    plane.node("n", cpu="1")
    plane.pod("job", cpu="1")
    await until(lambda: plane.place("job"), "job is placed")

    plane.verbs.create(DAEMON_SETS, "kube-system", AGENT)

    await until(lambda: "deletionTimestamp" in plane.find("job")["metadata"], "job has to go")


@pytest.mark.usefixtures("daemons")
async def test_a_daemons_pod_that_is_deleted_or_fails_is_made_anew(plane):
    plane.node("n")
    plane.verbs.create(DAEMON_SETS, "kube-system", AGENT)
    await until(lambda: agents(plane) == ["n"], "n has its agent")
    (record,) = plane.verbs.store.all(PODS, "kube-system")

    plane.end(record.data["metadata"]["name"], namespace="kube-system")

    await until(lambda: agents(plane) == ["n"], "n has an agent again")
    (again,) = plane.verbs.store.all(PODS, "kube-system")
    assert again.data["metadata"]["uid"] != record.data["metadata"]["uid"]


@pytest.mark.usefixtures("daemons")
async def test_a_daemon_with_a_selector_is_on_the_nodes_it_selects_only(plane):
    plane.node("cpu")
    plane.node("gpu", labels={"gpu": "yes"})
    choosy = daemon_manifest("drivers", {"cpu": "100m"})
    choosy["spec"]["template"]["spec"]["nodeSelector"] = {"gpu": "yes"}

    plane.verbs.create(DAEMON_SETS, "kube-system", choosy)

    await until(lambda: agents(plane) == ["gpu"], "the GPU node has its driver")
