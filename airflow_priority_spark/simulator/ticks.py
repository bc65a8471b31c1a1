# SPDX-License-Identifier: Apache-2.0
"""Simulated time: integers of one microsecond, so that ten times 0.1 s is one second.

``decide`` knows no unit of time: it subtracts instants and compares the difference with a duration of
its rules. The simulator therefore gives it instants *and* durations in ticks, and every comparison is
exact; with seconds as floats a head that was blocked at 3.1 s would not yet be blocked for one second
at 4.1 s.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from fractions import Fraction
from typing import Final

from airflow_priority_spark.errors import InvalidInput
from airflow_priority_spark.scheduling.model import HeadRules

TICKS_PER_SECOND: Final = 1_000_000
#: What people write in a duration → its seconds.
UNITS: Final = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "": Fraction(1),
}

_DURATION: Final = re.compile(r"^(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|)$", re.ASCII)
_ALLOWED: Final = "seconds as a number, or a number with ms, s, m or h such as 200ms or 1.5h"


def parse_duration(text: str | int | float, field: str = "duration") -> int:
    """Return a duration in ticks.

    :param text: seconds, or a number with ``ms``, ``s``, ``m`` or ``h``.
    :param field: where it was found, for the error.
    :raises InvalidInput: when it is none, is negative, or is no whole number of microseconds.
    """
    match = None if isinstance(text, bool) else _DURATION.match(str(text).strip())
    if match is None:
        raise InvalidInput(field, text, _ALLOWED)
    ticks = Fraction(match["number"]) * UNITS[match["unit"]] * TICKS_PER_SECOND
    if ticks.denominator != 1:
        raise InvalidInput(field, text, "whole microseconds")
    return ticks.numerator


def ticks(duration: float | datetime.timedelta) -> int:
    """Return a duration in ticks: seconds, rounded to the nearest, or a difference of instants, exactly."""
    if isinstance(duration, datetime.timedelta):
        return duration // datetime.timedelta(microseconds=1)
    return round(duration * TICKS_PER_SECOND)


def in_ticks(rules: HeadRules) -> HeadRules:
    """Return rules given in seconds with their durations in ticks."""
    return replace(
        rules,
        timeout_seconds=ticks(rules.timeout_seconds),
        protection_seconds=ticks(rules.protection_seconds),
    )


def seconds(ticks: int) -> float:
    """Return ticks as seconds, for people and JSON."""
    return ticks / TICKS_PER_SECOND
