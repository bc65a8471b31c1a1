# SPDX-License-Identifier: Apache-2.0
"""One job."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from airflow_priority_spark.api.access import Access
from airflow_priority_spark.api.datamodels import jobs as answers
from airflow_priority_spark.api.datamodels.base import amounts
from airflow_priority_spark.api.dependencies import AccessDep, NowDep, SessionDep, SettingsDep
from airflow_priority_spark.api.presenting import job_fields
from airflow_priority_spark.errors import NotFound
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import Demand
from airflow_priority_spark.spark.demand import describe_demand
from airflow_priority_spark.store.job_ids import is_cleaned_up
from airflow_priority_spark.store.job_story import (
    EVENTS,
    Ahead,
    JobStory,
    dag_and_state,
    events_after,
    job_story,
)
from airflow_priority_spark.store.over_limits import limits_now

router = APIRouter(tags=["jobs"])

JobId = Annotated[UUID, Path(description="A job's id.", examples=["0198f3a0-7c1e-7b6e-9d7e-3d3e0b6f1c55"])]

_STATUS = {JobState.SUCCEEDED: 200, JobState.FAILED: 204, JobState.CANCELLED: 204}


def not_found(job_id: UUID) -> NotFound:
    """Return the answer for a job that is not there, or that who asks may not know of."""
    return NotFound(f"no job has the id {job_id}, or you may not read its DAG")


def check_readable(session: Session, access: Access, job_id: UUID) -> JobState:
    """Accept a job that may be read; return its state.

    :raises NotFound: also when it is there and may not be read, so that ids cannot be guessed.
    """
    found = dag_and_state(session, job_id)
    if found is None or not access.may_read(found[0]):
        raise not_found(job_id)
    return found[1]


@router.get("/jobs/{job_id}")
def get_job(
    job_id: JobId, access: AccessDep, session: SessionDep, now: NowDep, settings: SettingsDep
) -> answers.JobDetail:
    """Tell everything about one job: demand, verdict, position, who is ahead, history and grant."""
    check_readable(session, access, job_id)
    story = job_story(session, job_id, now, limits_now(session, settings))
    if story is None:
        raise not_found(job_id)
    return answers.JobDetail(**job_fields(story.summary, access), **_details(story, access))


def _details(story: JobStory, access: Access) -> dict[str, Any]:
    return {
        "demand_detail": _demand(story),
        "events": [answers.Event.of(event) for event in story.events],
        "grant": answers.Grant.of(story.grant) if story.grant else None,
        "ahead_jobs": [_ahead(each, access) for each in story.ahead],
        "waits_in_airflow": story.waits_in_airflow,
    }


def _demand(story: JobStory) -> answers.DemandDetail:
    return answers.DemandDetail(
        driver=_pods(story.demand, "driver"),
        executor=_pods(story.demand, "executor"),
        objects=amounts(story.demand.objects),
        explain=describe_demand(story.demand),
        declared=describe_demand(story.declared) if story.declared else None,
        exceeded=story.exceeds_demand,
    )


def _pods(demand: Demand, name: str) -> answers.PodSet | None:
    for pods in demand.pod_sets:
        if pods.name == name:
            return answers.PodSet(
                count=pods.count,
                requests=amounts(pods.requests),
                limits=amounts(pods.limits),
                node_selector=dict(pods.node_selector),
                tolerations=[toleration._asdict() for toleration in pods.tolerations],
            )
    return None


def _ahead(job: Ahead, access: Access) -> answers.JobAhead:
    if access.may_read(job.dag_id):
        return answers.JobAhead.of(job)
    hidden = "a job of a DAG that you may not read"
    return answers.JobAhead(id=None, pool=job.pool, dag_id=None, task_id=None, sentence=hidden)


@router.head(
    "/jobs/{job_id}",
    status_code=200,
    responses={
        200: {"description": "It has ended well."},
        202: {"description": "It waits or runs."},
        204: {"description": "It failed or was cancelled."},
        410: {"description": "It ended so long ago that it was cleaned up."},
    },
)
def check_job(
    job_id: JobId, access: AccessDep, session: SessionDep, now: NowDep, settings: SettingsDep
) -> Response:
    """Tell by the status alone what became of a job."""
    if dag_and_state(session, job_id) is None and is_cleaned_up(job_id, now, settings.retention_seconds):
        return Response(status_code=410)
    return Response(status_code=_STATUS.get(check_readable(session, access, job_id), 202))


@router.get("/jobs/{job_id}/events")
def list_events(
    job_id: JobId,
    access: AccessDep,
    session: SessionDep,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="Only events behind this id.")] = 0,
) -> answers.Events:
    """List what happened to a job, oldest first; ask again with `next` for what comes."""
    check_readable(session, access, job_id)
    events = events_after(session, str(job_id), after, EVENTS)
    return answers.Events(
        events=[answers.Event.of(event) for event in events], next=events[-1].id if events else after
    )
