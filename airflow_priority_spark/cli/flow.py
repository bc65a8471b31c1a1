# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark flow list|set|unset|migrate``: jobs between legacy, observe and priority."""

from __future__ import annotations

from argparse import Namespace

from airflow import settings as airflow_settings
from airflow.utils.cli import action_cli, suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.cli.acts import acting, by, confirm, tell_waiting
from airflow_priority_spark.cli.messages import WRONG_USAGE, fail, in_one_line
from airflow_priority_spark.cli.output import as_data, print_document, print_rows
from airflow_priority_spark.cli.reading import reading

_WHAT_HAPPENS = {
    "legacy": "sent straight to the cluster, without asking whether it has room",
    "observe": "admitted at once, with a note of what would have made each wait",
    "priority": "left to wait for their turn and for room",
}


@suppress_logs_and_warning
@providers_configuration_loaded
@in_one_line
def list_flows(args: Namespace) -> None:
    """Print which flows are set, the most specific first."""
    with reading() as session:
        rows = [
            {
                "scope": row.scope,
                "value": row.value,
                "flow": row.flow,
                "since": row.updated_at,
                "by": row.updated_by,
            }
            for row in actions.overrides(session)
        ]
    print_rows(rows, args.output)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def set_flow(args: Namespace) -> None:
    """Set the flow of tasks to come."""
    scope = _scope(args)
    if args.dry_run:
        with reading():
            pass
        print(f"Tasks to come of {scope} would take the flow {args.to}.")
        return
    with acting(args) as (session, who):
        changed = actions.set_flow(session, scope, args.to, who)
    already = "" if changed else " already"
    print(f"Tasks to come of {scope} take the flow {args.to}{already}; jobs that wait stay as they are.")


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def unset_flow(args: Namespace) -> None:
    """Take back what ``flow set`` has set."""
    scope = _scope(args)
    with acting(args) as (session, who):
        actions.unset_flow(session, scope, who)
    print(f"No flow is set for {scope} any more.")


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def migrate(args: Namespace) -> None:
    """Set the flow of tasks to come, and move those that wait."""
    scope = _scope(args)
    with reading():
        pass
    who = by(args)
    sessions = airflow_settings.NonScopedSession
    plan = actions.migrate_flow(sessions, scope, args.to, who, dry_run=True)
    if args.dry_run:
        _tell(args, scope, plan, "would be")
        return
    if plan.moved:
        confirm(args, f"{_jobs(len(plan.moved))} of {scope} would be {_WHAT_HAPPENS[args.to]}.")
    done = actions.migrate_flow(sessions, scope, args.to, who)
    if args.to == "legacy":
        tell_waiting(done.moved, who)
    _tell(args, scope, done, "were")


def _tell(args: Namespace, scope: actions.Scope, result: actions.Migrated, were: str) -> None:
    if args.output in ("json", "yaml"):
        stayed = [{"id": job_id, "reason": reason} for job_id, reason in result.stayed]
        document = {"scope": scope.kind, "value": scope.value, "to": args.to, "override": result.override}
        print_document(as_data({**document, "moved": result.moved, "stayed": stayed}), args.output)
        return
    one = were == "were" and len(result.moved) == 1
    print(f"{_jobs(len(result.moved))} of {scope} {'was' if one else were} {_WHAT_HAPPENS[args.to]}.")
    print(f"Tasks to come {'would ' if were == 'would be' else ''}take the flow {args.to}.")
    for _, reason in result.stayed:
        print(reason)


def _scope(args: Namespace) -> actions.Scope:
    scopes = (
        actions.Scope("dag_id", args.dag_id or ""),
        actions.Scope("team", args.team or ""),
        actions.Scope("namespace", args.namespace or ""),
    )
    named = [scope for scope in scopes if scope.value]
    if len(named) > 1:
        message = "give one of --dag-id, --team and --namespace, or none of them for the whole site"
        fail(f"priority-spark: {message}", WRONG_USAGE)
    return named[0] if named else actions.Scope("site")


def _jobs(count: int) -> str:
    return "1 waiting job" if count == 1 else f"{count} waiting jobs"
