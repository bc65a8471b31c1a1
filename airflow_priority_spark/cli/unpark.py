# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark unpark``: the way out, with or without an arbiter."""

from __future__ import annotations

from argparse import Namespace
from typing import Literal

from airflow import settings
from airflow.utils.cli import action_cli
from airflow.utils.platform import getuser
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark.arbiter.unpark import unpark as give_back
from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.reading import reading

_WHAT_HAPPENS = {
    "legacy": "sent straight to the cluster, without asking whether it has room",
    "fail": "failed",
}


@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def unpark(args: Namespace) -> None:
    """Give every waiting task back to Airflow, after a question."""
    action: Literal["legacy", "fail"] = "fail" if args.fail else "legacy"
    with reading():
        waiting = _give_back(action, dry_run=True)
    if not waiting:
        print("No task waits.")
        return
    sentence = f"{_tasks(waiting)} would be {_WHAT_HAPPENS[action]}."
    if args.dry_run:
        print(sentence)
        return
    if not args.yes and input(f"{sentence} Go on? (y/N) ").strip().lower() not in ("y", "yes"):
        raise SystemExit("Nothing was changed.")
    print(f"{_tasks(_give_back(action, dry_run=False))} given back to Airflow.")


def _give_back(action: Literal["legacy", "fail"], *, dry_run: bool) -> int:
    return give_back(settings.NonScopedSession, action=action, actor=f"cli {getuser()}", dry_run=dry_run)


def _tasks(count: int) -> str:
    return "1 waiting task" if count == 1 else f"{count} waiting tasks"
