# SPDX-License-Identifier: Apache-2.0
"""From decisions to facts, in one fenced transaction.

A decision was made from a picture that is already a moment old. So before anything is written every job
that it concerns is locked, with its task, and looked at again; what is no longer as it was is taken out
and the (pure) decision is made once more without it, so that credits and verdicts are those of what really
happens. Either the whole batch commits, with its grants, events and resumed tasks, or nothing does.

However many jobs a batch has, it takes the same number of statements.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.admitting import admit
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.deliver import deliver
from airflow_priority_spark.arbiter.failing import fail_impossible
from airflow_priority_spark.arbiter.observe import Observer, Picture
from airflow_priority_spark.arbiter.timing_out import time_out, warn
from airflow_priority_spark.arbiter.verdicts import record_verdicts, verdicts_changed
from airflow_priority_spark.scheduling.model import Decisions, Ineligible, Snapshot
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.front import WaitingRow
from airflow_priority_spark.store.holding import are_paused, paused_queues
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.queue_table import changed_pools, save_pool_states

log = logging.getLogger(__name__)

Decide = Callable[[Snapshot, float], Decisions]

#: A decision that keeps using up what was read is good enough after so many rounds.
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Applied:
    """What a cycle changed.

    :param wrote: there was anything to write at all.
    """

    admitted: int = 0
    impossible: int = 0
    timed_out: int = 0
    lost: int = 0
    wrote: bool = False


def decide_on(
    observer: Observer, session: Session, picture: Picture, decide: Decide, now: datetime.datetime
) -> tuple[Picture, Decisions]:
    """Decide, reading on where the decision came to the end of what had been read."""
    decisions = decide(picture.snapshot, now.timestamp())
    for _ in range(ROUNDS):
        deeper = observer.deepen(session, picture, decisions)
        if deeper is None:
            break
        picture = deeper
        decisions = decide(picture.snapshot, now.timestamp())
    return picture, decisions


def apply(
    context: Context,
    leadership: Leadership,
    picture: Picture,
    decisions: Decisions,
    decide: Decide,
    now: datetime.datetime,
) -> Applied:
    """Make a decision so.

    :param decide: makes it again without what turns out to be gone.
    :raises LeadershipLost: when another arbiter leads; nothing was written.
    """
    if not _anything_to_write(picture, decisions):
        return Applied()
    with leadership.transaction() as session:
        locked, decisions, lost = _lock(session, picture, decisions, decide, now)
        admit(context, session, picture, decisions, locked, now)
        fail_impossible(context, session, picture, decisions, locked, now)
        time_out(context, session, decisions, locked, now)
        warn(context, session, decisions, now)
        save_pool_states(session, picture.queues, decisions.pools)
        record_verdicts(session, picture, decisions, now)
        deliver(context, session, picture.queues, now)
    return Applied(
        len(decisions.admissions), len(decisions.impossible), len(decisions.timed_out), len(lost), wrote=True
    )


def _anything_to_write(picture: Picture, decisions: Decisions) -> bool:
    return bool(
        decisions.admissions
        or decisions.impossible
        or decisions.timed_out
        or decisions.warnings
        or changed_pools(picture.queues, decisions.pools)
        or verdicts_changed(picture, decisions)
    )


def _concerned(decisions: Decisions) -> Sequence[str]:
    """Return the jobs that a decision moves."""
    return [
        *(admission.job_id for admission in decisions.admissions),
        *decisions.impossible,
        *(timeout.job_id for timeout in decisions.timed_out),
    ]


def _lock(
    session: Session, picture: Picture, decisions: Decisions, decide: Decide, now: datetime.datetime
) -> tuple[Mapping[str, Job], Decisions, Collection[str]]:
    """Lock everything that is to be moved, deciding again without those that are gone."""
    locked: dict[str, Job] = {}
    lost: set[str] = set()
    while True:
        wanted = [job_id for job_id in _concerned(decisions) if job_id not in locked]
        if not wanted:
            return locked, decisions, lost
        found = _lock_waiting(session, {job_id: picture.waiting[job_id] for job_id in wanted})
        locked.update(found)
        gone = set(wanted) - set(found)
        if gone:
            lost |= gone
            decisions = decide(_without(picture.snapshot, lost), now.timestamp())


def _lock_waiting(session: Session, seen: Mapping[str, WaitingRow]) -> dict[str, Job]:
    """Lock those jobs that wait as they were seen, whose tasks are parked and whose DAGs and queues may run.

    People act behind the same fence (``acting.line_up``): what they did before this transaction is seen
    here, what they do after it comes after it.
    """
    found = jobs.lock_queued(session, seen)
    closed = paused_queues(session)
    same = [job for job in found if job.queue_id not in closed and _as_seen(job, seen[job.id])]
    paused = are_paused(session, {job.dag_id for job in same})
    same = [job for job in same if job.dag_id not in paused]
    tasks = resume.still_parked(session, {job.ti_id for job in same})
    return {job.id: job for job in same if job.ti_id in tasks}


def _as_seen(job: Job, seen: WaitingRow) -> bool:
    """Tell whether nobody has changed what was decided upon."""
    return (job.queue_id, job.pool, job.position_at, job.position_id, job.flow, job.adopt) == (
        seen.queue_id,
        seen.pool,
        seen.position_at,
        seen.position_id,
        seen.flow,
        seen.adopt,
    ) and job.demand == json.loads(seen.demand)


def _without(snapshot: Snapshot, lost: Collection[str]) -> Snapshot:
    return replace(
        snapshot,
        jobs=tuple(
            replace(job, ineligible=Ineligible.HELD, ineligible_detail="its task is not waiting any more")
            if job.job_id in lost
            else job
            for job in snapshot.jobs
        ),
    )
