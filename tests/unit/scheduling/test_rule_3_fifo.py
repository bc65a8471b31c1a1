# SPDX-License-Identifier: Apache-2.0
"""Rule 3: inside a pool, strict FIFO: only the head may be admitted."""

from dataclasses import replace

import pytest

from airflow_priority_spark.scheduling.cycle import decide
from airflow_priority_spark.scheduling.model import Snapshot
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

HALF_FULL = cluster(quotas=[quota(keys(cpu="20"), used=keys(cpu="10"))])


def test_only_the_head_of_a_pool_may_be_admitted():
    waiting = [job("big", demand(14), at=1), job("small", at=2)]
    decisions = decide(snapshot(HALF_FULL, waiting), 0.0)
    assert admitted(decisions) == []
    assert list(decisions.blocked) == ["big"], "who is behind the head is not looked at"


POSITIONS = {
    "the earlier instant goes first": [("b", (1.0, 9)), ("a", (2.0, 0))],
    "at one instant the smaller trigger id goes first": [("b", (1.0, 3)), ("a", (1.0, 4))],
    "at one position the job id decides": [("a", (1.0, 3)), ("b", (1.0, 3))],
}


@pytest.mark.parametrize("line", POSITIONS.values(), ids=POSITIONS.keys())
def test_a_pool_is_in_the_order_of_positions(line):
    waiting = [replace(job(name), position=position) for name, position in line]
    for listed in (waiting, waiting[::-1]):
        assert admitted(decide(snapshot(cluster(), listed), 0.0)) == [name for name, _ in line]


def test_a_rescheduled_job_returns_to_its_original_position():
    waiting = [job("again", at=1, readmission=True), job("later", at=2)]
    assert admitted(decide(snapshot(cluster(), waiting[::-1]), 0.0)) == ["again", "later"]


def test_who_is_not_eligible_is_passed_over_and_keeps_its_place():
    waiting = [job("held", at=1, ineligible="held"), job("next", at=2), job("last", at=3)]
    assert admitted(decide(snapshot(cluster(), waiting), 0.0)) == ["next", "last"]
    waiting[0] = job("held", at=1)
    assert admitted(decide(snapshot(cluster(), waiting), 0.0)) == ["held", "next", "last"]


def test_lines_and_loose_jobs_make_one_queue_in_order():
    line = tuple(jobs(4))
    view = Snapshot(
        (cluster(),),
        (queue(),),
        (job("early", at=0.5), job("late", at=9)),
        lines={(TEAM_A, "normal"): line},
    )
    expected = ["normal-000", "early", "normal-001", "normal-002", "normal-003", "late"]
    assert admitted(decide(view, 0.0)) == expected


class Front(tuple):
    """A line that counts how far it was read."""

    read = 0

    def __iter__(self):
        for item in super().__iter__():
            type(self).read += 1
            yield item


def test_a_line_is_read_only_as_far_as_needed():
    line = Front([*jobs(2), job("big", demand(14), at=5), *jobs(500, start=10)])
    view = Snapshot((HALF_FULL,), (queue(),), (), lines={(TEAM_A, "normal"): line})
    assert len(admitted(decide(view, 0.0))) == 2
    assert Front.read == 3


def test_a_job_in_a_line_that_could_never_start_fails_when_it_is_head():
    view = cluster(quotas=[quota(keys(cpu="4"))])
    line = (job("big", demand(9)), job("held", at=1, ineligible="held"), job("small", at=2))
    decisions = decide(Snapshot((view,), (queue(),), (), lines={(TEAM_A, "normal"): line}), 0.0)
    assert list(decisions.impossible) == ["big"]
    assert admitted(decisions) == ["small"]
