# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Demand, PodSet, Taint, Toleration, describe_blocked
from airflow_priority_spark.scheduling.nodes import NodePool
from airflow_priority_spark.scheduling.placement import groups_of, place
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.scheduling.taints import tolerates
from tests.property.scheduling.builders import (
    GIB,
    TEAM_B,
    admitted,
    cluster,
    demand,
    driver_only,
    grant,
    job,
    node,
    pod,
    pod_set,
    queue,
    snapshot,
)


def decided(view, wants=None, **fields):
    return decide(snapshot(view, [job("a", wants)], **fields), 0.0)


def starts(view, wants=None, **fields):
    return admitted(decided(view, wants, **fields)) == ["a"]


def sentence(view, wants=None, **fields):
    decisions = decided(view, wants, **fields)
    assert not decisions.admissions
    verdict = decisions.blocked.get("a") or decisions.impossible["a"].why
    assert verdict.resource == "placement"
    return describe_blocked(verdict)


def test_driver_and_executors_start_together_or_not_at_all():
    nodes = [node("n1", cpu="4"), node("n2", cpu="4")]
    assert starts(cluster(nodes=nodes), demand(7))
    taken = cluster(nodes=nodes, pods=[pod("p", "n1")])
    assert not starts(taken, demand(7))
    assert starts(taken, demand(6))


def test_totals_do_not_suffice_when_no_node_has_a_hole():
    nodes = [node(f"n{n}", cpu="4") for n in range(4)]
    busy = [pod(f"p{n}", f"n{n}", cpu="3") for n in range(4)]
    assert sentence(cluster(nodes=nodes, pods=busy), driver_only(cpu="2")) == (
        "placement: the driver pod needs 2 CPU and 1 GiB, the largest hole is 1 CPU and 31 GiB of nodes"
    )


def test_the_sentence_says_how_many_executors_fit_and_where():
    pool = {"labels": {"disk": "ssd"}}
    nodes = [
        node("n1", cpu="8", memory="16Gi", **pool),
        node("n2", cpu="8", memory="16Gi", **pool),
        node("n3"),
    ]
    busy = [pod("p", "n2", cpu="5", memory="10Gi")]
    wants = demand(4, "4", "8Gi", node_selector=(("disk", "ssd"),))
    assert sentence(cluster(nodes=nodes, pods=busy), wants) == (
        "placement: executor pods need 4 CPU and 8 GiB each, 2 of 4 fit, the largest hole is "
        "8 CPU and 16 GiB of nodes with disk=ssd; left out of 3 nodes: 1 without disk=ssd"
    )


@pytest.mark.parametrize(
    ("toleration", "taint", "tolerated"),
    [
        (Toleration("a", "Equal", "x", "NoSchedule"), Taint("a", "x"), True),
        (Toleration("a", "Equal", "x"), Taint("a", "x", "NoExecute"), True),
        (Toleration("a", "Equal", "y"), Taint("a", "x"), False),
        (Toleration("b", "Equal", "x"), Taint("a", "x"), False),
        (Toleration("a", "Exists"), Taint("a", "x"), True),
        (Toleration("a", "Exists", "", "NoExecute"), Taint("a", "x"), False),
        (Toleration("", "Exists"), Taint("a", "x"), True),
        (Toleration("", "Equal", ""), Taint("a", ""), False),
    ],
)
def test_a_toleration_tolerates_as_in_kubernetes(toleration, taint, tolerated):
    assert tolerates(toleration, taint) is tolerated


def test_a_tainted_node_takes_only_pods_that_tolerate_every_taint():
    view = cluster(nodes=[node(taints=(Taint("spark", "only"), Taint("gpu", effect="NoExecute")))])
    one = (Toleration("spark", "Exists"),)
    both = (*one, Toleration("gpu", "Exists"))
    assert starts(view, driver_only(tolerations=both))
    assert sentence(view, driver_only(tolerations=one)) == (
        "placement: the driver pod needs 1 CPU and 1 GiB, no ready node accepts them "
        "(nodes, taints tolerated: spark; left out of 1 node: 1 with taint gpu) even on empty nodes"
    )


def test_a_taint_that_only_prefers_keeps_nobody_away():
    assert starts(cluster(nodes=[node(taints=(Taint("a", effect="PreferNoSchedule"),))]))


def test_a_node_that_is_not_ready_takes_nothing_but_may_come_back():
    decisions = decided(cluster(nodes=[node(ready=False)]))
    assert "a" in decisions.blocked
    assert not decisions.impossible


def test_a_selector_that_no_node_has_is_impossible_on_fixed_nodes():
    wants = driver_only(node_selector=(("disk", "ssd"),))
    assert "nodes with disk=ssd" in sentence(cluster(nodes=[node()]), wants)
    assert decided(cluster(nodes=[node()]), wants).impossible


def test_a_pod_larger_than_every_node_is_impossible_on_fixed_nodes():
    assert sentence(cluster(nodes=[node(cpu="4")]), demand(1, "6")) == (
        "placement: the executor pod needs 6 CPU and 1 GiB, the largest hole is 4 CPU and 32 GiB of nodes "
        "even on empty nodes"
    )


def test_a_shortage_of_nodes_does_not_block_when_nodes_are_elastic():
    assert starts(cluster(nodes=[node(cpu="1")], fixed_nodes=False), demand(100))


def test_nodes_are_not_looked_at_when_only_quota_counts():
    assert starts(cluster(nodes=[node(cpu="1")], mode="quota"), demand(100))


def test_a_cluster_without_a_single_node_blocks_but_nothing_is_impossible():
    decisions = decided(cluster(nodes=[]))
    assert list(decisions.blocked) == ["a"]
    assert not decisions.impossible


def test_a_node_takes_no_more_pods_than_it_allows():
    assert sentence(cluster(nodes=[node(pods="2")], pods=[pod("p", "n1")]), demand(1)) == (
        "placement: driver and executor pods need 1 CPU and 1 GiB each, 1 of 2 fit, "
        "the largest hole is 7 CPU and 31 GiB of nodes"
    )
    full = cluster(nodes=[node(pods="1")], pods=[pod("p", "n1")])
    assert sentence(full) == (
        "placement: the driver pod needs 1 CPU and 1 GiB, the largest hole is 7 CPU and 31 GiB of nodes, "
        "where no more pods are allowed"
    )


def test_extended_resources_are_placed_too():
    gpu = {"extra": {"nvidia.com/gpu": 1}}
    view = cluster(nodes=[node("n1", **gpu), node("n2", **gpu), node("n3")])
    each = Resources.parse({"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": 1})
    assert starts(view, Demand((pod_set("driver"), PodSet("executor", 2, each))))
    assert "2 of 3 fit" in sentence(view, Demand((pod_set("driver"), PodSet("executor", 3, each))))


def test_a_terminating_pod_holds_its_node_until_it_is_gone():
    view = cluster(nodes=[node(cpu="1")], pods=[pod("p", "n1", counts_quota=False, counts_node=True)])
    assert not starts(view)
    assert starts(cluster(nodes=[node(cpu="1")], pods=[pod("p", "n1", counts_node=False)]))


def test_unbound_pods_of_others_take_their_room_first():
    view = cluster(nodes=[node(cpu="4")], pods=[pod("foreign", None, cpu="3", namespace="web")])
    assert not starts(view, demand(1))
    assert starts(view)


def test_an_unbound_pod_that_fits_nowhere_takes_no_room():
    assert starts(cluster(nodes=[node(cpu="4")], pods=[pod("foreign", None, cpu="30", namespace="web")]))


def test_promised_pods_keep_their_room_until_they_are_there():
    nodes = [node(cpu="4")]
    promised = [grant("g", demand(2))]
    assert not starts(cluster(nodes=nodes), demand(1), grants=promised)
    assert starts(cluster(nodes=nodes), driver_only(), grants=promised)
    there = [pod(f"e{n}", "n1", job_id="g", pod_set="executor") for n in range(2)]
    assert not starts(cluster(nodes=nodes, pods=there), demand(1), grants=promised)
    assert starts(cluster(nodes=nodes, pods=there), driver_only(), grants=promised)


def test_a_promise_of_another_queue_counts_on_shared_nodes():
    view = cluster(nodes=[node(cpu="4")])
    assert not starts(
        view, demand(1), grants=[grant("g", demand(2), key=TEAM_B)], queues=[queue(), queue(TEAM_B)]
    )


def test_the_tightest_hole_is_filled_first_so_that_large_holes_stay():
    view = cluster(nodes=[node("n1", cpu="8"), node("n2", cpu="8")], pods=[pod("p", "n2", cpu="6")])
    waiting = [job("small", driver_only(cpu="2"), at=1), job("large", driver_only(cpu="8"), at=2)]
    assert admitted(decide(snapshot(view, waiting), 0.0)) == ["small", "large"]


def test_the_driver_goes_where_it_costs_the_executors_least():
    # Best fit puts the driver (5 GiB) on n1, where three executors (3 CPU) need every core.
    nodes = [node("n1", cpu="9", memory="9Gi"), node("n2", cpu="11", memory="8Gi")]
    wants = Demand((pod_set("driver", 1, "1", "5Gi"), pod_set("executor", 6, "3", "1Gi")))
    assert starts(cluster(nodes=nodes), wants)


def every_assignment(nodes, pods):
    """Return whether any assignment of pods to nodes fits, by trying all of them."""
    for choice in itertools.product(range(len(nodes)), repeat=len(pods)):
        used = [[0, 0] for _ in nodes]
        for where, (cpu, memory) in zip(choice, pods, strict=True):
            used[where][0] += cpu
            used[where][1] += memory
        if all(u[0] <= n[0] and u[1] <= n[1] for u, n in zip(used, nodes, strict=True)):
            return True
    return False


def test_for_a_driver_and_equal_executors_the_answer_is_exact():
    sizes = [(2, 5), (3, 3), (5, 2), (4, 4)]
    asked = [(1, 1), (1, 2), (2, 1), (3, 2), (2, 3)]
    for first, second in itertools.product(sizes, repeat=2):
        nodes = [
            node("n1", cpu=first[0], memory=f"{first[1]}Gi"),
            node("n2", cpu=second[0], memory=f"{second[1]}Gi"),
        ]
        for one, each, count in itertools.product(asked, asked, (1, 2, 3)):
            wants = Demand(
                (
                    pod_set("driver", 1, one[0], f"{one[1]}Gi"),
                    pod_set("executor", count, each[0], f"{each[1]}Gi"),
                )
            )
            pool = NodePool(nodes, lambda _: ({}, 0))
            expected = every_assignment([first, second], [one] + [each] * count)
            assert (place(pool, groups_of(wants)) is not None) == expected, (first, second, one, each, count)


def test_equal_nodes_are_one_entry():
    pool = NodePool([node(f"n{n:04}") for n in range(500)], lambda _: ({}, 0))
    assert [len(kind.shelf) for kind in pool.kinds] == [1]
    assert pool.free(0)[:2] == (8000, 32 * GIB)
