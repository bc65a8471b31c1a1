# SPDX-License-Identifier: Apache-2.0
"""Node affinity, pod (anti-)affinity and hard topology spread decide where pods may run."""

import pytest

from airflow_priority_spark.scheduling.constraints import Affinity, NodeTerm, PodTerm, Requirement, Spread
from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import describe_blocked
from tests.property.scheduling.builders import admitted, cluster, demand, job, node, pod, snapshot

HOST, ZONE = "kubernetes.io/hostname", "zone"
EXECUTORS = (Requirement("spark-role", "In", ("executor",)),)
WEB = (Requirement("app", "In", ("web",)),)
ROLE = (("spark-role", "executor"),)


def nodes(*zones):
    return [
        node(f"n{number}", labels={HOST: f"n{number}", ZONE: zone}) for number, zone in enumerate(zones, 1)
    ]


def decided(view, affinity, executors=2):
    wanted = demand(executors, affinity=affinity, labels=ROLE)
    return decide(snapshot(view, [job("a", wanted)]), 0.0)


def starts(view, affinity, executors=2):
    return admitted(decided(view, affinity, executors)) == ["a"]


def sentence(view, affinity, executors=2):
    decisions = decided(view, affinity, executors)
    assert not decisions.admissions
    return describe_blocked(decisions.blocked.get("a") or decisions.impossible["a"].why)


@pytest.mark.parametrize(
    ("requirement", "accepted"),
    [
        (Requirement(ZONE, "In", ("a", "b")), True),
        (Requirement(ZONE, "NotIn", ("a",)), False),
        (Requirement("spot", "DoesNotExist"), True),
        (Requirement("spot", "Exists"), False),
    ],
)
def test_a_required_node_affinity_chooses_the_nodes(requirement, accepted):
    assert starts(cluster(nodes=nodes("a")), Affinity(nodes=(NodeTerm((requirement,)),))) is accepted


def test_one_alternative_of_a_node_affinity_is_enough():
    terms = (NodeTerm((Requirement(ZONE, "In", ("z",)),)), NodeTerm((Requirement(ZONE, "In", ("a",)),)))

    assert starts(cluster(nodes=nodes("a")), Affinity(nodes=terms))


def test_executors_that_must_be_apart_need_a_node_each():
    apart = Affinity(apart=(PodTerm(HOST, EXECUTORS),))

    assert starts(cluster(nodes=nodes("a", "a")), apart, 2)
    assert "executor pods must be apart from each other" in sentence(cluster(nodes=nodes("a", "a")), apart, 3)


def test_a_pod_that_is_there_keeps_away_those_that_must_be_apart_from_it():
    apart = Affinity(apart=(PodTerm(HOST, WEB),))
    web = pod("web", "n1", labels=(("app", "web"),))

    assert starts(cluster(nodes=nodes("a"), pods=[]), apart)
    said = sentence(cluster(nodes=nodes("a"), pods=[web]), apart)
    assert "beside pods they must be apart from (app=web in the same kubernetes.io/hostname)" in said


def test_a_pod_that_is_there_and_wants_to_be_apart_is_left_in_peace():
    lonely = pod("db", "n1", affinity=Affinity(apart=(PodTerm(HOST, EXECUTORS),)))

    said = sentence(cluster(nodes=nodes("a"), pods=[lonely]), Affinity(), 1)

    assert "beside pods that want to be apart from them" in said


def test_executors_that_must_be_near_a_pod_go_to_its_zone_or_wait_for_it():
    near = Affinity(near=(PodTerm(ZONE, WEB),))
    web = pod("web", "n2", labels=(("app", "web"),))

    assert starts(cluster(nodes=nodes("a", "b"), pods=[web]), near)
    said = sentence(cluster(nodes=nodes("a", "b")), near)
    assert "without the pods they must be near (app=web in the same zone)" in said


def test_executors_are_spread_evenly_over_zones_or_not_at_all():
    spread = Affinity(spread=(Spread(ZONE, 1, EXECUTORS),))
    full = [pod("big", "n2", cpu="8")]

    assert starts(cluster(nodes=nodes("a", "b")), spread, 4)
    said = sentence(cluster(nodes=nodes("a", "b"), pods=full), spread, 4)
    assert "topology spread would be uneven (over zone with skew 1)" in said
