# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.simulator.ticks import parse_duration, seconds


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        (3, 3_000_000),
        (0.1, 100_000),
        ("0", 0),
        ("250", 250_000_000),
        ("200ms", 200_000),
        ("1.5s", 1_500_000),
        ("2m", 120_000_000),
        ("0.5 h", 1_800_000_000),
        ("0.001ms", 1),
    ],
)
def test_durations_are_seconds_or_have_a_unit(text, microseconds):
    assert parse_duration(text) == microseconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "5d", "1e3", True, "5 seconds", None])
def test_what_is_no_duration_is_refused_with_what_is(text):
    with pytest.raises(InvalidInput) as caught:
        parse_duration(text, "every")
    assert str(caught.value) == (
        f"every: {text!r} is not valid; allowed: seconds as a number, or a number with ms, s, m or h such as "
        "200ms or 1.5h"
    )


def test_a_part_of_a_microsecond_is_refused():
    with pytest.raises(InvalidInput, match=r"'0\.0001ms' is not valid; allowed: whole microseconds"):
        parse_duration("0.0001ms")


def test_ticks_are_said_in_seconds():
    assert seconds(parse_duration("85.5s")) == 85.5
