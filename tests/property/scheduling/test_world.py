# SPDX-License-Identifier: Apache-2.0
"""What must hold over many cycles, while jobs come and go, quotas change and nodes are lost."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_priority_spark.scheduling.model import HeadRules, PoolView, Rules
from tests.property.scheduling.builders import TEAM_A, TEAM_B, job, protecting, queue
from tests.property.scheduling.world import World, cores

slow = settings(max_examples=60, deadline=None)


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
@given(st.integers(0, 2**32))
def test_under_limits_and_timeouts_every_job_ends_once_and_no_limit_is_ever_exceeded(seed):
    rng = random.Random(seed)
    view = queue(TEAM_A, pools=(PoolView("high", 90, limit=3), PoolView("normal", 10)), limit=5)
    timeouts = HeadRules(
        timeout_seconds=40.0,
        retry_count=rng.randint(0, 2),
        retry_position=rng.choice(("keep", "tail")),
        timeout_action=rng.choice(("cancel", "hold")),
        protection_seconds=rng.choice((0.0, 60.0)),
    )
    rules = Rules(20, timeouts, limit_per_user=2, limit_per_user_service=1)
    world = World((view,), {"team-a": {"cpu": 16_000}}, None, rules)
    users = ("ada", "bob", "eve", "")
    for cycle in range(150):
        world.now = cycle * 10.0
        for index in range(rng.randint(0, 2) if cycle < 40 else 0):
            wants = cores(rng.randint(0, 5), rng.choice((1, 2, 4)))
            user, service = rng.choice(users), rng.choice(("", "etl"))
            pool = rng.choice(("high", "normal"))
            item = job(f"j{cycle}-{index}", wants, pool, at=cycle, user=user, service=service)
            world.submit(item, rng.choice((5.0, 50.0, 100.0)))
        world.cycle()
        running = [run.job for run in world.running.values()]
        assert len(running) <= 5
        assert sum(item.pool == "high" for item in running) <= 3
        for user in users[:3]:
            mine = [item for item in running if item.user == user]
            assert len(mine) <= 2
            assert sum(item.service == "etl" for item in mine) <= 1
    ends = [set(world.started), world.impossible, set(world.timed_out)]
    assert not world.waiting
    assert sum(map(len, ends)) == len(set().union(*ends)) == len(world.durations)
