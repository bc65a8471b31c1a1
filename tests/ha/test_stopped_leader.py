# SPDX-License-Identifier: Apache-2.0
"""A leader that is stopped at one exact point, replaced, and woken again changes nothing it may not."""

from __future__ import annotations

import signal

import pytest

from tests.ha.arbiters import STOPPING, until

pytestmark = [pytest.mark.long, pytest.mark.postgresql, pytest.mark.timeout(400)]


@pytest.mark.parametrize("point", ["before", "inside", "after"])
def test_a_leader_stopped_around_apply_and_woken_later_changes_nothing(site, point):
    stopped = site.arbiters.start(STOPPING, STOP_AT=point)
    site.arbiters.until_ready()
    site.arbiters.start()
    site.arbiters.until_ready()
    with site.workers(backlog=10) as workers:
        until(stopped.is_stopped, 60, "the leader has stopped itself")
        holder, epoch, _ = site.arbiters.lease()
        assert f"/{stopped.pid}/" in holder, "it led"
        admitted = set(site.story().admissions)
        assert bool(admitted) is (point == "after"), "what was not committed did not happen"

        until(lambda: site.arbiters.lease()[1] > epoch, 15, "another takes over, whatever was locked")
        site.goes_on(jobs=6)
        successor = site.arbiters.lease()[0]
        stopped.send(signal.SIGCONT)
        site.goes_on(jobs=6)

        until(lambda: stopped.lines("Not leading"), 10, "it notices")
        assert site.arbiters.lease()[:2] == (successor, epoch + 1), "the successor leads on"
        story = site.finish(workers)
    by_stopped = {
        job
        for job, before, after, actor, _ in story.events
        if f"/{stopped.pid}/" in actor and after == "admitted"
    }
    assert by_stopped == admitted, "it admitted nothing after it was woken"
