# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark cluster …``: the embedded cluster, which needs the extra ``demo``."""

from __future__ import annotations

from argparse import Namespace
from importlib import import_module
from types import ModuleType

from airflow_priority_spark.cli.messages import in_one_line


def _commands(name: str = "commands") -> ModuleType:
    try:
        return import_module(f"airflow_priority_spark.embedded.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("airflow_priority_spark"):
            raise
        raise SystemExit(
            f"The embedded cluster needs {error.name}: pip install 'airflow-provider-priority-spark[demo]'"
        ) from None


@in_one_line
def start(args: Namespace) -> None:
    """Start an embedded cluster."""
    _commands().start(args)


@in_one_line
def stop(args: Namespace) -> None:
    """Stop an embedded cluster."""
    _commands().stop(args)


@in_one_line
def status(args: Namespace) -> None:
    """Show what an embedded cluster holds."""
    _commands().status(args)


@in_one_line
def controllers(args: Namespace) -> None:
    """Run the Spark and pod controllers against another API server."""
    _commands().controllers(args)


@in_one_line
def fault_add(args: Namespace) -> None:
    """Cause a fault in an embedded cluster."""
    _commands("fault_commands").add(args)


@in_one_line
def fault_list(args: Namespace) -> None:
    """Show the faults of an embedded cluster."""
    _commands("fault_commands").show(args)


@in_one_line
def fault_clear(args: Namespace) -> None:
    """End faults of an embedded cluster."""
    _commands("fault_commands").clear(args)


@in_one_line
def fault_kinds(args: Namespace) -> None:
    """Show which faults there are."""
    _commands("fault_commands").kinds(args)
