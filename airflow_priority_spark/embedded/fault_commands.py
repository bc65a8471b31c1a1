# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark cluster fault add|list|clear|kinds``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from airflow_priority_spark.embedded.fault_handle import FaultRefused, Faults
from airflow_priority_spark.embedded.faults import KINDS, REQUIRED, parse_options
from airflow_priority_spark.embedded.process import EmbeddedCluster
from airflow_priority_spark.errors import InvalidInput

Row = dict[str, Any]


def add(args: argparse.Namespace) -> None:
    """Make a fault active and print its id."""
    try:
        print(_faults(args).add(args.kind, **parse_options(args.option)))
    except (FaultRefused, InvalidInput) as error:
        raise SystemExit(str(error)) from error


def clear(args: argparse.Namespace) -> None:
    """End the named faults, or all."""
    faults = _faults(args)
    try:
        for ended in [each for name in args.fault or [None] for each in faults.clear(name)]:
            print(f"Cleared {ended}.")
    except FaultRefused as error:
        raise SystemExit(str(error)) from error


def show(args: argparse.Namespace) -> None:
    """Print the active faults."""
    _print(_faults(args).list(), args.output)


def kinds(args: argparse.Namespace) -> None:
    """Print which faults there are and what each can be told."""
    rows = [
        {
            "kind": name,
            "effect": kind.effect,
            "options": {
                key: "(required)" if value == REQUIRED else value for key, value in kind.options.items()
            },
            "narrowed_by": list(kind.narrowed_by),
        }
        for name, kind in KINDS.items()
    ]
    _print(rows, args.output)


def _faults(args: argparse.Namespace) -> Faults:
    directory = Path(args.directory).expanduser().resolve()
    cluster = EmbeddedCluster.find(directory)
    if cluster is None:
        raise SystemExit(
            f"No embedded cluster runs in {directory}; `airflow priority-spark cluster start` starts one."
        )
    return cluster.faults


def _print(rows: list[Row], output: str) -> None:
    if output == "json":
        print(json.dumps(rows, indent=2))
    elif output == "yaml":
        print(yaml.safe_dump(rows, sort_keys=False), end="")
    elif output != "table":
        raise SystemExit(str(InvalidInput("--output", output, "table, json, yaml")))
    elif not rows:
        print("No fault is active.")
    else:
        _print_table(rows)


def _print_table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
