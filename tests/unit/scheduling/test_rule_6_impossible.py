# SPDX-License-Identifier: Apache-2.0
"""Rule 6: demand that nothing could ever satisfy fails at once."""

from dataclasses import replace

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Rules, describe_blocked
from tests.property.scheduling.builders import (
    TEAM_A,
    admitted,
    amounts,
    cluster,
    demand,
    driver_only,
    job,
    jobs,
    keys,
    limit_range,
    node,
    queue,
    quota,
    snapshot,
)

BIG = demand(9, cpu="2")  # 19 cores in 10 pods
NODES = [node("n1", cpu="8"), node("n2", cpu="8")]

FAILS = {
    "demand that its quota could never satisfy fails at once": (
        {"of": cluster(quotas=[quota(keys(cpu="18"), used=keys(cpu="18"))])},
        "cpu: needs 19 CPU, 18 CPU free of quota team-a (even when nothing else runs)",
    ),
    "demand that its limit range could never satisfy fails at once": (
        {"of": cluster(limit_ranges=[limit_range(maximum=amounts(cpu="1.5"))])},
        "cpu: needs 2 CPU, 1.5 CPU free of limit range small (for one executor container)",
    ),
    "demand that its declared capacity could never satisfy fails at once": (
        {"of": cluster(), "queues": [queue(capacity=keys(cpu="18"))]},
        "cpu: needs 19 CPU, 18 CPU free of declared capacity of team-a (even when nothing else runs)",
    ),
    "on fixed nodes likewise for nodes": ({"of": cluster(nodes=NODES)}, None),
}


@pytest.mark.parametrize(("given", "sentence"), FAILS.values(), ids=FAILS.keys())
def test_it_fails_at_once_with_numbers(given, sentence):
    waiting = [job("big", BIG)]
    decisions = decide(snapshot(queued=waiting, **given), 0.0)
    said = describe_blocked(decisions.impossible["big"].why)
    assert sentence is None or said == sentence
    assert said.startswith(("cpu: needs", "placement: "))
    assert decisions.blocked == {}
    assert decisions.pools[TEAM_A, "normal"].head_id is None, "no clock runs"


def test_at_once_means_wherever_it_stands_in_line():
    of = cluster(quotas=[quota(keys(cpu="18"), used=keys(cpu="18"))])
    waiting = [*jobs(3), job("big", BIG, at=9)]
    assert list(decide(snapshot(of, waiting), 0.0).impossible) == ["big"]


def test_who_is_behind_it_goes_on():
    of = cluster(quotas=[quota(keys(cpu="18"))])
    waiting = [job("big", BIG), *jobs(3, start=1)]
    assert len(admitted(decide(snapshot(of, waiting), 0.0))) == 3


def test_on_elastic_nodes_it_waits():
    of = replace(cluster(nodes=NODES), fixed_nodes=False)
    decisions = decide(snapshot(of, [job("big", BIG)]), 0.0)
    assert decisions.impossible == {}
    assert admitted(decisions) == ["big"], "a shortage of nodes does not block where they grow"


def test_a_node_that_is_not_ready_may_be_again():
    of = cluster(nodes=[node("n1", cpu="8", ready=False)])
    decisions = decide(snapshot(of, [job("a", driver_only(cpu="8"))]), 0.0)
    assert decisions.impossible == {}
    assert list(decisions.blocked) == ["a"]


def test_whether_it_fails_is_configurable():
    of = cluster(quotas=[quota(keys(cpu="18"))])
    rules = Rules(fail_impossible=False)
    decisions = decide(snapshot(of, [job("big", BIG), job("next", at=1)], rules=rules), 7.0)
    assert decisions.impossible == {}
    assert describe_blocked(decisions.blocked["big"]).startswith("cpu: needs 19 CPU, 18 CPU free")
    assert admitted(decisions) == []
    assert decisions.pools[TEAM_A, "normal"].head_timeout_since == 7.0, "its clock runs as any other's"
