# SPDX-License-Identifier: Apache-2.0
"""How long ago something was, as ``kubectl`` writes it.

Source: apimachinery ``pkg/util/duration``.
"""

from __future__ import annotations

from airflow_priority_spark.embedded.objects import seconds_until


def age(text: str | None) -> str:
    """Return the time since a moment as ``kubectl`` writes it (``duration.HumanDuration``)."""
    if not text:
        return "<unknown>"
    seconds = int(max(-seconds_until(text), 0))
    for limit, unit, letter, part in _AGES:
        if seconds < limit:
            rest = seconds % unit // part[0] if part else 0
            return f"{seconds // unit}{letter}" + (f"{rest}{part[1]}" if part and rest else "")
    return f"{seconds // _YEAR}y"


_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
# Below so many seconds: which unit is shown, and which smaller one beside it.
_AGES: tuple[tuple[int, int, str, tuple[int, str] | None], ...] = (
    (2 * _MINUTE, 1, "s", None),
    (10 * _MINUTE, _MINUTE, "m", (1, "s")),
    (3 * _HOUR, _MINUTE, "m", None),
    (8 * _HOUR, _HOUR, "h", (_MINUTE, "m")),
    (2 * _DAY, _HOUR, "h", None),
    (8 * _DAY, _DAY, "d", (_HOUR, "h")),
    (2 * _YEAR, _DAY, "d", None),
    (8 * _YEAR, _YEAR, "y", (_DAY, "d")),
)
