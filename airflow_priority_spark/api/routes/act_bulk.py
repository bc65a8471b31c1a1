# SPDX-License-Identifier: Apache-2.0
"""The same act on many jobs, by their ids or by a filter; only on jobs the user may act on.

By ids, whatever may not be done is refused and named. A filter finds the jobs of DAGs whose runs the user
may edit, in states in which the act makes sense; the others it leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy.orm import Session

from airflow_priority_spark.api.acting import Actor, ActorDep, open_session
from airflow_priority_spark.api.datamodels.acts import MOST, BulkAct, BulkDone, Refused
from airflow_priority_spark.api.filters import Selection
from airflow_priority_spark.api.routes.job import not_found
from airflow_priority_spark.arbiter import actions
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.spark.identity import TaskKey
from airflow_priority_spark.store.bulk import dags_of_selected, tasks_of
from airflow_priority_spark.store.selection import JobFilter

router = APIRouter(tags=["acts on jobs"])


@dataclass(frozen=True)
class _Kind:
    """What an act does, and which jobs a filter finds for it."""

    act: Callable[[Session, str, actions.By], Any]
    states: tuple[JobState, ...]
    held_reasons: tuple[HeldReason, ...] | None = None


_ANY: Final = Selection.model_validate({})
_WAITING: Final = (JobState.QUEUED, JobState.HELD)
_KINDS: Final[Mapping[str, _Kind]] = {
    "hold": _Kind(actions.hold_job, (JobState.QUEUED,)),
    # Those that timed out are requeued, those of a paused DAG come with it.
    "release": _Kind(actions.release_job, (JobState.HELD,), (HeldReason.PERSON, HeldReason.DRAINING)),
    "requeue": _Kind(actions.requeue_job, (JobState.HELD,), (HeldReason.TIMEOUT,)),
    "cancel": _Kind(actions.cancel_job, _WAITING),
    "legacy": _Kind(actions.send_to_legacy, _WAITING),
}


@router.post("/jobs/bulk")
def act_on_jobs(body: BulkAct, actor: ActorDep) -> BulkDone:
    """Do the same to many jobs; what is refused is passed over and named."""
    kind = _kind(body)
    meant = body.model_dump(mode="json", exclude_none=True, exclude={"action", "reason"})
    refused: list[tuple[str, str]] = []
    wanted = _by_ids(actor, body.ids, refused) if body.ids else _by_filter(actor, body.filter or _ANY, kind)
    with actor.on_many(f"bulk.{body.action}", meant, body.reason) as by:
        done = actions.on_each(
            open_session, wanted, partial(_on_one, actor, kind, body, by), dry_run=body.dry_run
        )
    if not body.dry_run and body.action in ("cancel", "legacy"):
        actor.tell_later(done.changed, body.reason)
    refused += done.refused
    return BulkDone(
        changed=len(done.changed),
        refused=[Refused(id=job_id, detail=detail) for job_id, detail in refused[:MOST]],
        refused_count=len(refused),
        dry_run=body.dry_run,
    )


def _kind(body: BulkAct) -> _Kind:
    if body.action != "pool":
        return _KINDS[body.action]
    pool = body.pool or ""

    def change_pool(session: Session, job_id: str, by: actions.By) -> None:
        actions.change_pool(session, job_id, pool, by)

    return _Kind(change_pool, _WAITING)


def _on_one(actor: Actor, kind: _Kind, body: BulkAct, by: actions.By, session: Session, job_id: str) -> None:
    kind.act(session, job_id, by)
    task = tasks_of(session, [job_id])[job_id]
    actor.log_job(session, body.action, body.reason, job_id, task)


def _by_ids(actor: Actor, ids: list[Any], refused: list[tuple[str, str]]) -> JobFilter:
    """Return a filter for those of the jobs that may be acted on, and note the others."""
    tasks = tasks_of(actor.session, [str(each) for each in ids])
    allowed = []
    for each in dict.fromkeys(ids):
        if why := _refusal(actor, each, tasks.get(str(each))):
            refused.append((str(each), why))
        else:
            allowed.append(str(each))
    return JobFilter(ids=allowed)


def _refusal(actor: Actor, job_id: Any, task: TaskKey | None) -> str:
    if task is None or not actor.access.may_read(task.dag_id):
        return str(not_found(job_id))
    if not actor.access.may_act(task.dag_id):
        return f"you need the right to edit runs of DAG {task.dag_id!r}"
    return ""


def _by_filter(actor: Actor, selection: Selection, kind: _Kind) -> JobFilter:
    """Return a filter for jobs in states that fit the act, of DAGs that may be acted on."""
    states = [state for state in kind.states if selection.state is None or state in selection.state]
    found = replace(selection.of_dags(actor.access.readable), states=states, held_reasons=kind.held_reasons)
    dag_ids = dags_of_selected(actor.session, found)
    return replace(found, dag_ids=frozenset(filter(actor.access.may_act, dag_ids)))
