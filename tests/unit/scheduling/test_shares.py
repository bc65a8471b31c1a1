# SPDX-License-Identifier: Apache-2.0
import pytest

from airflow_priority_spark.scheduling.shares import charged, next_pool, weighted_share


def picks(weights, count):
    credits, picked = [0] * len(weights), []
    for _ in range(count):
        index = next_pool(weights, credits)
        picked.append(index)
        credits = charged(weights, credits, index, bound=sum(weights))
    return picked


def test_round_robin_is_smooth_as_in_nginx():
    assert "".join("abc"[index] for index in picks([5, 1, 1], 7)) == "aabacaa"


@pytest.mark.parametrize(
    ("weights", "period"),
    [((90, 10), 10), ((9, 1), 10), ((1, 1), 2), ((60, 30, 10), 10), ((70, 20, 10), 10), ((3, 2), 5)],
)
def test_every_window_of_a_period_holds_each_pools_share(weights, period):
    picked = picks(list(weights), 20 * period)
    for start in range(len(picked) - period):
        window = picked[start : start + period]
        counts = [window.count(index) for index in range(len(weights))]
        assert counts == [weight * period // sum(weights) for weight in weights]


def test_credits_never_pass_the_bound():
    assert charged([90, 10], [95, -95], 1, bound=100) == [100, -100]


def test_the_share_is_the_greatest_part_of_any_resource_divided_by_the_weight():
    held, totals = {"cpu": 2, "memory": 6, "gpu": 1}, {"cpu": 10, "memory": 10}
    assert weighted_share(held, totals, 1) == 0.6
    assert weighted_share(held, totals, 3) == 0.2
    assert weighted_share(held, totals, 0) == 0.6
    assert weighted_share({}, totals, 1) == 0.0


@pytest.mark.parametrize("weight", [3, 7, 10, 49, 100])
def test_equal_shares_are_equal_however_they_come_about(weight):
    """0.3 / 3 is not 0.1 in floats: a tie would then go to the wrong queue."""
    share = weighted_share({"cpu": 1}, {"cpu": 10}, 1)
    assert weighted_share({"cpu": weight}, {"cpu": 10}, weight) == share
    assert weighted_share({"memory": weight * 2**40}, {"memory": 10 * 2**40}, weight) == share
