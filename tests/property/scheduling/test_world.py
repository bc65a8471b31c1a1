# SPDX-License-Identifier: Apache-2.0
"""What must hold over many cycles, while jobs come and go, quotas change and nodes are lost."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_priority_spark.scheduling.model import Demand, PodSet, Rules
from airflow_priority_spark.scheduling.resources import Resources
from tests.property.scheduling.builders import TEAM_A, TEAM_B, job, pools, protecting, queue
from tests.property.scheduling.world import World

slow = settings(max_examples=60, deadline=None)


def cores(executors: int, size: int, driver: int = 1) -> Demand:
    def pods(name, count, cpu):
        return PodSet(name, count, Resources({"cpu": cpu * 1000, "memory": 2**30}))

    return Demand((pods("driver", 1, driver), pods("executor", executors, size)))


@slow
@given(st.integers(0, 2**32), st.booleans())
def test_neither_quota_nor_node_is_ever_over_committed(seed, with_nodes):
    rng = random.Random(seed)
    nodes = {f"n{n}": 8000 for n in range(4)} if with_nodes else None
    quotas = {"team-a": {"cpu": 20_000}, "team-b": {"cpu": 16_000}}
    world = World(
        (queue(TEAM_A), queue(TEAM_B)), quotas, nodes, Rules(rng.choice((1, 3, 20)), protecting(60.0))
    )
    for cycle in range(60):
        world.now = cycle * 10.0
        for index in range(rng.randint(0, 3)):
            wants = cores(rng.randint(0, 4), rng.choice((1, 2, 4)))
            key, pool = rng.choice((TEAM_A, TEAM_B)), rng.choice(("high", "normal"))
            world.submit(job(f"{cycle}-{index}", wants, pool, key, cycle), rng.choice((5.0, 30.0, 100.0)))
        if rng.random() < 0.1:
            world.quotas[rng.choice(("team-a", "team-b"))] = {"cpu": rng.randint(0, 24) * 1000}
        if with_nodes and len(world.nodes) > 1 and rng.random() < 0.05:
            world.lose_node(rng.choice(sorted(world.nodes)))
        if with_nodes and rng.random() < 0.05:
            world.nodes[f"extra-{cycle}"] = 8000
        world.cycle()  # raises OverCommitted
    assert world.started


@slow
@given(st.integers(0, 2**32))
def test_nothing_is_lost_and_everything_possible_starts_once_the_stream_ends(seed):
    rng = random.Random(seed)
    world = World((queue(TEAM_A),), {"team-a": {"cpu": 16_000}}, None, Rules(20, protecting(60.0)))
    for cycle in range(200):
        world.now = cycle * 10.0
        if cycle < 40:
            wants = cores(rng.randint(0, 5), rng.choice((1, 2, 4)))
            world.submit(
                job(f"j{cycle}", wants, rng.choice(("high", "normal")), at=cycle), rng.choice((5.0, 50.0))
            )
        world.cycle()
    assert not world.waiting
    assert len(world.started) + len(world.impossible) == 40


@slow
@given(
    st.integers(0, 2**32),
    st.sampled_from((0.0, 60.0, 300.0)),
    st.sampled_from(("high", "normal")),
    st.booleans(),
)
def test_a_blocked_head_starts_within_protection_and_the_longest_job(seed, protection, pool, with_nodes):
    """The head needs more than half of the queue; a stream of small jobs would starve it for ever."""
    rng = random.Random(seed)
    longest, step = rng.choice((50.0, 200.0)), 10.0
    nodes = {f"n{n}": 4000 for n in range(4)} if with_nodes else None
    quotas = {"team-a": {"cpu": 100_000 if with_nodes else 16_000}}
    world = World(
        (queue(TEAM_A, pools=pools(("high", 90), ("normal", 10))),),
        quotas,
        nodes,
        Rules(20, protecting(protection)),
    )
    other = "normal" if pool == "high" else "high"
    number = 0

    def refill():
        nonlocal number
        while sum(waiting.pool == other for waiting in world.waiting.values()) < 20:
            world.submit(
                job(f"small-{number:06}", cores(rng.randint(0, 1), 1), other, at=number),
                rng.uniform(step, longest),
            )
            number += 1

    refill()
    world.cycle()
    # With nodes it needs every core of each of them, so that it does not matter where pods are bound.
    big = cores(3, 4, driver=4) if with_nodes else cores(rng.randint(9, 15), 1)
    world.submit(job("big", big, pool, at=0), longest)
    head_since = None
    while "big" not in world.started:
        world.now += step
        refill()
        world.cycle()
        if head_since is None:
            head_since = world.now
        assert world.now <= head_since + protection + longest + 2 * step
    assert sum(job_id.startswith("small") for _, job_id in world.order) > 5


@slow
@given(st.integers(0, 2**32), st.integers(1, 23))
def test_busy_pools_share_nine_to_one_over_many_cycles(seed, batch):
    rng = random.Random(seed)
    world = World((queue(TEAM_A),), {"team-a": {"cpu": 10_000_000}}, None, Rules(batch))
    number = 0
    for cycle in range(30):
        world.now = cycle * 1.0
        for pool in ("high", "normal"):
            while sum(waiting.pool == pool for waiting in world.waiting.values()) < 30:
                world.submit(job(f"{pool}-{number:06}", cores(rng.randint(0, 2), 1), pool, at=number), 5.0)
                number += 1
        world.cycle()
    order = [pool for pool, _ in world.order]
    assert len(order) == 30 * batch
    for start in range(len(order) - 9):
        assert order[start : start + 10].count("normal") == 1
    for pool in ("high", "normal"):
        started = [job_id for name, job_id in world.order if name == pool]
        assert started == sorted(started)
