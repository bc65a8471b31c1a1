# SPDX-License-Identifier: Apache-2.0
"""What every command that changes something has in common: who and why, and which jobs are meant."""

from __future__ import annotations

import datetime
import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from airflow import settings as airflow_settings
from airflow.utils.platform import getuser
from sqlalchemy.orm import Session

from airflow_priority_spark import settings
from airflow_priority_spark.arbiter.actions import By, on_each, tell_all
from airflow_priority_spark.cli.messages import CONFLICT, WRONG_USAGE, fail
from airflow_priority_spark.cli.output import print_rows
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.errors import NotFound
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.store import reads
from airflow_priority_spark.store.jobs import jobs_by_id, task_key
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.selection import JobFilter, all_selected

#: So long after it has deferred Airflow can take a task at the latest; see ``settle_seconds``.
TELL_SECONDS: Final = 120.0

FILTERS: Final = ("namespace", "cluster", "pool", "dag_id", "user", "team", "blocking_resource")


def now() -> datetime.datetime:
    """Return the current UTC time."""
    return datetime.datetime.now(datetime.UTC)


def by(args: Namespace) -> By:
    """Return who types this command, and why."""
    return By(f"cli {getuser()}", now(), args.reason or "", settings.load())


@contextmanager
def acting(args: Namespace) -> Iterator[tuple[Session, By]]:
    """Give a session in a transaction that commits at the end, on tables that are there."""
    with reading():
        pass
    with airflow_settings.NonScopedSession() as session, session.begin():
        yield session, by(args)


def confirm(args: Namespace, sentence: str) -> None:
    """Ask before something happens to many; ``--yes`` answers."""
    if not args.yes and input(f"{sentence} Go on? (y/N) ").strip().lower() not in ("y", "yes"):
        raise SystemExit("Nothing was changed.")


def selected(
    args: Namespace, states: Sequence[JobState], held_reasons: Collection[HeldReason] | None = None
) -> JobFilter:
    """Return which jobs are meant: by id, by filter, or by both.

    :param states: in which the act makes sense; jobs that are named by id are refused in others, jobs that
        a filter found are left out.
    :param held_reasons: likewise for held jobs; ``None``: any.
    """
    found = filters(args)
    if not args.job_id and not found:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in FILTERS)
        fail(f"priority-spark: say which jobs: by their ids, or by {options}", WRONG_USAGE)
    if args.job_id:
        return JobFilter(ids=args.job_id, **found)
    return JobFilter(states=states, held_reasons=held_reasons, **found)


def filters(args: Namespace) -> dict[str, Any]:
    """Return the filters for jobs that were typed."""
    return {name: getattr(args, name) for name in FILTERS if getattr(args, name)}


def act_on_jobs(
    args: Namespace,
    states: Sequence[JobState],
    done: str,
    act: Callable[[Session, str, By], object],
    *,
    held_reasons: Collection[HeldReason] | None = None,
) -> None:
    """Do something to the jobs that are meant, say what became of each, and fail if one was refused.

    :param done: what was done, in one word: ``held``.
    """
    wanted = selected(args, states, held_reasons)
    with reading() as session:
        found = all_selected(session, wanted)
        _check_known(session, args.job_id)
    if args.dry_run or not found:
        print_rows([_row(job, f"would be {done}") for job in found], args.output)
        return
    if not args.job_id:
        confirm(args, f"{_jobs(len(found))} would be {done}.")
    who = by(args)
    result = on_each(
        airflow_settings.NonScopedSession, wanted, lambda session, job_id: act(session, job_id, who)
    )
    tell_waiting(result.changed, who)
    outcome = dict.fromkeys(result.changed, done) | dict(result.refused)
    print_rows([_row(job, outcome[job.id]) for job in found if job.id in outcome], args.output)
    if result.refused:
        fail(f"priority-spark: {_jobs(len(result.refused))} refused: {result.refused[0][1]}", CONFLICT)


def tell_waiting(job_ids: Sequence[str], who: By) -> None:
    """Where no arbiter would do it, stay until the tasks of these jobs were told what became of them."""
    with reading() as session:
        if reads.arbiter_status(session, now()).alive:
            return
    left = tell_all(airflow_settings.NonScopedSession, job_ids, who, clock=now, seconds=TELL_SECONDS)
    if left:
        print(
            f"Airflow could not take the tasks of {_jobs(len(left))} yet; "
            "an arbiter tells them when one runs.",
            file=sys.stderr,
        )


def _check_known(session: Session, job_ids: Sequence[str]) -> None:
    unknown = sorted(set(job_ids) - set(jobs_by_id(session, job_ids)))
    if unknown:
        raise NotFound(
            f"no job has the id {unknown[0]!r}; `airflow priority-spark job list --state all` shows them"
        )


def _row(job: Job, result: str) -> dict[str, Any]:
    return {"id": job.id, "task": task_key(job).readable(), "pool": job.pool, "result": result}


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
