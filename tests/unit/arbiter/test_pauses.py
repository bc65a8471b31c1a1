# SPDX-License-Identifier: Apache-2.0
"""How long the loop pauses between two cycles, and what ends a pause early."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_priority_spark.arbiter import loop as module
from airflow_priority_spark.arbiter.loop import ENDING_SECONDS, MAX_BACKOFF, MIN_PAUSE
from tests.unit.arbiter.world import World

POLL, LEASE = 2.0, 4.0


class Passing:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def event(self, at: float = float("inf")):
        """Return an event that somebody sets at an instant."""
        return SimpleNamespace(is_set=lambda: self.now >= at, wait=lambda seconds: self._wait(at, seconds))

    def _wait(self, at: float, seconds: float) -> bool:
        self.now = max(self.now, min(self.now + seconds, at))
        return self.now >= at


@pytest.fixture
def pause(database, monkeypatch):
    """Pause as a leader does between two cycles; returns how long it took."""
    loop = World(database, poll_interval_seconds=POLL, lease_seconds=LEASE).loop
    assert loop._lead()

    def pause(*, failures: int = 0, stop: float = float("inf"), wake: float = float("inf")) -> float:
        time = Passing()
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: time.now))
        loop.wake = time.event(wake)
        loop._sleep(time.event(stop), failures)
        return time.now

    pause.loop = loop
    return pause


def test_while_nothing_happens_it_lasts_for_the_poll_interval(pause):
    assert pause() == pytest.approx(POLL)


def test_a_change_ends_it_at_once(pause):
    assert pause(wake=0.7) == pytest.approx(0.7)


def test_however_fast_things_change_a_moment_lies_between_two_cycles(pause):
    assert pause(wake=0.0) == pytest.approx(MIN_PAUSE)


def test_there_is_none_while_there_is_more_of_the_same_to_do(pause):
    pause.loop._hurry = True
    assert pause() == 0.0


def test_it_is_short_while_a_task_is_about_to_end(pause):
    pause.loop.reconciler.awaits_ends = True
    assert pause() == pytest.approx(ENDING_SECONDS)


def test_who_stands_by_looks_eight_times_within_a_lease(pause):
    pause.loop.leadership.release()
    assert pause() == pytest.approx(LEASE / 8)


def test_stopping_ends_it_at_once(pause):
    assert pause(stop=0.05) == pytest.approx(0.05)
    assert pause(stop=0.9) <= 0.9 + 0.2, "in slices: nobody sets the event that it waits for then"
    assert pause(failures=5, stop=0.3) == pytest.approx(0.3)


def test_after_failures_it_grows_and_no_change_shortens_it(pause):
    assert [pause(failures=count, wake=0.0) for count in (1, 2, 3, 9)] == [4.0, 8.0, MAX_BACKOFF, MAX_BACKOFF]
