# SPDX-License-Identifier: Apache-2.0
"""Durations as annotations and options write them: ``500ms``, ``30s``, ``2m``, ``1h``."""

from __future__ import annotations

import re

ALLOWED = "a number and a unit of ms, s, m or h, e.g. 500ms, 30s, 2m"
_SYNTAX = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Read a duration; raises ``ValueError`` saying what is allowed."""
    match = _SYNTAX.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not valid; allowed: {ALLOWED}")
    return float(match[1]) * _SECONDS[match[2]]
