# SPDX-License-Identifier: Apache-2.0
"""Move many jobs between the deployment flows: by DAG, team, namespace, or all of the site.

An override decides for tasks that come to the queue from now on. ``migrate_flow`` also moves what waits:
to ``legacy`` each job gets an unchecked grant and its task is resumed, also where no arbiter runs; to
``observe`` the arbiter's next cycles admit them all and note what would have made each wait.

A task whose own configuration says ``legacy`` never comes to the queue; no override reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_priority_spark.arbiter.acting import BATCH, By, audit, line_up, lock_waiting, on_each
from airflow_priority_spark.arbiter.job_actions import send_to_legacy
from airflow_priority_spark.errors import Conflict, InvalidInput, NotFound
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.spark.request import FLOWS, Flow
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.leadership import SessionFactory
from airflow_priority_spark.store.models import FlowOverride, Job
from airflow_priority_spark.store.selection import JobFilter, all_selected

ScopeKind = Literal["dag_id", "team", "namespace", "site"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose flow: of a DAG, a team, a namespace, or of the whole site.

    :param value: its name; empty for the site.
    """

    kind: ScopeKind
    value: str = ""

    def __str__(self) -> str:
        return f"{self.kind.removesuffix('_id')} {self.value}" if self.value else "the site"

    def jobs(self) -> JobFilter:
        """Return the filter for its jobs that wait in line."""
        waiting = JobFilter(states=(JobState.QUEUED, JobState.HELD))
        match self.kind:
            case "dag_id":
                return replace(waiting, dag_id=self.value)
            case "team":
                return replace(waiting, team=self.value)
            case "namespace":
                return replace(waiting, namespace=self.value)
            case "site":
                return waiting


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did, or would do.

    :param override: the override was set or changed.
    :param moved: ids of the jobs that were moved.
    :param stayed: jobs that are held, each with the reason: nobody but who holds them moves them.
    """

    override: bool
    moved: tuple[str, ...]
    stayed: tuple[tuple[str, str], ...]


def overrides(session: Session) -> list[FlowOverride]:
    """Return the overrides, the most specific first."""
    rows = session.scalars(select(FlowOverride)).all()
    order = ("dag_id", "team", "namespace", "site")
    return sorted(rows, key=lambda row: (order.index(row.scope), row.value))


def set_flow(session: Session, scope: Scope, flow: str, by: By) -> bool:
    """Override the flow of tasks that come to the queue from now on; false when it is so already.

    :raises InvalidInput: naming the flows.
    """
    if flow not in FLOWS:
        raise InvalidInput("flow", flow, ", ".join(FLOWS))
    line_up(session)
    row = _override(session, scope)
    before = row.flow if row else None
    if before == flow:
        return False
    if row is None:
        row = FlowOverride(scope=scope.kind, value=scope.value)
        session.add(row)
    row.flow, row.updated_at, row.updated_by = flow, by.now, by.actor[:250]
    audit(session, by, "set", "flow", str(scope), before=before, after=flow)
    return True


def unset_flow(session: Session, scope: Scope, by: By) -> None:
    """Take an override away: the next wider one decides again, in the end the task's own flow.

    :raises NotFound: when there is none.
    """
    line_up(session)
    row = _override(session, scope)
    if row is None:
        raise NotFound(f"no flow is set for {scope}; `airflow priority-spark flow list` shows those that are")
    audit(session, by, "unset", "flow", str(scope), before=row.flow, after=None)
    session.delete(row)
    session.flush()


def _override(session: Session, scope: Scope) -> FlowOverride | None:
    return session.scalar(
        select(FlowOverride).where(FlowOverride.scope == scope.kind, FlowOverride.value == scope.value)
    )


def migrate_flow(
    sessions: SessionFactory, scope: Scope, flow: Flow, by: By, *, dry_run: bool = False
) -> Migrated:
    """Override the flow and move the jobs that wait in line, a batch to a transaction.

    :param dry_run: change nothing, only say what would be done.
    :raises InvalidInput: naming the flows.
    """
    if dry_run:
        return _what_would_move(sessions, scope, flow)
    with sessions() as session, session.begin():
        override = set_flow(session, scope, flow, by)
    moved: list[str] = []

    def move(session: Session, job_id: str) -> None:
        job = lock_waiting(session, job_id, "move to another flow")
        if stays := _why_it_stays(job):
            raise Conflict(stays)
        if job.flow != flow:
            _move(session, job, flow, by)
            moved.append(job_id)

    done = on_each(sessions, scope.jobs(), move, batch=BATCH)
    return Migrated(override, tuple(moved), done.refused)


def _what_would_move(sessions: SessionFactory, scope: Scope, flow: Flow) -> Migrated:
    with sessions() as session:
        row = _override(session, scope)
        waiting = all_selected(session, scope.jobs())
    stays = [(job.id, why) for job in waiting if (why := _why_it_stays(job))]
    moved = [job.id for job in waiting if not _why_it_stays(job) and job.flow != flow]
    return Migrated(row is None or row.flow != flow, tuple(moved), tuple(stays))


def _why_it_stays(job: Job) -> str:
    """Say who keeps a job aside; nobody those in line, and those that came while their queue drained."""
    if job.state == JobState.QUEUED.value or job.held_reason == HeldReason.DRAINING:
        return ""
    return f"job {job.id} stays held: {job.reason}"


def _move(session: Session, job: Job, flow: Flow, by: By) -> None:
    if flow == "legacy":
        send_to_legacy(session, job.id, by)
        return
    text = by.sentence(f"moved from flow {job.flow} to {flow}")
    if job.state == JobState.HELD.value and flow == "observe":
        jobs.move(session, job, JobState.QUEUED, text, by.actor, by.now)
    else:
        jobs.note(session, job, text, by.actor, by.now)
    audit(session, by, "move-flow", "job", job.id, before=job.flow, after=flow)
    job.flow = flow
