# SPDX-License-Identifier: Apache-2.0
"""Jobs as a table for spreadsheets: the filters of the list, without pages."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from airflow.utils.session import create_session
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from airflow_priority_spark.api.dependencies import AccessDep, NowDep, SettingsDep
from airflow_priority_spark.api.filters import ExportQuery
from airflow_priority_spark.store.job_lists import page_of_jobs
from airflow_priority_spark.store.job_reads import JobSummary
from airflow_priority_spark.store.over_limits import limits_now
from airflow_priority_spark.store.sorting import Order

router = APIRouter(tags=["jobs"])

COLUMNS: Final = (
    *("id", "dag_id", "run_id", "task_id", "map_index", "try_number", "cluster", "namespace", "pool"),
    *("state", "flow", "position", "wait_seconds", "blocking_resource", "sentence", "reason"),
    *("cpu_millicores", "memory_bytes", "pods", "admission", "reschedules", "application"),
    *("application_state", "user", "team", "service"),
    *("queued_at", "admitted_at", "submitted_at", "started_at", "ended_at"),
)
#: Jobs read at a time.
_CHUNK: Final = 500
#: What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@router.get(
    "/jobs.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The table."}},
)
def export_jobs(
    query: Annotated[ExportQuery, Query()], access: AccessDep, now: NowDep, settings: SettingsDep
) -> StreamingResponse:
    """Export jobs as CSV; what a spreadsheet would take for a formula is quoted."""
    wanted, order = query.of_dags(access.readable), Order(query.sort)

    def lines() -> Iterator[str]:
        yield _line(COLUMNS)
        after, left = None, query.limit
        while left > 0:
            # A session for each chunk: a slow reader must not hold a transaction open.
            with create_session(scoped=False) as session:
                people = limits_now(session, settings)
                size = min(left, _CHUNK)
                page = page_of_jobs(session, wanted, order, now, limit=size, after=after, people=people)
            yield "".join(_line(_row(listed.summary)) for listed in page.jobs)
            left -= len(page.jobs)
            after = page.next
            if after is None:
                return

    headers = {"Content-Disposition": 'attachment; filename="jobs.csv"'}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


def _row(job: JobSummary) -> list[str]:
    more = {
        "dag_id": job.task.dag_id,
        "run_id": job.task.run_id,
        "task_id": job.task.task_id,
        "map_index": job.task.map_index,
        "cpu_millicores": job.demand["cpu"],
        "memory_bytes": job.demand["memory"],
        "pods": job.demand["pods"],
    }
    values = [more[name] if name in more else getattr(job, name) for name in COLUMNS]
    return [_text(value) for value in values]


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{value}" if value.startswith(_FORMULA) else value


def _line(values: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue()
