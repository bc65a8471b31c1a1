# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark pools sync``."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from airflow import settings as airflow_settings
from airflow.utils.cli import action_cli, suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark.arbiter.acting import audit
from airflow_priority_spark.cli.acts import by
from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import print_rows
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.store.airflow_pools import sync_airflow_pools

#: Slots of a queue that has no limit of its own, when no arbiter runs.
DEFAULT_SLOTS: Final = 16


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def sync(args: Namespace) -> None:
    """Make the Airflow pools of all priority pools, and show what that changes."""
    with reading():
        pass
    who = by(args)
    with airflow_settings.NonScopedSession() as session, session.begin() as transaction:
        changed = sync_airflow_pools(
            session, arbiter=who.settings.arbiter != "off", slots=args.slots or DEFAULT_SLOTS
        )
        for pool in changed:
            audit(session, who, "sync", "pool", pool.name, before=pool.before, after=pool.slots)
        if args.dry_run:
            transaction.rollback()
    rows = [{"airflow_pool": pool.name, "before": pool.before, "slots": pool.slots} for pool in changed]
    if rows or args.output in ("json", "yaml"):
        print_rows(rows, args.output)
    else:
        print("Nothing changes.")
