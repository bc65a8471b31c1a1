# SPDX-License-Identifier: Apache-2.0
"""The timeout's clock against a second, naive one that adds up every second it should have run."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import HeadRules, Rules
from tests.property.scheduling.builders import (
    TEAM_A,
    carried,
    cluster,
    demand,
    job,
    keys,
    queue,
    quota,
    snapshot,
)

FULL = quota(keys(cpu="20"), used=keys(cpu="10"))
TIMEOUT = 100.0
#: What a cycle may see, and whether the clock runs from then until the next cycle.
SEEN = {
    "blocked": True,
    "stale": False,
    "paused": False,
    "queue at its limit": False,
    "pool at its limit": False,
}


def decided(now, view, sees):
    shown = view
    if sees == "paused":
        shown = replace(view, paused=True)
    elif sees == "queue at its limit":
        shown = replace(view, limit=0)
    elif sees == "pool at its limit":
        shown = replace(view, pools=tuple(replace(pool, limit=0) for pool in view.pools))
    of = cluster(quotas=[FULL], fresh=sees != "stale")
    rules = Rules(head_rules=HeadRules(timeout_seconds=TIMEOUT))
    return decide(snapshot(of, [job("big", demand(14))], [shown], rules=rules), now)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(list(SEEN))), max_size=60))
def test_the_clock_has_run_as_long_as_it_was_seen_running(history):
    """It runs from a cycle that sees the head blocked until one that does not."""
    view, now, ran, warned = queue(), 0.0, 0.0, 0
    runs, writes, changes, before = False, 0, 0, ""
    for seconds, sees in [(0, "blocked"), *history]:
        now += seconds
        ran += seconds if runs else 0.0
        runs = SEEN[sees]
        decisions = decided(now, view, sees)
        expected = ran >= TIMEOUT and runs
        assert [found.reason_seconds for found in decisions.timed_out] == ([ran] if expected else [])
        if expected:
            return
        if runs:
            due = 80 if ran >= 0.8 * TIMEOUT else 50 if ran >= 0.5 * TIMEOUT else 0
            assert [found.percent for found in decisions.warnings] == ([due] if due > warned else [])
            warned = max(warned, due)
        changes += SEEN[sees] != SEEN.get(before)
        before = sees
        after = carried(view, decisions)
        writes += after != view
        view = after
    assert writes <= changes + 2, "one write when the clock starts or stops, one per warning"
    assert decisions.pools[TEAM_A, "normal"].head_blocked_since == 0.0
