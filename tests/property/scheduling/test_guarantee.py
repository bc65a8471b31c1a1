# SPDX-License-Identifier: Apache-2.0
"""The guarantee of rule 4, over many cycles.

A head that fits its queue's capacity and is blocked only by jobs of its own queue starts within its
protection time + the longest running job. Two heads of a queue cannot both have that: of those that
are past their time only the longest blocked one protects, and the other's wait begins to count when
that one has started. So a stream of small jobs delays a large head by more than the guarantee only if
a small one was head before it and is still blocked when the protection time is over; with a
protection time at least as long as a job that cannot be.
"""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_priority_spark.scheduling.model import PoolView, Rules
from tests.property.scheduling.builders import job, pools, protecting, queue
from tests.property.scheduling.world import World, cores

slow = settings(max_examples=80, deadline=None)
STEP = 10.0


class Stream:
    """A queue with a never-ending stream of small jobs in one pool, and a world that runs it."""

    def __init__(self, seed: int, protection: float, pool: str, longest: float, *, with_nodes: bool) -> None:
        self.rng, self.pool, self.longest = random.Random(seed), pool, longest
        nodes = {f"n{n}": 4000 for n in range(4)} if with_nodes else None
        quotas = {"team-a": {"cpu": 100_000 if with_nodes else 16_000}}
        view = queue(pools=pools(("high", 90), ("normal", 10)))
        self.world = World((view,), quotas, nodes, Rules(20, protecting(protection)))
        self.number = 0

    def cycle(self) -> None:
        """Let time pass, keep the line of small jobs long, decide."""
        self.world.now += STEP
        while sum(waiting.pool == self.pool for waiting in self.world.waiting.values()) < 20:
            name = f"small-{self.number:06}"
            self.world.submit(
                job(name, cores(self.rng.randint(0, 1), 1), self.pool, at=self.number),
                self.rng.uniform(STEP, self.longest),
            )
            self.number += 1
        self.world.cycle()

    def view(self, pool: str) -> PoolView:
        return next(view for view in self.world.queues[0].pools if view.name == pool)

    def until_big_starts(self, pool: str, bound: float, protection: float) -> tuple[float, float]:
        """Return when ``big`` started, and since when nothing stood before its protection."""
        since = self.world.now + STEP
        first_in_line = since
        while "big" not in self.world.started:
            others = self.view(self.pool).head_blocked_since
            self.cycle()
            assert self.world.now <= since + bound, "it does not start at all"
            mine = self.view(pool).head_blocked_since
            if others is not None and mine is not None and others < mine:
                first_in_line = self.world.now
        return self.world.started["big"], max(since + protection, first_in_line)


@slow
@given(st.integers(0, 2**32), st.sampled_from((200.0, 300.0, 900.0)), st.booleans())
def test_a_stream_of_small_normal_jobs_cannot_keep_a_large_high_head_waiting(seed, protection, with_nodes):
    longest = random.Random(seed).choice((50.0, 200.0))
    stream = Stream(seed, protection, "normal", longest, with_nodes=with_nodes)
    for _ in range(stream.rng.randint(1, 40)):
        stream.cycle()
    stream.world.submit(job("big", big_of(stream, with_nodes), "high", at=0), longest)
    arrived = stream.world.now + STEP
    started, _ = stream.until_big_starts("high", 5000.0, protection)
    assert started - arrived <= protection + longest + STEP
    assert sum(name.startswith("small") for _, name in stream.world.order) > 5


@slow
@given(
    st.integers(0, 2**32),
    st.sampled_from((0.0, 10.0, 60.0, 300.0)),
    st.sampled_from(("high", "normal")),
    st.booleans(),
)
def test_a_head_starts_within_the_longest_job_of_being_the_one_that_protects(
    seed, protection, pool, with_nodes
):
    longest = random.Random(seed).choice((50.0, 200.0))
    other = "normal" if pool == "high" else "high"
    stream = Stream(seed, protection, other, longest, with_nodes=with_nodes)
    for _ in range(stream.rng.randint(1, 40)):
        stream.cycle()
    stream.world.submit(job("big", big_of(stream, with_nodes), pool, at=0), longest)
    started, protects = stream.until_big_starts(pool, 5000.0, protection)
    assert started <= protects + longest + STEP


def big_of(stream, with_nodes):
    """Return a demand of more than half of the queue.

    With nodes it needs every core of each of them, so that it does not matter where pods are bound.
    """
    return cores(3, 4, driver=4) if with_nodes else cores(stream.rng.randint(9, 15), 1)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_without_protection_in_time_the_same_stream_keeps_it_waiting(seed):
    """The guarantee is protection's doing: with a protection time that never comes, the head starves."""
    stream = Stream(seed, 1e9, "normal", 200.0, with_nodes=False)
    for _ in range(20):
        stream.cycle()
    stream.world.submit(job("big", cores(15, 1), "high", at=0), 200.0)
    for _ in range(100):
        stream.cycle()
    assert "big" not in stream.world.started
