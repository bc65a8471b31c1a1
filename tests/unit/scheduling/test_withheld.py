# SPDX-License-Identifier: Apache-2.0
"""Jobs that fit but are withheld, placeholders that stand for pods, and how far elastic nodes may grow."""

from dataclasses import replace

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Blocked, describe_blocked
from airflow_priority_spark.scheduling.resources import Resources
from tests.property.scheduling.builders import (
    admitted,
    cluster,
    demand,
    driver_only,
    job,
    keys,
    node,
    pod,
    quota,
    snapshot,
)

REFUSED = Blocked("admission", 0, 0, "admission chain", "a driver pod would be refused: no cost centre")
TWO_CPU = quota(keys(requests_cpu="2"))


def two(view):
    """Decide on two jobs of 2 CPU, the first in pool ``high``."""
    jobs = [job("a", driver_only("2"), pool="high"), job("b", driver_only("2"), pool="normal")]
    return decide(snapshot(view, jobs), 0.0)


def test_a_withheld_job_waits_with_its_reason_and_leaves_its_room_to_others():
    decisions = two(cluster(quotas=[TWO_CPU], withheld={"a": REFUSED}))

    assert admitted(decisions) == ["b"]
    assert describe_blocked(decisions.blocked["a"]) == f"admission: {REFUSED.detail}"


def test_a_withheld_job_whose_room_is_kept_leaves_nothing_to_others():
    view = cluster(quotas=[TWO_CPU], withheld={"a": REFUSED}, reserved=frozenset({"a"}))

    decisions = two(view)

    assert admitted(decisions) == []
    assert decisions.blocked["b"].resource == "cpu"


def test_a_withheld_job_that_does_not_fit_says_what_it_really_lacks():
    view = cluster(
        quotas=[TWO_CPU],
        pods=[pod("p", cpu="1")],
        withheld={"a": REFUSED},
        reserved=frozenset({"a"}),
    )

    assert two(view).blocked["a"].resource == "cpu"


def held_by(job_id, count, **fields):
    return [
        pod(f"p{n}", "n1", namespace="airflow", job_id=job_id, pod_set="executor", placeholder=True, **fields)
        for n in range(count)
    ]


def test_a_jobs_placeholders_stand_for_its_pods_on_nodes_and_for_nobody_elses():
    view = cluster(nodes=[node(cpu="4")], pods=held_by("a", 3))
    wanted = demand(3)

    assert admitted(decide(snapshot(view, [job("a", wanted)]), 0.0)) == ["a"]
    assert admitted(decide(snapshot(view, [job("b", wanted)]), 0.0)) == []


def test_placeholders_use_no_quota_of_the_jobs_namespace():
    view = cluster(quotas=[quota(keys(requests_cpu="4"))], pods=held_by("a", 3))

    assert admitted(decide(snapshot(view, [job("a", demand(3))]), 0.0)) == ["a"]


def test_elastic_nodes_grow_up_to_the_configured_maximum_and_no_further():
    view = cluster(
        nodes=[node(cpu="2")], fixed_nodes=False, node_maxima=Resources({"cpu": 8000}), pods=[pod("p", "n1")]
    )

    assert admitted(decide(snapshot(view, [job("a", demand(6))]), 0.0)) == ["a"]
    decisions = decide(snapshot(view, [job("a", demand(7))]), 0.0)
    assert describe_blocked(decisions.blocked["a"]) == (
        "cpu: needs 8 CPU, 7 CPU free of the configured maximum of the nodes"
    )
    unbounded = replace(view, node_maxima=None)
    assert admitted(decide(snapshot(unbounded, [job("a", demand(700))]), 0.0)) == ["a"]
