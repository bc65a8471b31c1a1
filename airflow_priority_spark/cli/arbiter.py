# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark arbiter``."""

from __future__ import annotations

from argparse import Namespace

from airflow.utils.cli import action_cli
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark.arbiter.process import run
from airflow_priority_spark.cli.messages import in_one_line


# The arbiter checks its tables itself; Airflow's own check would offer to migrate.
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def run_arbiter(_args: Namespace) -> None:
    """Run an arbiter until SIGTERM or SIGINT."""
    run()
