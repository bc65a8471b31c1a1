# SPDX-License-Identifier: Apache-2.0
"""The words of an explanation: from the facts about a job to sentences, each with its numbers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.scheduling.resources import format_amount, is_bytes, is_cpu
from airflow_priority_spark.store.explanation import Facts, bare
from airflow_priority_spark.store.jobs import task_key

_COMMAND = "airflow priority-spark"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A job in sentences.

    :param says: where it is, who is ahead, what it waits for.
    :param helps: what would let it go on, or stop it.
    """

    says: tuple[str, ...]
    helps: tuple[str, ...]


def explain(facts: Facts) -> Explanation:
    """Word the facts."""
    match JobState(facts.job.state):
        case JobState.QUEUED:
            return Explanation(tuple(_queued(facts)), tuple(_helps_queued(facts)))
        case JobState.HELD:
            return Explanation(tuple(_held(facts)), tuple(_helps_held(facts)))
        case JobState.ADMITTED | JobState.SUBMITTED | JobState.RUNNING:
            return Explanation(tuple(_active(facts)), tuple(_helps_active(facts)))
        case state:
            ended = facts.job.ended_at
            when = f" {span(facts.now - ended)} ago" if ended else ""
            return Explanation((f"{_who(facts)} has ended{when}: {state}, {facts.job.reason}.",), ())


def _who(facts: Facts) -> str:
    return f"Job {facts.job.id} of {task_key(facts.job).readable()}"


def _where(facts: Facts) -> str:
    return f"{facts.cluster}/{facts.queue.namespace}/{facts.job.pool}"


def span(duration: datetime.timedelta) -> str:
    """Say a duration with its two largest units: ``2 h 05 min``, ``41 s``."""
    minutes, seconds = divmod(max(0, int(duration.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _queued(facts: Facts) -> Iterator[str]:
    job = facts.job
    place = f"number {facts.position} of {facts.length}" if facts.position else "in line"
    yield f"{_who(facts)} has waited {span(facts.now - job.queued_at)} in {_where(facts)}: {place}."
    if facts.ahead:
        more = (facts.position or 1) - 1 - len(facts.ahead)
        names = ", ".join(f"{each.task} ({each.id})" for each in facts.ahead)
        yield f"Ahead of it in its pool: {names}" + (f" and {more} more." if more else ".")
    for other in facts.others:
        jobs = "1 job waits" if other.length == 1 else f"{other.length} jobs wait"
        yield f"{jobs} in pool {other.name} of weight {other.weight}; its own has {_weight(facts)}."
    yield from _nothing_moves(facts)
    yield from _lacks(facts)


def _weight(facts: Facts) -> int:
    return facts.view.weight if facts.view else 1


def _nothing_moves(facts: Facts) -> Iterator[str]:
    """Say what keeps the whole queue from moving."""
    if facts.queue.paused:
        yield f"Queue {facts.queue.namespace} is paused: nothing of it is admitted."
    if not facts.leader:
        yield "No arbiter leads at the moment: nothing is admitted anywhere."
    if facts.stale:
        yield f"The picture of cluster {facts.cluster} is stale ({facts.stale}): nothing is admitted there."


def _lacks(facts: Facts) -> Iterator[str]:
    job, head = facts.job, facts.head
    if facts.passed_over:
        yield f"It is passed over ({facts.passed_over}); others behind it may go."
    elif job.verdict is not None:
        since = f" for {span(facts.now - job.blocked_since)}" if job.blocked_since else ""
        yield f"It is blocked{since} by {job.verdict['sentence']}."
        yield from _clock(facts)
        if facts.holders:
            resource = bare(job.blocking_resource or "")
            names = ", ".join(
                f"{each.task} ({format_amount(resource, each.amount)})" for each in facts.holders
            )
            yield f"Of {resource}, its queue's jobs hold: {names}."
    elif head is not None and head.id != job.id:
        why = f", blocked by {head.verdict['sentence']}" if head.verdict else ""
        yield f"Only the head of a pool is admitted; it is {task_key(head).readable()} ({head.id}){why}."
    else:
        yield "It is the head of its pool and nothing blocks it: its turn comes with one of the next cycles."


def _clock(facts: Facts) -> Iterator[str]:
    """Say what the rules for heads will do to a blocked head."""
    view, job = facts.view, facts.job
    if view is None or view.head_id != job.id or view.head_rules is None:
        return
    rules, now = view.head_rules, facts.now.timestamp()
    if view.head_blocked_since is not None and now - view.head_blocked_since >= rules.protection_seconds:
        yield (
            f"It has been blocked longer than {rules.protection_seconds:g} s and is protected: nothing else "
            f"of its queue that needs {job.blocking_resource} goes before it."
        )
    if view.head_timeout_since is None or not rules.timeout_seconds:
        return
    elapsed = (view.head_clock_paused_at or now) - view.head_timeout_since
    left = datetime.timedelta(seconds=rules.timeout_seconds - elapsed)
    tries = rules.retry_count - job.head_retries
    becomes = "is held" if rules.timeout_action == "hold" else "is cancelled"
    what = f"its clock begins again ({tries} retries left)" if tries > 0 else f"it {becomes}"
    stands = " (the clock stands still at the moment)" if view.head_clock_paused_at is not None else ""
    yield f"If that lasts, {what} in {span(left)}: head_timeout_seconds is {rules.timeout_seconds:g}{stands}."


def _helps_queued(facts: Facts) -> Iterator[str]:
    job = facts.job
    if facts.queue.paused:
        yield f"Open the queue: {_COMMAND} queue resume {facts.queue.namespace}"
    if not facts.leader:
        yield f"Start an arbiter, or look why none leads: {_COMMAND} status"
    if not facts.passed_over and job.verdict is not None:
        yield from _helps_blocked(facts)
    elif not facts.passed_over and (facts.position or 1) > 1:
        yield f"Put it before the others: {_COMMAND} job move {job.id} --first"
        higher = [other for other in facts.others if other.weight > _weight(facts)]
        if higher:
            yield f"Or give it a higher priority: {_COMMAND} job priority {job.id} --to {higher[0].name}"
    yield f"Let it start without asking for room: {_COMMAND} job legacy {job.id}"


def _helps_blocked(facts: Facts) -> Iterator[str]:
    verdict = facts.job.verdict or {}
    resource, missing = str(verdict["resource"]), int(verdict["needed"]) - int(verdict["free"])
    holder = verdict["holder"]
    if resource == "placement":
        yield "Room on a node where a whole pod fits; smaller pods, or other node selectors, may fit sooner"
        return
    if missing <= 0:
        return
    amount = format_amount(resource, missing)
    named = amount if is_cpu(resource) or not is_bytes(resource) else f"{amount} of {resource}"
    yield f"{named} must become free of {holder}; or raise that limit, or ask for less"


def _held(facts: Facts) -> Iterator[str]:
    waited = span(facts.now - facts.job.queued_at)
    yield f"{_who(facts)} is held in {_where(facts)}, {waited} after it came: {facts.job.reason}."


def _helps_held(facts: Facts) -> Iterator[str]:
    job = facts.job
    match job.held_reason:
        case HeldReason.PAUSED:
            yield f"Unpause its DAG: airflow dags unpause {job.dag_id}"
        case HeldReason.DRAINING:
            yield f"Open the queue: {_COMMAND} queue resume {facts.queue.namespace}"
            yield f"Or let only this one in: {_COMMAND} job release {job.id}"
        case HeldReason.TIMEOUT:
            yield f"Give it another try: {_COMMAND} job requeue {job.id}"
            yield f"Or end it: {_COMMAND} job cancel {job.id}"
        case _:
            yield f"Release it: {_COMMAND} job release {job.id}"


def _active(facts: Facts) -> Iterator[str]:
    job = facts.job
    since = {
        JobState.ADMITTED: job.admitted_at,
        JobState.SUBMITTED: job.submitted_at,
        JobState.RUNNING: job.started_at,
    }[JobState(job.state)]
    when = f" since {span(facts.now - since)}" if since else ""
    yield f"{_who(facts)} is {job.state}{when}: {job.reason}."
    if not facts.told:
        yield "Its task is resumed as soon as Airflow can take it, a few seconds after it has deferred."
    if job.application_name:
        state = f" ({job.application_state})" if job.application_state else ""
        yield f"Its application is {facts.queue.namespace}/{job.application_name}{state}."
    if job.exceeds_demand:
        yield "Its pods use more than it had asked for, and are charged for what they use."


def _helps_active(facts: Facts) -> Iterator[str]:
    if facts.job.state == JobState.ADMITTED.value and not facts.leader and not facts.told:
        yield f"No arbiter leads, so nobody resumes its task: {_COMMAND} status"
