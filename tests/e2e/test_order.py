# SPDX-License-Identifier: Apache-2.0
"""One job at a time from two busy pools: who goes first, and that nothing is ever over its quota."""

from __future__ import annotations

import pytest

from tests.e2e.work import until

pytestmark = pytest.mark.e2e


def weighted_order(weights: dict[str, int], waiting: dict[str, int]) -> list[str]:
    """Return the pools in the order of nginx's smooth weighted round robin, heavier pool first on a tie.

    https://github.com/phusion/nginx/commit/27e94984486058d73157038f7950a0a36ecc6e35
    """
    credit, left, order = dict.fromkeys(weights, 0), dict(waiting), []
    while busy := [name for name in weights if left[name]]:
        for name in busy:
            credit[name] += weights[name]
        chosen = max(busy, key=lambda name: (credit[name], weights[name]))
        credit[chosen] -= sum(weights[name] for name in busy)
        left[chosen] -= 1
        order.append(chosen)
    return order


def test_admissions_follow_the_weights_between_pools_and_the_queue_inside_each(start, witness):
    with witness.full("order"):
        run = start("order")
        until(lambda: len(run.jobs()) == 7, run.describe)
        jobs = run.jobs()
    assert run.ended(240) == "success"
    admitted = run.admitted_tasks()
    assert [task.split("_")[0] for task in admitted] == weighted_order(
        {"high": 90, "normal": 10}, {"high": 5, "normal": 2}
    )
    for pool in ("high", "normal"):
        queue = sorted(
            (job for job in jobs if job.pool == pool), key=lambda job: (job.position_at, job.position_id)
        )
        assert [task for task in admitted if task.startswith(pool)] == [job.task_id for job in queue]
    witness.check()
