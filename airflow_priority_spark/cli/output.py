# SPDX-License-Identifier: Apache-2.0
"""Rows as tables for people and as JSON or YAML for programs, through Airflow's own console.

A row is a dictionary of plain values and says the same in every format. Programs get numbers as
numbers, instants as ISO 8601 and amounts in base units (Airflow's ``print_as`` would make a text of
each); people get instants in Airflow's time zone, and durations and amounts with units. A key that
ends with ``_seconds`` is a duration.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Final

from airflow import settings
from airflow.cli.simple_table import AirflowConsole
from rich.markup import escape

from airflow_priority_spark.scheduling.resources import Resources, format_amount, is_bytes

Row = Mapping[str, Any]

_DURATION: Final = "_seconds"


def print_rows(rows: Sequence[Row], output: str, *, columns: Sequence[str] | None = None) -> None:
    """Print rows; JSON and YAML hold every key, a table only ``columns`` (default: every key).

    :param output: ``table``, ``plain``, ``json`` or ``yaml``.
    """
    console = AirflowConsole()
    if output in ("json", "yaml"):
        print_document([as_data(row) for row in rows], output)
        return
    shown = [{_title(key): _as_text(key, row[key]) for key in columns or row} for row in rows]
    if output == "plain":
        console.print_as_plain_table(shown)
    else:
        # A cell may hold square brackets, which the table would read as markup.
        console.print_as_table([{key: escape(cell) for key, cell in row.items()} for row in shown])


def print_document(document: Any, output: str) -> None:
    """Print plain data as one JSON or YAML document."""
    console = AirflowConsole()
    if output == "json":
        console.print_as_json(document)
    else:
        console.print_as_yaml(document)


def print_properties(row: Row, output: str) -> None:
    """Print one row as a table of two columns."""
    print_rows([{"property": _title(key), "value": _as_text(key, row[key])} for key in row], output)


def as_data(value: Any) -> Any:
    """Return a value as JSON knows it."""
    match value:
        case datetime.datetime():
            return value.astimezone(datetime.UTC).isoformat()
        case Mapping():
            return {str(key): as_data(item) for key, item in value.items()}
        case list() | tuple():
            return [as_data(item) for item in value]
        case float():
            return round(value, 3)
        case bool() | int() | None:
            return value
        case _:
            return str(value)


def _title(key: str) -> str:
    return key.removesuffix(_DURATION)


def _as_text(key: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime.datetime():
            return value.astimezone(settings.TIMEZONE).strftime("%Y-%m-%d %H:%M:%S")
        case Resources():
            return ", ".join(_amount(name, amount) for name, amount in value.items())
        case bool():
            return "yes" if value else "no"
        case int() | float() if key.endswith(_DURATION):
            return _duration(value)
        case _:
            return str(value)


def _amount(resource: str, amount: int) -> str:
    text = format_amount(resource, amount)
    # Memory and disk have the same unit.
    return f"{resource} {text}" if is_bytes(resource) else text


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"
