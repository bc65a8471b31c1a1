# SPDX-License-Identifier: Apache-2.0
"""Pods that fit nowhere are tried again when something may help them, only then; and they push others out."""

import pytest

from airflow_priority_spark.embedded import scheduler as scheduling
from airflow_priority_spark.embedded.kinds import NODES, PODS, PRIORITY_CLASSES
from tests.cluster.embedded.control_plane import until

ZONES = [
    {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "a"}},
    }
]


@pytest.fixture
def tries(plane, monkeypatch):
    """The names of the pods that the scheduler looks for a node for, in order."""
    names, look = [], plane.scheduler._look

    def counted(pod, asked):
        names.append(pod["metadata"]["name"])
        return look(pod, asked)

    monkeypatch.setattr(plane.scheduler, "_look", counted)
    return names


def give_classes(plane):
    for name, options in {"high": {}, "polite": {"preemptionPolicy": "Never"}}.items():
        plane.verbs.create(PRIORITY_CLASSES, "", {"metadata": {"name": name}, "value": 1000, **options})


async def test_of_many_alike_one_is_tried_and_a_pod_that_leaves_costs_two_tries(plane, tries):
    plane.node("n", cpu="1")
    plane.pod("first")
    await until(lambda: plane.place("first"), "first is placed")
    for number in range(50):
        plane.pod(f"waiting-{number:02}")
    await until(lambda: plane.sentence("waiting-49"), "each is told")
    assert tries == ["first", "waiting-00"]
    assert len({plane.sentence(f"waiting-{number:02}") for number in range(50)}) == 1

    plane.end("first")

    await until(lambda: plane.place("waiting-00"), "the oldest is placed")
    await until(lambda: len(tries) == 4, "the next one was tried, too")
    assert tries[2:] == ["waiting-00", "waiting-01"]


async def test_an_event_that_does_not_help_costs_no_try(plane, tries):
    plane.node("small", cpu="1")
    plane.pod("large", cpu="4")
    plane.pod("short")
    await until(lambda: len(tries) == 2, "both are tried")

    plane.end("short")
    plane.node("also-small", cpu="1")
    plane.pod("last")

    await until(lambda: plane.place("last"), "last is placed")
    assert tries == ["large", "short", "last"]


async def test_a_new_node_takes_as_many_as_it_has_room_for(plane):
    for number in range(5):
        plane.pod(f"p{number}")
    await until(lambda: plane.sentence("p4") == "no nodes available to schedule pods", "no nodes")

    plane.node("n", cpu="3")

    await until(lambda: "Insufficient" in (plane.sentence("p3") or ""), "the fourth does not fit")
    assert [plane.place(f"p{number}") for number in range(5)] == ["n", "n", "n", None, None]


async def test_a_taint_taken_off_and_a_node_uncordoned_let_pods_in(plane):
    plane.node("n", taints=[("gpu", "yes", "NoSchedule")])
    plane.pod("a")
    await until(lambda: "untolerated taint" in (plane.sentence("a") or ""), "a is repelled")

    plane.taint("n")

    await until(lambda: plane.place("a") == "n", "a is placed")


async def test_a_pod_that_is_spread_is_tried_again_when_pods_have_moved(plane, monkeypatch):
    monkeypatch.setattr("airflow_priority_spark.embedded.scheduling_queue.FIRST_BACKOFF_SECONDS", 0.05)
    plane.node("one", labels={"zone": "1"})
    plane.node("two", labels={"zone": "2"}, taints=[("closed", "", "NoSchedule")])
    spread = {"labels": {"app": "a"}, "topologySpreadConstraints": ZONES}
    plane.pod("a", **spread)
    await until(lambda: plane.place("a"), "a is placed")
    plane.pod("b", **spread)
    await until(lambda: "topology spread" in (plane.sentence("b") or ""), "b would be too many")

    plane.pod("c", labels={"app": "a"}, tolerations=[{"operator": "Exists"}], nodeSelector={"zone": "2"})

    await until(lambda: plane.place("b") == "one", "b is placed once c is in the other zone")


async def test_a_victim_gets_its_grace_and_its_room_is_kept(plane):
    give_classes(plane)
    plane.node("n", cpu="2")
    plane.pod("low", cpu="2", terminationGracePeriodSeconds=17)
    await until(lambda: plane.place("low"), "low is placed")

    plane.pod("urgent", cpu="2", priorityClassName="high")
    await until(lambda: plane.find("urgent")["status"].get("nominatedNodeName"), "urgent is nominated")
    plane.pod("sneaky")

    await until(lambda: plane.sentence("sneaky"), "sneaky is looked at")
    victim = plane.find("low")["metadata"]
    assert victim["deletionGracePeriodSeconds"] == 17
    assert plane.sentence("urgent").startswith("0/1 nodes are available: 1 Insufficient cpu.")
    assert plane.events("Preempted") == [
        f"Preempted by pod {plane.find('urgent')['metadata']['uid']} on node n"
    ]

    plane.end("low")
    await until(lambda: plane.place("urgent") == "n", "urgent has the room")
    assert plane.place("sneaky") is None
    assert "nominatedNodeName" not in plane.find("urgent")["status"]


async def test_the_least_important_of_the_nodes_pods_go(plane):
    give_classes(plane)
    plane.node("n", cpu="3")
    plane.pod("polite", priorityClassName="polite", cpu="1")
    for name in ("old", "young"):
        plane.pod(name)
        await until(lambda name=name: plane.place(name), f"{name} is placed")
        running = {"phase": "Running", "startTime": f"2026-01-01T00:00:0{len(name)}Z"}
        plane.verbs.update(
            PODS,
            "team-a",
            name,
            lambda pod, more=running: {**pod, "status": {**pod["status"], **more}},
            status=True,
        )

    plane.pod("urgent", priorityClassName="high")

    await until(lambda: plane.find("urgent")["status"].get("nominatedNodeName"), "urgent is nominated")
    assert "deletionTimestamp" in plane.find("young")["metadata"]
    assert "deletionTimestamp" not in plane.find("old")["metadata"]
    assert "deletionTimestamp" not in plane.find("polite")["metadata"]


async def test_a_polite_pod_pushes_nobody_out(plane):
    give_classes(plane)
    plane.node("n", cpu="1")
    plane.pod("low")
    await until(lambda: plane.place("low"), "low is placed")

    plane.pod("polite", priorityClassName="polite")

    await until(lambda: plane.sentence("polite"), "polite is looked at")
    assert plane.sentence("polite").endswith("preemption: not eligible due to preemptionPolicy=Never.")
    assert "deletionTimestamp" not in plane.find("low")["metadata"]


async def test_one_pod_that_cannot_be_bound_does_not_hold_up_the_others(plane, monkeypatch):
    plane.node("n")
    bind, failed = plane.client.bind, []

    async def refusing(pod, node):
        if pod["metadata"]["name"] == "unlucky" and not failed:
            failed.append(pod)
            raise RuntimeError("the API server is busy")
        await bind(pod, node)

    monkeypatch.setattr(plane.client, "bind", refusing)
    monkeypatch.setattr("airflow_priority_spark.embedded.scheduling_queue.FIRST_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(scheduling, "FLUSH_SECONDS", 0.05)
    plane.pod("unlucky")
    plane.pod("lucky")
    assert "busy" in str(await plane.failure())
    plane.begin(plane.scheduler)

    await until(lambda: plane.place("lucky") and plane.place("unlucky"), "both are placed")


async def test_a_node_that_says_nothing_new_wakes_nobody(plane, tries):
    plane.node("n", cpu="1")
    plane.pod("large", cpu="4")
    await until(lambda: tries == ["large"], "it is tried")

    plane.say_ready("n", "True")
    plane.pod("small")

    await until(lambda: plane.place("small"), "small is placed")
    assert tries == ["large", "small"]
    assert plane.find("n", "", NODES)["status"]["conditions"][0]["reason"] == "Told"
