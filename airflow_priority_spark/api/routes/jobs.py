# SPDX-License-Identifier: Apache-2.0
"""Lists of jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path

from airflow_priority_spark.api.datamodels.base import GivenText
from airflow_priority_spark.api.datamodels.jobs import JobPage, TaskJobs
from airflow_priority_spark.api.dependencies import AccessDep, NowDep, SessionDep, SettingsDep
from airflow_priority_spark.api.filters import ListQueryDep
from airflow_priority_spark.api.presenting import job_answer
from airflow_priority_spark.store.job_lists import count_jobs, page_of_jobs
from airflow_priority_spark.store.over_limits import limits_now
from airflow_priority_spark.store.selection import JobFilter
from airflow_priority_spark.store.sorting import Order

router = APIRouter(tags=["jobs"])

#: Attempts of one task that are shown.
_ATTEMPTS = 100


@router.get("/jobs")
def list_jobs(
    query: ListQueryDep, access: AccessDep, session: SessionDep, now: NowDep, settings: SettingsDep
) -> JobPage:
    """List jobs, a page at a time; follow `next` for more."""
    wanted = query.of_dags(access.readable)
    page = page_of_jobs(
        session,
        wanted,
        Order(query.sort),
        now,
        limit=query.limit,
        after=query.after,
        fold=query.group == "mapped",
        people=limits_now(session, settings),
    )
    counts = count_jobs(session, wanted)
    return JobPage(
        jobs=[job_answer(row.summary, access, row.mapped) for row in page.jobs],
        next=page.next,
        hidden=counts.hidden,
        total=counts.total,
    )


@router.get("/task-instances/{dag_id}/{run_id}/{task_id}/{map_index}")
def jobs_of_task(
    dag_id: GivenText,
    run_id: GivenText,
    task_id: GivenText,
    map_index: Annotated[int, Path(ge=-1, le=2**31 - 1, description="-1 when the task is not mapped.")],
    access: AccessDep,
    session: SessionDep,
    now: NowDep,
    settings: SettingsDep,
) -> TaskJobs:
    """List the jobs of one task instance, newest first: one for each try that asked for Spark."""
    if not access.may_read(dag_id):
        raise HTTPException(403, f"you may not read DAG {dag_id!r}")
    wanted = JobFilter(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
    people = limits_now(session, settings)
    page = page_of_jobs(session, wanted, Order("-queued_at"), now, limit=_ATTEMPTS, people=people)
    return TaskJobs(jobs=[job_answer(row.summary, access) for row in page.jobs])
