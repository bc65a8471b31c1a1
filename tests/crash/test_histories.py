# SPDX-License-Identifier: Apache-2.0
"""Random histories; the same ones each time, so that a failure is a failure of the change at hand."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.crash.history import History
from tests.crash.test_crash_points import on_postgresql, on_sqlite

FEW, MANY = 5, 200


def live(sites, examples: int, steps: int, number: int) -> Counter:
    """Run histories; return what happened in them."""

    class Seeded(History):
        """Of this test alone."""

    Seeded.sites, Seeded.lived = staticmethod(sites), Counter()
    run_state_machine_as_test(
        seed(number)(Seeded),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return Seeded.lived


@on_sqlite
def test_a_few_histories_end_as_they_should(sites):
    lived = live(sites, FEW, 12, 1)
    print(f"histories: {dict(lived)}")
    assert lived["histories"] >= FEW
    assert lived["disturbed"] > 0


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(1, 6))
@on_sqlite
def test_many_histories_end_as_they_should(number, sites, figures):
    check_many(sites, figures, "sqlite", number, MANY // 5)


@pytest.mark.long
@pytest.mark.timeout(3600)
@on_postgresql
def test_histories_on_postgresql(sites, figures):
    check_many(sites, figures, "postgresql", 1, MANY // 20)


def check_many(sites, figures, kind: str, number: int, examples: int) -> None:
    begun = time.monotonic()
    lived = live(sites, examples, 30, number)
    wall = round(time.monotonic() - begun, 1)
    figures.add("histories", database=kind, seed=str(number), **lived, wall_s=wall)
    print(f"{kind}, seed {number}: {dict(lived)} in {wall} s")
    assert lived["disturbed"] > 0
