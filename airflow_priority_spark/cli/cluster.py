# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark cluster …``: the embedded cluster, which needs the extra ``demo``."""

from __future__ import annotations

from argparse import Namespace
from types import ModuleType

from airflow_priority_spark.cli.messages import in_one_line


def _commands() -> ModuleType:
    try:
        from airflow_priority_spark.embedded import commands
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("airflow_priority_spark"):
            raise
        raise SystemExit(
            f"The embedded cluster needs {error.name}: pip install 'airflow-provider-priority-spark[demo]'"
        ) from None
    return commands


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
