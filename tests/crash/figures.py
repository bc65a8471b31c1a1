# SPDX-License-Identifier: Apache-2.0
"""What the long runs did, kept beside the other benchmarks' results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "crash.json"


class Figures:
    """Rows by table, written as they come: a long run that is cut off keeps what it has measured."""

    def add(self, table: str, **row: Any) -> None:
        """Add a row; it replaces the one with the same names of an earlier run."""
        kept = json.loads(FILE.read_text()) if FILE.exists() else {}
        others = [other for other in kept.get(table, ()) if _key(other) != _key(row)]
        kept[table] = [*others, row]
        kept["totals"] = _totals(kept)
        FILE.write_text(json.dumps(kept, indent=1) + "\n")


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in sorted(row) if isinstance(row[name], str))


def _totals(tables: dict[str, Any]) -> dict[str, Any]:
    points = tables.get("points", [])
    acts = {(row["database"], row["act"]) for row in points}
    return {
        f"{database}: {act}": {
            what: round(
                sum(row[what] for row in points if (row["database"], row["act"]) == (database, act)), 1
            )
            for what in ("points", "acted", "broken", "wall_s")
        }
        for database, act in sorted(acts)
    }
