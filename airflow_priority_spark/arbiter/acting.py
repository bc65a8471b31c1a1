# SPDX-License-Identifier: Apache-2.0
"""What every act of a person has in common: who and why, its place beside the arbiter, its record.

An act must work with no arbiter running, and beside one that runs. So it takes the row of the arbiter's
fence before anything else: whatever a cycle writes, it writes before the act or after it, and looks again
at what it had seen. The row is only held for the act's own transaction, which the caller opens and commits.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.orm import Session

from airflow_priority_spark.errors import Conflict, InvalidInput, NotFound
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.cursors import Place
from airflow_priority_spark.store.leadership import SessionFactory
from airflow_priority_spark.store.models import ArbiterState, Audit, Job
from airflow_priority_spark.store.selection import JobFilter, selected_jobs

#: So many jobs are changed in one transaction: the arbiter waits no longer than for these.
BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, when and why, on a site that is configured so.

    :param actor: as people read it in events: ``alice``, ``cli alice``.
    :param reason: what the person gave as a reason; may be empty.
    """

    actor: str
    now: datetime.datetime
    reason: str = ""
    settings: Settings = field(default_factory=Settings)

    def sentence(self, what: str) -> str:
        """Say what was done, by whom and why: ``held by alice: quarter end first``."""
        return f"{what} by {self.actor}" + (f": {self.reason}" if self.reason else "")


def line_up(session: Session) -> None:
    """Wait for a cycle that writes, and let the next one wait for this transaction.

    An update, because it locks a row on PostgreSQL and makes SQLite take its write lock at the start, where
    waiting for it is possible. It counts the act, so that an arbiter at rest sees that there was one.
    """
    session.execute(
        update(ArbiterState)
        .where(ArbiterState.id == 1)
        .values(revision=ArbiterState.revision + 1)
        .execution_options(synchronize_session=False)
    )


def audit(session: Session, by: By, action: str, target_type: str, target: str, **details: Any) -> None:
    """Write down what was done to what.

    :param target_type: ``job``, ``queue``, ``pool``, ``cluster``, ``flow``, ``rules`` or ``site``.
    :param details: plain data, e.g. values before and after.
    """
    session.add(
        Audit(
            at=by.now,
            actor=by.actor[:250],
            action=action,
            target_type=target_type,
            target=target[:500],
            reason=by.reason[: jobs.MAX_REASON],
            details=details,
        )
    )
    session.flush()


def lock_job(session: Session, job_id: str) -> Job:
    """Return a job as it is now, locked until the transaction ends.

    :raises NotFound: saying where ids are shown.
    """
    line_up(session)
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
    if job is None:
        raise NotFound(
            f"no job has the id {job_id!r}; `airflow priority-spark job list --state all` shows them"
        )
    return job


def lock_waiting(session: Session, job_id: str, wish: str) -> Job:
    """Return a job that waits, locked.

    :param wish: what is asked for, to complete "only a waiting job can …".
    :raises NotFound: saying where ids are shown.
    :raises Conflict: when the job does not wait, saying what to do instead.
    """
    job = lock_job(session, job_id)
    state = JobState(job.state)
    if state in (JobState.QUEUED, JobState.HELD):
        return job
    if job.ended_at is not None:
        raise Conflict(f"job {job_id} has ended: {state}; only a waiting job can {wish}")
    raise Conflict(
        f"job {job_id} is {state}, its task has been given back to Airflow; only a waiting job can {wish}. "
        "To stop it, mark its task as failed in Airflow: its application is deleted then"
    )


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an act on many jobs.

    :param changed: ids of the jobs it was done to, in order of position.
    :param refused: the others, each with the reason.
    """

    changed: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


def on_each(
    sessions: SessionFactory,
    wanted: JobFilter,
    act: Callable[[Session, str], object],
    *,
    batch: int = BATCH,
    dry_run: bool = False,
) -> Done:
    """Do something to every selected job, a batch to a transaction; what is refused is passed over.

    :param act: gets a session in a transaction and the id of a job; refuses before it writes anything.
    :param dry_run: take everything back, only say what would become of each.
    """
    changed: list[str] = []
    refused: list[tuple[str, str]] = []
    # An act that moves a job to the end of the line lets it come by once more.
    seen: set[str] = set()
    after: Place | None = None
    while True:
        with sessions() as session, session.begin():
            line_up(session)
            places = selected_jobs(session, wanted, batch, after=after)
            for place in places:
                if place.job_id in seen:
                    continue
                seen.add(place.job_id)
                try:
                    act(session, place.job_id)
                except (Conflict, InvalidInput, NotFound) as error:
                    refused.append((place.job_id, str(error)))
                else:
                    changed.append(place.job_id)
            if dry_run:
                session.rollback()
        if len(places) < batch:
            return Done(tuple(changed), tuple(refused))
        after = places[-1]
