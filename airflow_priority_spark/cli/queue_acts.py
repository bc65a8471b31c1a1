# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark queue pause|drain|resume|set`` and ``pool set|add|remove``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any, Final

from airflow.utils.cli import action_cli, suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.arbiter.queue_actions import POOL_FIELDS, QUEUE_FIELDS
from airflow_priority_spark.cli.acts import acting
from airflow_priority_spark.cli.changes import print_changes
from airflow_priority_spark.cli.messages import WRONG_USAGE, fail, in_one_line

#: Options of ``pool set|add`` → lists of who may use the pool.
_ALLOWED: Final = {
    "allow_team": "teams",
    "allow_bundle": "bundles",
    "allow_dag_id": "dag_ids",
    "allow_tag": "tags",
}


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def pause(args: Namespace) -> None:
    """Admit nothing from a queue any more."""
    _act(args, actions.pause_queue)
    print(f"Queue {args.namespace} is paused: jobs come in, none is admitted.")


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def drain(args: Namespace) -> None:
    """Admit what waits in a queue and hold what is new."""
    _act(args, actions.drain_queue)
    print(f"Queue {args.namespace} drains: what waits is admitted, what is new is held.")


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def resume(args: Namespace) -> None:
    """Open a queue again, and let those in that it held while it drained."""
    _act(args, actions.resume_queue)
    print(f"Queue {args.namespace} is open; jobs that it held while it drained come into line again.")


def _act(args: Namespace, act: Callable[[Session, int, actions.By], None]) -> None:
    with acting(args) as (session, who):
        queue_id = actions.find_queue(session, args.namespace, args.cluster)
        act(session, queue_id, who)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def set_queue(args: Namespace) -> None:
    """Change settings of a queue."""
    values = {key: getattr(args, key) for key in QUEUE_FIELDS if key in args}
    if not values:
        fail("priority-spark: say what to set, e.g. --weight 2", WRONG_USAGE)
    with acting(args) as (session, who):
        queue_id = actions.find_queue(session, args.namespace, args.cluster)
        changes = actions.set_queue(session, queue_id, values, who)
    print_changes(changes, args.output)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def set_pool(args: Namespace) -> None:
    """Change settings of a priority pool."""
    values = _pool_values(args)
    if not values:
        fail("priority-spark: say what to set, e.g. --weight 20", WRONG_USAGE)
    with acting(args) as (session, who):
        queue_id = actions.find_queue(session, args.namespace, args.cluster)
        changes = actions.set_pool(session, queue_id, args.pool, values, who)
    print_changes(changes, args.output)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def add_pool(args: Namespace) -> None:
    """Give a queue one more priority pool."""
    with acting(args) as (session, who):
        queue_id = actions.find_queue(session, args.namespace, args.cluster)
        change = actions.add_pool(session, queue_id, args.pool, _pool_values(args), who)
    print_changes([change], args.output)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def remove_pool(args: Namespace) -> None:
    """Take a priority pool away from a queue."""
    with acting(args) as (session, who):
        queue_id = actions.find_queue(session, args.namespace, args.cluster)
        change = actions.remove_pool(session, queue_id, args.pool, who)
    print_changes([change], args.output)


def _pool_values(args: Namespace) -> dict[str, Any]:
    values = {key: getattr(args, key) for key in POOL_FIELDS if key in args}
    allowed = {name: getattr(args, option) for option, name in _ALLOWED.items() if option in args}
    if allowed or args.allow_anyone:
        values["allowed"] = {} if args.allow_anyone else allowed
    return values
