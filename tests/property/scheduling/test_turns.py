# SPDX-License-Identifier: Apache-2.0
"""Shares to the job: every window of ten admissions, whatever the batches and whatever went before."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_priority_spark.scheduling.model import Rules
from tests.property.scheduling.builders import TEAM_A, job, pools, queue
from tests.property.scheduling.world import World, cores

slow = settings(max_examples=60, deadline=None)


class Busy:
    """A queue in which everything fits, with any of its pools busy at a time."""

    def __init__(self, weights: dict[str, int], seed: int, batch: int) -> None:
        self.rng = random.Random(seed)
        view = queue(pools=pools(*weights.items()))
        self.world = World((view,), {"team-a": {"cpu": 10_000_000}}, None, Rules(batch))
        self.batch, self.number = batch, 0

    def cycle(self, busy) -> list[str]:
        """Let some pools be busy for one cycle; return from which pools jobs started."""
        self.world.now += 1.0
        for waiting in list(self.world.waiting.values()):
            if waiting.pool not in busy:
                del self.world.waiting[waiting.job_id]
        for pool in busy:
            while sum(waiting.pool == pool for waiting in self.world.waiting.values()) < self.batch + 10:
                name = f"{pool}-{self.number:06}"
                wants = cores(self.rng.randint(0, 2), 1)
                self.world.submit(job(name, wants, pool, TEAM_A, self.number), 5.0)
                self.number += 1
        before = len(self.world.order)
        self.world.cycle()
        return [pool for pool, _ in self.world.order[before:]]


def shares(busy: Busy, weights: dict[str, int]) -> None:
    """Check every window of ten over enough cycles, and FIFO inside each pool."""
    order = []
    while len(order) < 120:
        order += busy.cycle(list(weights))
    for start in range(len(order) - 9):
        window = order[start : start + 10]
        assert {pool: window.count(pool) * 10 for pool in weights} == weights
    for pool in weights:
        started = [name for of, name in busy.world.order if of == pool]
        assert started == sorted(started)


@slow
@given(st.integers(0, 2**32), st.integers(1, 23))
def test_90_10_holds_to_the_job_over_every_window_of_10(seed, batch):
    weights = {"high": 90, "normal": 10}
    shares(Busy(weights, seed, batch), weights)


@slow
@given(st.integers(0, 2**32), st.integers(1, 23))
def test_70_20_10_holds_to_the_job_over_every_window_of_10(seed, batch):
    weights = {"high": 70, "normal": 20, "low": 10}
    shares(Busy(weights, seed, batch), weights)


@slow
@given(
    st.integers(0, 2**32),
    st.integers(1, 23),
    st.sampled_from(({"high": 90, "normal": 10}, {"high": 70, "normal": 20, "low": 10})),
    st.lists(st.sets(st.integers(0, 2), min_size=1), max_size=12),
)
def test_it_holds_from_the_moment_all_are_busy_whoever_was_idle_before(seed, batch, weights, phases):
    busy = Busy(weights, seed, batch)
    names = list(weights)
    for phase in phases:
        busy.cycle([names[index] for index in sorted(phase) if index < len(names)])
    shares(busy, weights)
