# SPDX-License-Identifier: Apache-2.0
"""What a benchmark hands over: figures, what bounds them, and whether they reach what they should.

A figure without its bound says how fast one machine was; with it, it says what to work on next.
"""

from __future__ import annotations

import cProfile
import json
import os
import platform
import pstats
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Target:
    """A figure that should be reached; ``at_most`` tells in which direction."""

    what: str
    value: float | None
    wanted: float
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether it was; ``None`` where it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted


@dataclass
class Figures:
    """The outcome of one benchmark.

    :param name: of the table and of the file.
    :param settings: what was chosen, and could be chosen otherwise.
    :param bounds: what bounds the figures, a line for each.
    """

    name: str
    question: str
    settings: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    bounds: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def show(self, console: Console) -> None:
        """Print the table, the bounds and the targets."""
        table = Table(title=f"{self.name}: {self.question}", title_justify="left", caption_justify="left")
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        for column in columns:
            table.add_column(column.replace("_", " "), justify="left" if column == "case" else "right")
        for row in self.rows:
            table.add_row(*(_text(row.get(column)) for column in columns))
        console.print(table)
        for line in self.bounds:
            console.print(f"  bound: {line}", markup=False, highlight=False)
        for target in self.targets:
            sign = "≤" if target.at_most else "≥"
            said = {True: "reached", False: "MISSED", None: "not measured"}[target.reached]
            console.print(
                f"  {said}: {target.what} {_text(target.value)} (wanted {sign} {_text(target.wanted)})"
            )
        console.print()

    def save(self) -> Path:
        """Write the JSON; return where."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        data = {**asdict(self), "machine": machine()}
        for given, target in zip(data["targets"], self.targets, strict=True):
            given["reached"] = target.reached
        path.write_text(json.dumps(data, indent=2) + "\n")
        return path


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:,.3f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def bounded_by(call: Callable[[], object], top: int = 5) -> list[str]:
    """Run something under cProfile and return where its own time goes: share, function, calls."""
    profile = cProfile.Profile()
    profile.runcall(call)
    return top_of(profile, top)


def top_of(profile: cProfile.Profile, top: int = 5) -> list[str]:
    """Return the functions that cost most of their own time."""
    stats = pstats.Stats(profile)
    total = sum(entry[2] for entry in stats.stats.values()) or 1.0  # type: ignore[attr-defined]
    ranked = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:top]  # type: ignore[attr-defined]
    return [
        f"{own / total:.0%} {_place(file, line)}{name} ({calls:,} calls)"
        for (file, line, name), (_, calls, own, *_) in ranked
    ]


def _place(file: str, line: int) -> str:
    return "" if file == "~" else f"{Path(file).stem}.py:{line} "


def percentile(values: Sequence[float], part: int) -> float:
    """Return the smallest value that so many percent do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * part // 100) - 1]
