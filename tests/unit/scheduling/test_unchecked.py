# SPDX-License-Identifier: Apache-2.0
"""Jobs that are admitted whatever the room: those of flow ``observe``, and adopted applications."""

from airflow_priority_spark.scheduling.cycle import decide
from tests.property.scheduling.builders import (
    TEAM_A,
    admitted,
    cluster,
    demand,
    job,
    keys,
    queue,
    quota,
    snapshot,
)


def test_they_start_whatever_the_room_and_say_what_would_have_blocked_them():
    view = cluster(quotas=[quota(keys(cpu="4"), used=keys(cpu="3"))])
    waiting = [job("head", demand(2), at=1), job("observed", demand(2), at=2, unchecked=True)]
    decisions = decide(snapshot(view, waiting), 0.0)
    assert admitted(decisions) == ["observed"]
    assert decisions.observed["observed"].needed == 3000
    assert list(decisions.blocked) == ["head"]
    assert decisions.blocked["head"].free == 0
    assert decisions.pools[TEAM_A, "normal"].credit == 0


def test_they_are_admitted_in_their_order_and_never_impossible():
    view = cluster(quotas=[quota(keys(cpu="4"))])
    waiting = [job("second", demand(9), at=2, unchecked=True), job("first", demand(9), at=1, unchecked=True)]
    decisions = decide(snapshot(view, waiting, [queue()]), 0.0)
    assert admitted(decisions) == ["first", "second"]
    assert decisions.impossible == {}
