# SPDX-License-Identifier: Apache-2.0
"""Mode ``+placeholder``: pause pods keep a job's room until its pods come, and are never orphaned."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_priority_spark.embedded.pools import Pool
from airflow_priority_spark.embedded.specs import NodeSpec
from tests.cluster.capacity_modes.conftest import ROOM

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.embedded_only("it fills a cluster of its own"),
    pytest.mark.parametrize("database_kind", ["sqlite"]),
]

QUOTA = {"requests.cpu": "8"}
TWO_NODES = (NodeSpec("node-1", cpu="4"), NodeSpec("node-2", cpu="4"))


@pytest.fixture
def ready(site):
    """A site on two nodes of 4 CPU, where placeholders may be made."""

    def make(**options):
        made = site(namespaces={"team-a": QUOTA}, **{"nodes": TWO_NODES, **options})
        made.prepare()
        return made

    return make


def test_a_jobs_room_is_held_by_pods_of_its_size_until_its_own_come(ready):
    site = ready()
    site.defer("spark", executors=2)
    site.arbiter("quota+placeholder")

    site.until(lambda: site.state("spark") == "admitted", "the job is admitted")

    held = site.placeholders("spark")
    assert len(held) == 3
    assert all(pod.spec.node_name for pod in held), "it was admitted only when all of them had a node"
    assert {pod.metadata.namespace for pod in held} == {ROOM}
    assert {pod.spec.containers[0].resources.requests["cpu"] for pod in held} == {"1"}
    assert {pod.spec.priority for pod in held} == {-5}

    site.start_pods("spark")
    site.until(lambda: not site.placeholders("spark"), "the placeholders have made way")
    assert site.state("spark") != "queued"


def test_a_job_waits_for_nodes_and_says_for_how_many(ready):
    site = ready(nodes=(NodeSpec("node-1", cpu="2"),))
    site.defer("spark", executors=3)
    site.arbiter("quota+placeholder", nodes="elastic")

    site.until(
        lambda: site.sentence("spark") == "placement: 2 of 4 placeholders have a node", "it says so", 30
    )

    assert site.state("spark") == "queued"


def test_an_autoscaler_adds_the_nodes_that_a_waiting_job_needs(ready):
    site = ready(
        nodes=(NodeSpec("node-1", cpu="2"),), autoscale=Pool.parse("cpu=2,memory=8Gi,max=4,delay=1s")
    )
    site.defer("spark", executors=3)
    site.arbiter("auto+placeholder")

    site.until(lambda: site.state("spark") == "admitted", "nodes have come and the job is admitted")

    assert all(pod.spec.node_name for pod in site.placeholders("spark"))


def test_the_placeholders_of_a_job_that_is_cancelled_go(ready):
    site = ready(nodes=(NodeSpec("node-1", cpu="2"),))
    site.defer("spark", executors=3)
    site.arbiter("quota+placeholder", nodes="elastic")
    site.until(lambda: len(site.placeholders()) == 4, "the placeholders are there")

    site.cancel("spark")

    site.until(lambda: not site.placeholders(), "they are gone")


def test_placeholders_go_when_the_mode_is_switched_off(ready):
    site = ready(nodes=(NodeSpec("node-1", cpu="2"),))
    site.defer("spark", executors=3)
    site.arbiter("quota+placeholder", nodes="elastic")
    site.until(lambda: len(site.placeholders()) == 4, "the placeholders are there")

    site.arbiter("quota+nodes", nodes="fixed")

    site.until(lambda: not site.placeholders(), "they are gone")


def test_placeholders_of_another_installation_are_left_alone(ready):
    site = ready()
    foreign = {
        "metadata": {
            "name": "theirs",
            "labels": {"priority-spark/instance": "another", "priority-spark/placeholder-for": "their-job"},
        },
        "spec": {"containers": [{"name": "pause", "image": "pause"}]},
    }
    site.kubernetes.core.create_namespaced_pod(ROOM, foreign)
    site.defer("spark", executors=0)
    site.arbiter("quota+placeholder")
    site.until(lambda: site.state("spark") == "admitted", "the job is admitted")
    site.start_pods("spark")

    site.until(lambda: not site.placeholders("spark"), "ours have made way")

    assert [pod.metadata.name for pod in site.placeholders()] == ["theirs"]


@pytest.mark.parametrize(
    ("value", "settings", "said"),
    [
        (
            100,
            {},
            "priority class priority-spark-placeholder has the value 100; "
            "placeholders need one from -10 to -1",
        ),
        (
            -5,
            {"placeholder_namespace": "team-a"},
            "placeholder_namespace team-a is the namespace of a queue; "
            "placeholders there would use its quota",
        ),
        (
            -5,
            {"placeholder_namespace": ""},
            "placeholder_namespace is not set, and this arbiter runs in no pod whose namespace it could take",
        ),
        (-5, {"placeholder_priority_class": "none"}, "no PriorityClass with name none was found"),
    ],
)
def test_a_site_that_cannot_make_placeholders_is_told_why(site, value, settings, said):
    site = site(namespaces={"team-a": QUOTA})
    site.prepare(value=value)
    site.defer("spark", executors=0)
    site.arbiter("quota+placeholder", **settings)

    sentence = site.until(lambda: said in site.sentence("spark") and site.sentence("spark"), said, 30)

    assert sentence.startswith("placement: 0 of 1 placeholders have a node; ")
    assert site.placeholders() == []


def test_an_arbiter_killed_while_placeholders_exist_orphans_none_of_them(ready):
    """The next one uses those of the job that still waits, and removes those of the job that does not."""
    site = ready(nodes=(NodeSpec("node-1", cpu="3"),))
    site.defer("first", executors=3)
    site.defer("second", executors=3)
    killed = _start_arbiter(site)
    try:
        site.wait(lambda: len(site.placeholders()) == 8, "the placeholders of both are there", 90)
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    before = {pod.metadata.uid for pod in site.placeholders("first")}
    site.cancel("second")
    assert len(site.placeholders("second")) == 4, "nobody has removed them"

    site.arbiter("quota+placeholder", nodes="elastic")
    site.until(lambda: not site.placeholders("second"), "those of the cancelled job are gone")
    assert {pod.metadata.uid for pod in site.placeholders("first")} == before, "they are used, not made anew"

    site.add_node("node-2", cpu="8")
    site.until(lambda: site.state("first") == "admitted", "the job starts")
    site.start_pods("first")
    site.until(lambda: not site.placeholders(), "no placeholder is left")


def _start_arbiter(site) -> subprocess.Popen:
    """Start an arbiter as a process of its own, as `airflow priority-spark arbiter` does."""
    environment = site.database.environment(
        AIRFLOW__PRIORITY_SPARK__CAPACITY_MODE="quota+placeholder",
        AIRFLOW__PRIORITY_SPARK__NODES="elastic",
        AIRFLOW__PRIORITY_SPARK__PLACEHOLDER_NAMESPACE=ROOM,
        AIRFLOW__PRIORITY_SPARK__LEASE_SECONDS="4",
    )
    command = [sys.executable, "-P", "-m", "airflow", "priority-spark", "arbiter"]
    log = Path(site.database.home, "arbiter.log")
    with log.open("wb") as out:
        return subprocess.Popen(
            command, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
