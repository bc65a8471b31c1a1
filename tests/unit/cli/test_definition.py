# SPDX-License-Identifier: Apache-2.0
"""The command group as Airflow finds it."""

import importlib
import subprocess
import sys

import pytest
from airflow.cli.cli_config import ActionCommand, GroupCommand

from airflow_priority_spark.cli.definition import get_cli_commands


def commands(group: GroupCommand, path: str = "") -> list[tuple[str, ActionCommand]]:
    found = []
    for command in group.subcommands:
        name = f"{path} {command.name}".strip()
        found += commands(command, name) if isinstance(command, GroupCommand) else [(name, command)]
    return found


def test_airflow_knows_the_group_through_the_provider_info():
    from airflow.cli.cli_parser import ALL_COMMANDS_DICT

    assert ALL_COMMANDS_DICT["priority-spark"].help == "Queue Spark jobs by priority and capacity"


def test_every_command_is_there():
    [group] = get_cli_commands()
    assert [name for name, _ in commands(group)] == [
        "arbiter",
        "check",
        "status",
        "unpark",
        "demand",
        "migrate-dags",
        "queue list",
        "job list",
        "job show",
        "cluster start",
        "cluster stop",
        "cluster status",
        "cluster controllers",
        "cluster fault add",
        "cluster fault list",
        "cluster fault clear",
        "cluster fault kinds",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "arbiter.run_arbiter",
        "arbiter.check_arbiter",
        "status.show_status",
        "unpark.unpark",
        "demand.show_demand",
        "migrate_dags.migrate_dags",
        "queues.list_queues",
        "jobs.list_jobs",
        "jobs.show_job",
        "cluster.start",
        "cluster.stop",
        "cluster.status",
    ],
)
def test_the_code_behind_a_command_can_be_imported(path):
    module, function = path.split(".")
    assert callable(getattr(importlib.import_module(f"airflow_priority_spark.cli.{module}"), function))


def test_without_the_extra_the_embedded_cluster_says_what_to_install():
    code = """
import sys
sys.modules["aiohttp"] = None  # as if it were not installed
from airflow_priority_spark.cli import cluster
cluster.status(None)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1] == (
        "The embedded cluster needs aiohttp: pip install 'airflow-provider-priority-spark[demo]'"
    )
