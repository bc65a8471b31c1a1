# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark job explain|events``: one job, for whoever is on call."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from typing import Any, Final

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark import settings
from airflow_priority_spark.cli.acts import now
from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import as_data, print_document, print_rows
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.cli.watching import watched
from airflow_priority_spark.errors import NotFound
from airflow_priority_spark.scheduling.jobs import is_terminal
from airflow_priority_spark.store import reads
from airflow_priority_spark.store.explanation import read_facts
from airflow_priority_spark.store.sentences import explain as word

#: Seconds between two looks of ``--follow``.
FOLLOW_SECONDS: Final = 1.0


@suppress_logs_and_warning
@providers_configuration_loaded
@watched
@in_one_line
def explain(args: Namespace) -> None:
    """Say where a job is, what it waits for and what would help."""
    with reading() as session:
        facts = read_facts(session, args.job_id, settings.load(), now())
        if facts is None:
            raise _unknown(args.job_id)
        told = word(facts)
        state, verdict = facts.job.state, facts.job.verdict
    if args.output in ("json", "yaml"):
        document = {
            "id": args.job_id,
            "state": state,
            "position": facts.position,
            "length": facts.length,
            "ahead": [{"id": each.id, "task": each.task} for each in facts.ahead],
            "verdict": verdict,
            "says": told.says,
            "helps": told.helps,
        }
        print_document(as_data(document), args.output)
        return
    for sentence in told.says:
        print(sentence)
    if told.helps:
        print("What would help:")
    for sentence in told.helps:
        print(f"- {sentence}")


@suppress_logs_and_warning
@providers_configuration_loaded
@in_one_line
def events(args: Namespace) -> None:
    """Print what happened to a job; with ``--follow`` until it has ended, a line each."""
    with reading() as session:
        job = reads.get_job(session, args.job_id, now())
    if job is None:
        raise _unknown(args.job_id)
    if not args.follow:
        print_rows([_row(event) for event in job.events], args.output)
        return
    shown = 0
    while True:
        for event in job.events[shown:]:
            _print_line(_row(event), args.output)
        shown = len(job.events)
        if is_terminal(job.summary.state):
            return
        time.sleep(FOLLOW_SECONDS)
        with reading() as session:
            job = reads.get_job(session, args.job_id, now())
        if job is None:
            return


def _row(event: reads.EventRow) -> dict[str, Any]:
    return {
        "at": event.at,
        "from": event.from_state,
        "to": event.to_state,
        "reason": event.reason,
        "by": event.actor,
    }


def _print_line(row: dict[str, Any], output: str) -> None:
    if output in ("json", "yaml"):
        print(json.dumps(as_data(row)), flush=True)
    else:
        print(f"{row['at']:%Y-%m-%d %H:%M:%S}Z {row['to']}: {row['reason']} [{row['by']}]", flush=True)


def _unknown(job_id: str) -> NotFound:
    return NotFound(f"no job has the id {job_id!r}; `airflow priority-spark job list --state all` shows them")
