# SPDX-License-Identifier: Apache-2.0
"""The command group as Airflow finds it."""

import importlib
import inspect
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
    names = [name for name, _ in commands(group)]
    assert names == [
        *("arbiter", "check", "exporter", "status", "capacity", "doctor", "unpark", "demand", "migrate-dags"),
        "simulate",
        *("apply", "export", "report"),
        *(f"queue {name}" for name in ("list", "show", "pause", "drain", "resume", "set")),
        *(f"pool {name}" for name in ("set", "add", "remove")),
        "pools sync",
        *("job list", "job show", "job explain", "job events"),
        *(f"job {name}" for name in ("hold", "release", "requeue", "cancel", "legacy", "priority", "move")),
        *(f"flow {name}" for name in ("list", "set", "unset", "migrate")),
        *(f"cluster {name}" for name in ("start", "stop", "status", "controllers")),
        *(f"cluster fault {name}" for name in ("add", "list", "clear", "kinds")),
    ]


@pytest.mark.parametrize(
    "command", [command for _, command in commands(get_cli_commands()[0])], ids=lambda command: command.name
)
def test_the_code_behind_a_command_can_be_imported(command):
    module, function = inspect.getclosurevars(command.func).nonlocals["import_path"].rsplit(".", 1)
    assert callable(getattr(importlib.import_module(module), function))


def test_every_command_has_a_help_line_and_every_option_too():
    [group] = get_cli_commands()
    for _, command in commands(group):
        assert command.help
        assert all(option.kwargs.get("help") for option in command.args)


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
