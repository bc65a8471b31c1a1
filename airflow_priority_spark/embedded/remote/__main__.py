# SPDX-License-Identifier: Apache-2.0
"""The controllers' own process, without Airflow: ``python -m airflow_priority_spark.embedded.remote``."""

from __future__ import annotations

import argparse

from airflow_priority_spark.embedded import commands
from airflow_priority_spark.embedded.command_arguments import CONTROLLERS_ARGUMENTS


def main() -> None:
    """Run the controllers that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m airflow_priority_spark.embedded.remote")
    for flags, keywords in CONTROLLERS_ARGUMENTS:
        parser.add_argument(*flags, **keywords)
    commands.controllers(parser.parse_args())


if __name__ == "__main__":
    main()
