# SPDX-License-Identifier: Apache-2.0
"""From decisions to facts, in one fenced transaction.

A decision was made from a picture that is already a moment old. So before anything is written every
admitted task is locked and looked at again; what is no longer there is taken out and the (pure) decision
is made once more without it, so that credits and verdicts are those of what really happens. Either the
whole batch commits, with its grants, events and resumed tasks, or nothing does.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.deliver import deliver
from airflow_priority_spark.arbiter.observe import Picture
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import (
    Admission,
    Blocked,
    Decisions,
    Ineligible,
    Snapshot,
    describe_blocked,
)
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.queues import pool_states_changed, save_pool_states

log = logging.getLogger(__name__)

Decide = Callable[[Snapshot, float], Decisions]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a cycle changed."""

    admitted: int = 0
    impossible: int = 0
    lost: int = 0


def apply(
    context: Context,
    leadership: Leadership,
    picture: Picture,
    decide: Decide,
    now: datetime.datetime,
) -> Applied:
    """Decide on the picture and make it so.

    :raises LeadershipLost: when another arbiter leads; nothing was written.
    """
    decisions = decide(picture.snapshot, now.timestamp())
    if not _anything_to_write(picture, decisions):
        return Applied()
    with leadership.transaction() as session:
        locked, decisions, lost = _lock(session, picture, decisions, decide, now)
        _admit(context, session, picture, decisions.admissions, locked, now)
        _fail_impossible(context, session, picture, decisions, locked, now)
        _abandon(context, session, picture, now)
        save_pool_states(session, picture.queues, decisions.pools)
        _record_verdicts(session, picture, decisions, now)
        deliver(context, session, picture.queues, now)
    return Applied(len(decisions.admissions), len(decisions.impossible), len(lost))


def _anything_to_write(picture: Picture, decisions: Decisions) -> bool:
    return bool(
        decisions.admissions
        or decisions.impossible
        or picture.abandoned
        or pool_states_changed(picture.queues, decisions.pools)
        or any(_verdict_changed(job, decisions.blocked) for job in picture.waiting.values())
        or any(_eligibility_changed(picture, job) for job in picture.waiting.values())
    )


def _lock(
    session: Session, picture: Picture, decisions: Decisions, decide: Decide, now: datetime.datetime
) -> tuple[dict[str, Job], Decisions, set[str]]:
    """Lock the tasks of everything that is to be resumed, deciding again without those that are gone."""
    locked: dict[str, Job] = {}
    lost: set[str] = set()
    while True:
        wanted = [admission.job_id for admission in decisions.admissions] + sorted(decisions.impossible)
        for job_id in wanted:
            if job_id not in locked and job_id not in lost:
                job = _lock_one(session, job_id)
                if job is None:
                    lost.add(job_id)
                else:
                    locked[job_id] = job
        if not lost.intersection(wanted):
            return locked, decisions, lost
        decisions = decide(_without(picture.snapshot, lost), now.timestamp())


def _lock_one(session: Session, job_id: str) -> Job | None:
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
    if job is None or job.state != JobState.QUEUED.value or resume.dag_is_paused(session, job.dag_id):
        return None
    task_instance = resume.lock_parked(session, job.ti_id)
    return None if task_instance is None else job


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


def _admit(
    context: Context,
    session: Session,
    picture: Picture,
    admissions: Collection[Admission],
    locked: Mapping[str, Job],
    now: datetime.datetime,
) -> None:
    valid_until = now + datetime.timedelta(seconds=context.settings.admission_valid_seconds)
    for admission in admissions:
        job = locked[admission.job_id]
        adopted = picture.adopted.get(job.id)
        job.admission += 0 if adopted else 1
        job.adopt = False
        unchecked = job.flow == "observe" or adopted is not None
        reason = _admission_reason(job, adopted is not None, now)
        jobs.move(session, job, JobState.ADMITTED, reason, context.actor, now)
        jobs.give_grant(session, job, unchecked=unchecked, now=now, valid_until=valid_until)
        event = AdmissionEvent(
            outcome="admitted",
            job_id=job.id,
            instance_id=context.instance_id,
            queue=admission.queue.namespace,
            pool=admission.pool,
            admission=job.admission,
            waited_seconds=(now - job.position_at).total_seconds(),
            adopt=adopted.name if adopted else "",
        )
        jobs.promise(session, job, event.to_payload(), now)
        log.info("Admitted job %s of %s: %s", job.id, jobs.task_key(job).readable(), job.reason)


def _admission_reason(job: Job, adopted: bool, now: datetime.datetime) -> str:
    waited = (now - job.position_at).total_seconds()
    if adopted:
        return "takes up the application of its lost attempt"
    if job.flow == "observe":
        return "admitted at once: deployment flow observe"
    waited_for = f"; it waited for {job.verdict['sentence']}" if job.verdict else ""
    return f"admitted after {waited:.0f} s (admission {job.admission}){waited_for}"


def _fail_impossible(
    context: Context,
    session: Session,
    picture: Picture,
    decisions: Decisions,
    locked: Mapping[str, Job],
    now: datetime.datetime,
) -> None:
    for job_id, impossible in sorted(decisions.impossible.items()):
        job = locked[job_id]
        reason = f"could never start: {describe_blocked(impossible.why)}"
        jobs.move(session, job, JobState.FAILED, reason, context.actor, now)
        job.blocking_resource, job.verdict = impossible.why.resource, verdict_json(impossible.why)
        event = AdmissionEvent(
            outcome="impossible",
            job_id=job.id,
            queue=picture.queues.keys[job.queue_id].namespace,
            pool=job.pool,
            reason=reason,
        )
        jobs.promise(session, job, event.to_payload(), now)
        log.warning("Job %s of %s %s", job.id, jobs.task_key(job).readable(), reason)


def _abandon(context: Context, session: Session, picture: Picture, now: datetime.datetime) -> None:
    """Make jobs whose lost attempt left no application ordinary waiting ones."""
    for job_id in sorted(picture.abandoned):
        job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
        if job is not None and job.adopt and job.state == JobState.QUEUED.value:
            job.adopt = False
            job.ineligible, job.ineligible_detail = None, ""
            job.application_name = job.application_uid = job.application_state = None
            jobs.release_grant(session, job.id)
            jobs.note(session, job, "the lost attempt left no application", context.actor, now)


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


def _verdict_changed(job: Job, blocked: Mapping[str, Blocked]) -> bool:
    verdict = blocked.get(job.id)
    return (verdict_json(verdict) if verdict else None) != job.verdict


def _eligibility_changed(picture: Picture, job: Job) -> bool:
    return picture.eligibility[job.id] != (job.ineligible, job.ineligible_detail)


def _record_verdicts(
    session: Session, picture: Picture, decisions: Decisions, now: datetime.datetime
) -> None:
    """Write down, for people, what each job at the front waits for, where that changed."""
    for seen in picture.waiting.values():
        ineligible, detail = picture.eligibility[seen.id]
        if not _verdict_changed(seen, decisions.blocked) and not _eligibility_changed(picture, seen):
            continue
        job = session.get(Job, seen.id)
        if job is None or job.state != JobState.QUEUED.value or job.id in picture.abandoned:
            continue
        verdict = decisions.blocked.get(job.id)
        job.ineligible, job.ineligible_detail = ineligible, detail
        job.verdict = verdict_json(verdict) if verdict else None
        job.blocked_since = (job.blocked_since or now) if verdict else None
        job.blocking_resource = verdict.resource if verdict else None
