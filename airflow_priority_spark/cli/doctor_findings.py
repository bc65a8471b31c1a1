# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds: one sentence about what is, and one about how to mend it.

A *problem* stops jobs, loses a function, or will do so at the next failure; a *warning* is something that is
right for some sites only. A check that cannot be made is a problem of what stood in its way, never silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Result = Literal["ok", "warning", "problem"]

PROBLEM: Final = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    :param check: what kind of thing was looked at, e.g. ``permission``.
    :param subject: which one, e.g. ``list pods``.
    :param found: what is.
    :param mend: how to mend it; empty when there is nothing to mend.
    """

    check: str
    subject: str
    result: Result
    found: str
    mend: str = ""


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 1 when there is a problem, else 0: warnings do not fail a pipeline."""
    return PROBLEM if any(finding.result == "problem" for finding in findings) else 0


def clock(subject: str, seconds: float, *, warn_at: float, problem_at: float, mend: str) -> Finding:
    """Judge how far another clock is from this machine's.

    :param seconds: theirs minus ours.
    """
    away = abs(seconds)
    if away <= warn_at:
        return Finding("clock", subject, "ok", f"within {warn_at:g} s of this machine's")
    found = f"{away:.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
    return Finding("clock", subject, "problem" if away > problem_at else "warning", found, mend)
