# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark job …``."""

from __future__ import annotations

import datetime
import sys
from argparse import Namespace
from typing import Any, Final

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark import settings
from airflow_priority_spark.cli.acts import filters
from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import as_data, print_document, print_properties, print_rows
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.cli.watching import watched
from airflow_priority_spark.errors import NotFound
from airflow_priority_spark.scheduling.jobs import ACTIVE, WAITING, JobState, is_terminal
from airflow_priority_spark.spark.request import demand_to_json
from airflow_priority_spark.store import reads

#: What a person reads in a list; JSON and YAML hold everything.
COLUMNS: Final = ("id", "task", "namespace", "pool", "state", "position", "wait_seconds", "says")


@suppress_logs_and_warning
@providers_configuration_loaded
@watched
@in_one_line
def list_jobs(args: Namespace) -> None:
    """Print jobs in order of enqueueing; of ended ones the newest."""
    states = _states(args.state or ())
    wanted = reads.JobFilter(states, **filters(args))
    ended = any(map(is_terminal, states))
    with reading() as session:
        people = reads.limits_now(session, settings.load())
        page = reads.list_jobs(session, _now(), wanted, limit=args.limit, newest_first=ended, people=people)
    jobs = page.jobs[::-1] if ended else page.jobs
    print_rows([_row(job) for job in jobs], args.output, columns=COLUMNS)
    if page.next is not None:
        print(f"There are more than these {len(jobs)} jobs; see --limit and the filters.", file=sys.stderr)


@suppress_logs_and_warning
@providers_configuration_loaded
@watched
@in_one_line
def show_job(args: Namespace) -> None:
    """Print one job, what it asked for and its history."""
    with reading() as session:
        people = reads.limits_now(session, settings.load())
        job = reads.get_job(session, args.job_id, _now(), people=people)
    if job is None:
        raise NotFound(
            f"no job has the id {args.job_id!r}; `airflow priority-spark job list --state all` shows them"
        )
    row, events = _row(job.summary), [_event(event) for event in job.events]
    if args.output in ("json", "yaml"):
        demand = demand_to_json(job.demand)
        document = {**row, "task_instance_id": job.ti_id, "pods": demand, "grant": _grant(job.grant)}
        print_document(as_data({**document, "events": events}), args.output)
        return
    print_properties(row, args.output)
    print_rows(events, args.output)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _states(names: list[str] | tuple[()]) -> frozenset[JobState]:
    if not names:
        return WAITING | ACTIVE
    return frozenset(JobState) if "all" in names else frozenset(map(JobState, names))


def _row(job: reads.JobSummary) -> dict[str, Any]:
    return {
        "id": job.id,
        "task": job.task.readable(),
        "dag_id": job.task.dag_id,
        "run_id": job.task.run_id,
        "task_id": job.task.task_id,
        "map_index": job.task.map_index,
        "try_number": job.try_number,
        "cluster": job.cluster,
        "namespace": job.namespace,
        "pool": job.pool,
        "state": job.state,
        "flow": job.flow,
        "position": job.position,
        "wait_seconds": job.wait_seconds,
        "blocked_by": job.blocking_resource,
        "says": job.sentence,
        "demand": job.demand,
        "admission": job.admission,
        "admission_order": job.admission_order,
        "reschedules": job.reschedules,
        "application": job.application,
        "application_state": job.application_state,
        "user": job.user,
        "team": job.team,
        "queued_at": job.queued_at,
        "admitted_at": job.admitted_at,
        "submitted_at": job.submitted_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
    }


def _event(event: reads.EventRow) -> dict[str, Any]:
    return {
        "at": event.at,
        "from": event.from_state,
        "to": event.to_state,
        "reason": event.reason,
        "by": event.actor,
    }


def _grant(grant: reads.GrantSummary | None) -> dict[str, Any] | None:
    if grant is None:
        return None
    return {
        "admission": grant.admission,
        "unchecked": grant.unchecked,
        "granted_at": grant.granted_at,
        "valid_until": grant.valid_until,
    }
