# SPDX-License-Identifier: Apache-2.0
"""What the long runs did, kept beside the other benchmarks' results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "crash.json"


class Figures:
    """Rows by table; a row with the same names replaces the one of an earlier run."""

    def __init__(self) -> None:
        self._tables: dict[str, list[dict[str, Any]]] = {}

    def add(self, table: str, **row: Any) -> None:
        self._tables.setdefault(table, []).append(row)

    def save(self) -> None:
        """Write what this run added; what it did not measure stays as it was."""
        if not self._tables:
            return
        kept = json.loads(FILE.read_text()) if FILE.exists() else {}
        for table, rows in self._tables.items():
            new = {_key(row): row for row in rows}
            kept[table] = [row for row in kept.get(table, ()) if _key(row) not in new] + rows
        kept["totals"] = _totals(kept)
        FILE.write_text(json.dumps(kept, indent=1) + "\n")


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in sorted(row) if isinstance(row[name], str))


def _totals(tables: dict[str, Any]) -> dict[str, Any]:
    points = tables.get("points", [])
    acts = {(row["database"], row["act"]) for row in points}
    return {
        f"{database}: {act}": {
            what: round(sum(row[what] for row in points if (row["database"], row["act"]) == (database, act)), 1)
            for what in ("acted", "broken", "wall_s")
        }
        for database, act in sorted(acts)
    }
