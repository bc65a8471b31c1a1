# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark arbiter`` and ``check``."""

from __future__ import annotations

from argparse import Namespace

from airflow.cli.commands import jobs_command
from airflow.utils.cli import action_cli
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark.arbiter.process import JOB_TYPE, run
from airflow_priority_spark.cli.messages import in_one_line


# The arbiter checks its tables itself; Airflow's own check would offer to migrate.
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def run_arbiter(_args: Namespace) -> None:
    """Run an arbiter until SIGTERM or SIGINT."""
    run()


def check_arbiter(args: Namespace) -> None:
    """Tell by exit code whether an arbiter is alive.

    ``airflow jobs check`` does the same, but its ``--job-type`` knows only Airflow's own types.
    """
    jobs_command.check(
        Namespace(job_type=JOB_TYPE, hostname=None, local=args.local, allow_multiple=True, limit=0)
    )
