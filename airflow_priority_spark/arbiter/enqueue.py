# SPDX-License-Identifier: Apache-2.0
"""From a deferral that was read to a job that waits.

The job is written and its task parked in one fenced transaction: a process that dies in between leaves a
deferral that the next cycle finds again. Which priority pool and flow a job gets, and whether it may wait
there, is decided here, from facts that the task does not write itself.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter import resume
from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.arbiter.intake import Ready
from airflow_priority_spark.arbiter.job_actions import admit_as_legacy
from airflow_priority_spark.arbiter.returning import come_back, deadline, known_jobs
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.scheduling.model import QueueKey
from airflow_priority_spark.spark.admission import AdmissionEvent
from airflow_priority_spark.spark.request import AdmissionRequest, ConnectionRef, demand_to_json
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.deferrals import Deferral
from airflow_priority_spark.store.models import Job
from airflow_priority_spark.store.queues import QueueRow, ensure_queues, remember_cluster
from airflow_priority_spark.store.rules import Facts, Rulebook, choose_pool, read_rulebook
from airflow_priority_spark.store.session import when_committed
from airflow_priority_spark.store.settling import settled_tasks

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _New:
    """A deferral that may wait.

    :param pool, flow: what it gets, which may differ from what it asks for.
    """

    deferral: Deferral
    request: AdmissionRequest
    queue: QueueRow
    pool: str
    flow: str


@dataclass(slots=True)
class _Sorted:
    """What becomes of each deferral of a batch."""

    new: list[_New] = field(default_factory=list)
    returning: list[tuple[Deferral, AdmissionRequest, Job]] = field(default_factory=list)
    refused: list[tuple[Deferral, str]] = field(default_factory=list)

    def to_park(self) -> dict[UUID, int]:
        """Return task instance → trigger of all that wait."""
        waiting = [item.deferral for item in self.new] + [item[0] for item in self.returning]
        return {deferral.ti_id: deferral.trigger_id for deferral in waiting}


def enqueue(context: Context, session: Session, ready: Sequence[Ready], now: datetime.datetime) -> int:
    """Write the jobs of these deferrals and park their tasks; return how many were parked."""
    batch = _sort(context, session, ready, now)
    parked = resume.park_all(session, batch.to_park())
    _refuse(context, session, batch.refused, now)
    for deferral, request, job in batch.returning:
        if deferral.ti_id in parked:
            come_back(context, session, job, deferral, request, now)
    session.flush()
    _create(context, session, [item for item in batch.new if item.deferral.ti_id in parked], now)
    return len(parked)


def _sort(context: Context, session: Session, ready: Sequence[Ready], now: datetime.datetime) -> _Sorted:
    batch = _Sorted()
    known = known_jobs(context, session, [item.deferral for item in ready if item.request], now)
    queues = _queues(context, session, ready, now)
    rulebook = read_rulebook(session)
    for item in ready:
        deferral, request = item.deferral, item.request
        if request is None or item.cluster_id is None:
            batch.refused.append((deferral, item.refusal))
        elif deferral.ti_id in known:
            batch.returning.append((deferral, request, known[deferral.ti_id]))
        else:
            _judge(batch, deferral, request, queues[QueueKey(item.cluster_id, request.namespace)], rulebook)
    return batch


def _judge(
    batch: _Sorted, deferral: Deferral, request: AdmissionRequest, queue: QueueRow, rulebook: Rulebook
) -> None:
    """Give a new job its pool and flow, or refuse it."""
    facts = Facts(deferral.key.dag_id, request.namespace, deferral.tags, deferral.team, deferral.bundle)
    choice = choose_pool(rulebook.rules, facts, request.priority, queue.pools)
    if choice.refusal:
        batch.refused.append((deferral, choice.refusal))
        return
    flow = rulebook.flow_of(facts, request.flow)
    batch.new.append(_New(deferral, request, queue, choice.pool, flow))


def _queues(
    context: Context, session: Session, ready: Sequence[Ready], now: datetime.datetime
) -> dict[QueueKey, QueueRow]:
    """Return the queues of a batch, made where they are new; each connection is looked at once."""
    aliases: set[ConnectionRef] = set()
    keys: dict[QueueKey, None] = {}
    for item in ready:
        if item.request is None or item.cluster_id is None:
            continue
        connection, key = item.request.connection, QueueKey(item.cluster_id, item.request.namespace)
        if connection not in aliases:
            aliases.add(connection)
            name = connection.conn_id or "in-cluster"
            remember_cluster(session, connection.alias(), item.cluster_id, name, now)
        keys[key] = None
    return ensure_queues(session, keys, context.pools, now)


def _refuse(
    context: Context, session: Session, refused: Sequence[tuple[Deferral, str]], now: datetime.datetime
) -> None:
    """Resume tasks that must not wait, with the reason; one that has not settled is found again later."""
    waited = [(deferral.ti_id, deferral.created) for deferral, _ in refused]
    settled = settled_tasks(session, waited, context.settings.settle_seconds, now)
    for deferral, reason in refused:
        if deferral.ti_id in settled:
            when_committed(session, log.warning, "Refused %s: %s", deferral.key.readable(), reason)
            event = AdmissionEvent(outcome="impossible", reason=reason)
            resume.reject(session, deferral.ti_id, deferral.trigger_id, event.to_payload())


def _create(context: Context, session: Session, new: Sequence[_New], now: datetime.datetime) -> None:
    places = _Places(session, new)
    rows = [_row(context, item, places) for item in new]
    created = jobs.create_jobs(session, rows, context.actor)
    events = {}
    for item, job in zip(new, created, strict=True):
        if item.flow == "legacy" and job.state == JobState.QUEUED.value:
            reason = "an operator has set the deployment flow to legacy"
            events[job] = admit_as_legacy(session, job, reason, context.actor, now).to_payload()
    if events:
        session.flush()
        jobs.promise_all(session, events, now)


class _Places:
    """Counts on from the place of the first new job of each pool, instead of counting for every one."""

    def __init__(self, session: Session, new: Sequence[_New]) -> None:
        firsts: dict[tuple[int, str], tuple[datetime.datetime, int]] = {}
        for item in new:
            if _held(item)[0] is None:
                position = (item.deferral.created, item.deferral.trigger_id)
                firsts.setdefault((item.queue.id, item.pool), position)
        self._next = jobs.places(session, firsts)

    def next(self, item: _New) -> str:
        """Say the next job's place in its pool: 1 is the head."""
        line = (item.queue.id, item.pool)
        place = self._next[line]
        self._next[line] += 1
        if place > jobs.MOST_COUNTED:
            return f"behind {jobs.MOST_COUNTED:,} others or more"
        return f"at position {place}"


def _row(context: Context, item: _New, places: _Places) -> Mapping[str, Any]:
    deferral, request = item.deferral, item.request
    why, reason = _held(item)
    asked = f" (a rule gives it this pool; it asks for {request.priority})"
    return {
        "state": JobState.HELD if why else JobState.QUEUED,
        "reason": reason
        or f"waits in {request.namespace}/{item.pool} {places.next(item)}"
        + (asked if item.pool != request.priority else ""),
        "held_reason": why.value if why else "",
        "ineligible": ("paused" if why is HeldReason.PAUSED else "held") if why else None,
        "ineligible_detail": reason,
        "dag_id": deferral.key.dag_id,
        "run_id": deferral.key.run_id,
        "task_id": deferral.key.task_id,
        "map_index": deferral.key.map_index,
        "ti_id": deferral.ti_id,
        "try_number": deferral.try_number,
        "clear_number": deferral.clear_number,
        "queue_id": item.queue.id,
        "pool": item.pool,
        "position_at": deferral.created,
        "position_id": deferral.trigger_id,
        "deferred_at": deferral.created,
        "queued_at": deferral.created,
        "queue_deadline": deadline(request, deferral.created),
        "flow": item.flow,
        "parked": True,
        "demand": demand_to_json(request.demand),
        "connection": request.connection.to_json(),
        "keep_application": request.keep_application,
        "notify": {notice: list(names) for notice, names in request.notify} or None,
        "user": deferral.user,
        "team": deferral.team,
        "bundle": deferral.bundle,
        "tags": list(deferral.tags) or None,
        "service": _service(deferral.tags, context.settings.service_tag_prefix),
    }


def _held(item: _New) -> tuple[HeldReason | None, str]:
    """Return why a new job is held, and a sentence; nothing when it is not."""
    if item.deferral.paused:
        return HeldReason.PAUSED, "the DAG is paused"
    if item.queue.draining and item.flow != "legacy":
        return HeldReason.DRAINING, "the queue drains: what is new is held"
    return None, ""


def _service(tags: Sequence[str], prefix: str) -> str | None:
    """Return the service that the first tag with the prefix names."""
    names = [tag.removeprefix(prefix) for tag in tags if prefix and tag.startswith(prefix)]
    return names[0] or None if names else None
