# SPDX-License-Identifier: Apache-2.0
"""Tasks that have deferred to the queue, as Airflow's tables show them.

Whose a job is (user, team, bundle, tags) is read here, from the DAG run and the DAG's model. A task
writes its own trigger, and could call itself whatever helps it.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.team import dag_bundle_team_association_table as bundle_team
from airflow.models.trigger import Trigger
from airflow.utils.state import TaskInstanceState
from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from airflow_priority_spark.spark.identity import TaskKey

#: Intake knows our deferrals by this class path, never by a cursor over trigger ids (SQLite reuses them).
ADMISSION_TRIGGER: Final = "airflow_priority_spark.triggers.admission.AdmissionTrigger"

#: The method that every operator of ours goes on with when its job is admitted.
RESUME_METHOD: Final = "resume_admitted"


@dataclass(frozen=True, slots=True)
class Deferral:
    """A task instance that has deferred to the queue and is not parked yet.

    :param created: when, as the creation of its trigger.
    :param kwargs: of the trigger, as they are stored: unread and untrusted.
    :param team: of the DAG's bundle.
    :param tags: of the DAG, by name.
    :param paused: its DAG is paused.
    """

    key: TaskKey
    ti_id: UUID
    try_number: int
    trigger_id: int
    created: datetime.datetime
    kwargs: str
    clear_number: int
    user: str | None
    team: str | None
    bundle: str | None
    tags: tuple[str, ...]
    paused: bool


def deferrals(session: Session, limit: int) -> Sequence[Deferral]:
    """Return tasks that wait for intake, oldest first (at most two statements)."""
    rows = session.execute(_waiting(limit)).all()
    tags = _tags(session, {row.dag_id for row in rows})
    return [
        Deferral(
            key=TaskKey(row.dag_id, row.run_id, row.task_id, row.map_index),
            ti_id=row.ti_id,
            try_number=row.try_number,
            trigger_id=row.trigger_id,
            created=row.created_date,
            kwargs=row.encrypted_kwargs,
            clear_number=row.clear_number,
            user=row.triggering_user_name,
            team=row.team_name,
            bundle=row.bundle_name,
            tags=tuple(tags[row.dag_id]),
            paused=bool(row.is_paused),
        )
        for row in rows
    ]


# Every cycle asks; putting the statement together takes about as long as running it.
@lru_cache(maxsize=4)
def _waiting(limit: int) -> Select[Any]:
    return (
        select(
            TaskInstance.dag_id,
            TaskInstance.run_id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance.id.label("ti_id"),
            TaskInstance.try_number,
            Trigger.id.label("trigger_id"),
            Trigger.created_date,
            Trigger.encrypted_kwargs,
            DagRun.clear_number,
            DagRun.triggering_user_name,
            bundle_team.c.team_name,
            DagModel.bundle_name,
            DagModel.is_paused,
        )
        .join(Trigger, Trigger.id == TaskInstance.trigger_id)
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .join(DagModel, DagModel.dag_id == TaskInstance.dag_id, isouter=True)
        .join(bundle_team, bundle_team.c.dag_bundle_name == DagModel.bundle_name, isouter=True)
        .where(
            Trigger.classpath == ADMISSION_TRIGGER,
            TaskInstance.state == TaskInstanceState.DEFERRED,
            # Says the join already, but so the index finds the few among a hundred thousand parked ones.
            TaskInstance.trigger_id.is_not(None),
        )
        .order_by(Trigger.created_date, Trigger.id)
        .limit(limit)
    )


def _tags(session: Session, dag_ids: Collection[str]) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = defaultdict(list)
    if dag_ids:
        statement = select(DagTag.dag_id, DagTag.name).where(DagTag.dag_id.in_(dag_ids))
        for dag_id, name in session.execute(statement.order_by(DagTag.name)):
            tags[dag_id].append(name)
    return tags
