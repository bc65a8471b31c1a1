# SPDX-License-Identifier: Apache-2.0
"""What each job at the front waits for, written down for people, where that changed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.observe import Picture
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import Blocked, Decisions, describe_blocked
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.front import WaitingRow
from airflow_priority_spark.store.writing import write


def verdict_json(verdict: Blocked) -> dict[str, Any]:
    """Return the form in which a verdict is stored and shown."""
    return {
        "resource": verdict.resource,
        "needed": verdict.needed,
        "free": verdict.free,
        "holder": verdict.holder,
        "detail": verdict.detail,
        "sentence": describe_blocked(verdict),
    }


@lru_cache(maxsize=4096)
def _stored(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def _known(row: WaitingRow) -> dict[str, Any] | None:
    return _stored(row.verdict) if row.verdict not in (None, "null") and row.verdict else None


def verdicts_changed(picture: Picture, decisions: Decisions) -> bool:
    """Tell whether ``record_verdicts`` would write anything."""
    return next(_changes(picture, decisions), None) is not None


def record_verdicts(session: Session, picture: Picture, decisions: Decisions, now: datetime.datetime) -> None:
    """Write down why jobs at the front wait: blocked by what, or not looked at and why."""
    changes = dict(_changes(picture, decisions))
    for job in jobs.jobs_by_id(session, changes).values():
        if job.state != JobState.QUEUED.value:
            continue
        verdict, (ineligible, detail) = changes[job.id]
        job.ineligible, job.ineligible_detail = ineligible, detail
        job.verdict = verdict_json(verdict) if verdict else None
        job.blocked_since = (job.blocked_since or now) if verdict else None
        job.blocking_resource = verdict.resource if verdict else None
    write(session)


#: A verdict, if the job is blocked, and a word and a clause if it is not looked at.
_Said = tuple[Blocked | None, tuple[str | None, str]]


def _changes(picture: Picture, decisions: Decisions) -> Iterator[tuple[str, _Said]]:
    gone = {admission.job_id for admission in decisions.admissions} | set(decisions.impossible)
    gone |= {timeout.job_id for timeout in decisions.timed_out if timeout.action != "retry"}
    for row in picture.waiting.values():
        if row.id in gone:
            continue
        verdict = decisions.blocked.get(row.id)
        answer, clause = picture.eligibility[row.id]
        if answer is None and row.id in decisions.ineligible:
            answer, clause = decisions.ineligible[row.id]
        word = answer.value if answer else None
        if (word, clause) != (row.ineligible, row.ineligible_detail) or (
            verdict_json(verdict) if verdict else None
        ) != _known(row):
            yield row.id, (verdict, (word, clause))
