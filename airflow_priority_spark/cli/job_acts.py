# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark job hold|release|cancel|requeue|legacy|priority|move``."""

from __future__ import annotations

from argparse import Namespace
from typing import Final

from airflow.utils.cli import action_cli, suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.cli.acts import act_on_jobs, acting
from airflow_priority_spark.cli.messages import WRONG_USAGE, fail, in_one_line
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState

_IN_LINE: Final = (JobState.QUEUED,)
_HELD: Final = (JobState.HELD,)
#: What a filter finds to release: those that timed out are requeued, those of a paused DAG come with it.
_RELEASED: Final = (HeldReason.PERSON, HeldReason.DRAINING)
_WAITING: Final = (JobState.QUEUED, JobState.HELD)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def hold(args: Namespace) -> None:
    """Keep jobs aside."""
    act_on_jobs(args, _IN_LINE, "held", actions.hold_job)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def release(args: Namespace) -> None:
    """Let held jobs wait again."""
    act_on_jobs(args, _HELD, "released", actions.release_job, held_reasons=_RELEASED)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def cancel(args: Namespace) -> None:
    """End waiting jobs; their tasks fail."""
    act_on_jobs(args, _WAITING, "cancelled", actions.cancel_job)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def requeue(args: Namespace) -> None:
    """Give jobs that were held by their timeout another try."""
    act_on_jobs(
        args,
        _HELD,
        "requeued",
        lambda session, job_id, by: actions.requeue_job(session, job_id, by, last=args.last),
        held_reasons=(HeldReason.TIMEOUT,),
    )


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def legacy(args: Namespace) -> None:
    """Let waiting jobs go straight to the cluster."""
    act_on_jobs(args, _WAITING, "sent to legacy", actions.send_to_legacy)


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def priority(args: Namespace) -> None:
    """Let waiting jobs wait in another priority pool."""
    act_on_jobs(
        args,
        _WAITING,
        f"moved to {args.to}",
        lambda session, job_id, by: actions.change_pool(session, job_id, args.to, by),
    )


@suppress_logs_and_warning
@action_cli(check_db=False)
@providers_configuration_loaded
@in_one_line
def move(args: Namespace) -> None:
    """Give a queued job another place in its pool."""
    where, other = _place(args)
    with acting(args) as (session, by):
        actions.move_job(session, args.job_id, where, by, other)
    print(f"Job {args.job_id} moved {where}" + (f" {other}." if other else "."))


def _place(args: Namespace) -> tuple[actions.Where, str | None]:
    if sum(map(bool, (args.first, args.last, args.before, args.after))) != 1:
        fail("priority-spark: say where to: one of --first, --last, --before and --after", WRONG_USAGE)
    if args.before:
        return "before", args.before
    if args.after:
        return "after", args.after
    return ("last" if args.last else "first"), None
