# SPDX-License-Identifier: Apache-2.0
"""Deployment flows: which are set, and moving many jobs between them in one call."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import Field, model_validator

from airflow_priority_spark.api.acting import ActorDep, open_session
from airflow_priority_spark.api.datamodels.acts import MOST, Act, Refused
from airflow_priority_spark.api.datamodels.base import Answer, GivenText, Instant
from airflow_priority_spark.api.dependencies import AccessDep, SessionDep
from airflow_priority_spark.arbiter import actions

router = APIRouter(tags=["flows"])


class Flow(Answer):
    """A flow that was set for many jobs; of several that fit a job, the most specific decides."""

    scope: str = Field(description="dag_id, team, namespace or site.", examples=["namespace"])
    value: str = Field(description="Empty for the site.", examples=["team-a"])
    flow: str = Field(examples=["observe"])
    since: Instant
    by: str = Field(examples=["alice"])


class Flows(Answer):
    """All flows that were set, the most specific first."""

    flows: list[Flow]


class Migration(Act):
    """Whose jobs move, and where to."""

    scope: Literal["dag_id", "team", "namespace", "site"]
    value: GivenText = Field("", description="Name of the DAG, team or namespace; empty for the site.")
    to: Literal["priority", "observe", "legacy"]
    dry_run: bool = Field(False, description="Change nothing, only tell what would be.")

    @model_validator(mode="after")
    def _named(self) -> Migration:
        if (self.scope == "site") == bool(self.value):
            raise ValueError("a value together with dag_id, team and namespace, and none with site")
        return self


class Migrated(Answer):
    """What a migration did, or would do."""

    override: bool = Field(description="Jobs to come take the flow from now on, which they did not before.")
    moved: int = Field(description="Waiting jobs that moved.", examples=[40])
    stayed: list[Refused] = Field(description=f"The first {MOST} that are held, each with the reason.")
    stayed_count: int = Field(examples=[0])
    dry_run: bool


@router.get("/flows")
def list_flows(access: AccessDep, session: SessionDep) -> Flows:
    """List the flows that were set; those of DAGs that may not be read are left out."""
    rows = [
        row
        for row in actions.overrides(session)
        if row.scope != "dag_id" or access.may_edit_queues or row.value in access.readable
    ]
    return Flows(flows=[Flow.of(row, since=row.updated_at, by=row.updated_by) for row in rows])


@router.post("/flows/migrate")
def migrate_flow(body: Migration, actor: ActorDep) -> Migrated:
    """Set the flow of jobs to come and move those that wait; to legacy it works without an arbiter."""
    scope = actions.Scope(body.scope, body.value)
    target = {"scope": body.scope, "value": body.value, "to": body.to, "dry_run": body.dry_run}
    with actor.on_many("flow.migrate", target, body.reason) as by:
        actor.require_administrator()
        done = actions.migrate_flow(open_session, scope, body.to, by, dry_run=body.dry_run)
    if not body.dry_run:
        actor.log_site("flow.migrate", target, body.reason)
        if body.to == "legacy":
            actor.tell_later(done.moved, body.reason)
    return Migrated(
        override=done.override,
        moved=len(done.moved),
        stayed=[Refused(id=job_id, detail=detail) for job_id, detail in done.stayed[:MOST]],
        stayed_count=len(done.stayed),
        dry_run=body.dry_run,
    )
