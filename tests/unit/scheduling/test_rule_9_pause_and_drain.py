# SPDX-License-Identifier: Apache-2.0
"""Rule 9, as far as the decision knows it: pause and drain."""

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Ineligible, PoolState, PoolView
from tests.property.scheduling.builders import (
    TEAM_A,
    admitted,
    cluster,
    demand,
    job,
    jobs,
    keys,
    queue,
    quota,
    snapshot,
)

TIGHT = quota(keys(cpu="20"), used=keys(cpu="10"))
NOT_LOOKED_AT = {
    "a paused queue": (cluster(quotas=[TIGHT]), {"paused": True}),
    "a queue whose cluster is not seen clearly": (
        cluster(quotas=[TIGHT], fresh=False, stale_reason="pods: watch is behind"),
        {},
    ),
    "a queue whose cluster is not seen at all": (None, {}),
}


@pytest.mark.parametrize(("of", "given"), NOT_LOOKED_AT.values(), ids=NOT_LOOKED_AT.keys())
def test_it_admits_nothing_starts_no_clock_and_loses_none(of, given):
    seen = queue(pools=(PoolView("normal", 10, 7, "big", 50.0, 60.0), PoolView("high", 90, -7)), **given)
    waiting = [job("big", demand(14)), job("free", pool="high", unchecked=True), job("small", pool="high")]
    decisions = decide(snapshot(of, waiting, [seen]), 100.0)
    assert not decisions.admissions
    assert not decisions.blocked
    assert not decisions.impossible
    assert not decisions.timed_out
    assert decisions.pools[TEAM_A, "normal"] == PoolState(7, "big", 50.0, 60.0, 100.0)
    assert decisions.pools[TEAM_A, "high"] == PoolState(-7, "small", None)


def test_the_heads_of_a_paused_queue_say_that_it_is_paused():
    waiting = [*jobs(2), *jobs(2, pool="high")]
    decisions = decide(snapshot(cluster(), waiting, [queue(paused=True)]), 0.0)
    reason = (Ineligible.PAUSED, "queue team-a is paused")
    assert decisions.ineligible == {"normal-000": reason, "high-000": reason}


def test_of_a_draining_queue_what_waits_is_admitted_and_what_is_new_is_held():
    waiting = [*jobs(2), job("new", at=9, ineligible="held", ineligible_detail="queue team-a is draining")]
    assert admitted(decide(snapshot(cluster(), waiting), 0.0)) == ["normal-000", "normal-001"]
