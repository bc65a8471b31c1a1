# SPDX-License-Identifier: Apache-2.0
"""What an act changed, or would change, as a coloured diff for people and as data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from airflow.cli.simple_table import AirflowConsole
from rich.text import Text

from airflow_priority_spark.arbiter.actions import Change
from airflow_priority_spark.cli.output import print_document


def print_changes(changes: Sequence[Change], output: str) -> None:
    """Print changes: a line each for people, a list for ``json`` and ``yaml``."""
    if output in ("json", "yaml"):
        rows = [
            {"where": change.where, "key": change.key, "before": change.before, "after": change.after}
            for change in changes
        ]
        print_document(rows, output)
        return
    console = AirflowConsole()
    if not changes:
        console.print("Nothing changes.")
    for change in changes:
        for line in _lines(change):
            console.print(line, soft_wrap=True)


def _lines(change: Change) -> list[Text]:
    name = f"{change.where}: {change.key}" if change.key else change.where
    if change.before is None:
        return [Text(f"+ {name}: {_value(change.after)}", style="green")]
    if change.after is None:
        return [Text(f"- {name}: {_value(change.before)}", style="red")]
    return [Text(f"~ {name}: {_value(change.before)} -> {_value(change.after)}", style="yellow")]


def _value(value: Any) -> str:
    """Write plain data as one line of YAML, as it would stand in the file."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1_000_000)
    return text.removesuffix("\n").removesuffix("\n...")
