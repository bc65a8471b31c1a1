# SPDX-License-Identifier: Apache-2.0
"""Which jobs a client asks for, in which order: the query of every list of jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from airflow_priority_spark.api.datamodels.base import GivenInstant, GivenText
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.selection import JobFilter
from airflow_priority_spark.store.sorting import SORTS

Sort = Literal[SORTS]  # type: ignore[valid-type] # the store's names are the only list of them
MAX_PAGE = 500


class Selection(BaseModel):
    """Filters; all that are given must hold."""

    model_config = ConfigDict(extra="forbid")

    state: list[JobState] | None = Field(None, description="One of these states.", max_length=8)
    namespace: GivenText | None = None
    cluster: GivenText | None = Field(None, description="Name of a cluster.")
    pool: GivenText | None = Field(None, description="A priority pool.")
    dag_id: GivenText | None = None
    run_id: GivenText | None = None
    user: GivenText | None = None
    team: GivenText | None = None
    blocking_resource: GivenText | None = Field(None, examples=["memory"])
    end_reason: GivenText | None = Field(None, description="Contained in the reason of an ended job.")
    queued_after: GivenInstant | None = None
    queued_before: GivenInstant | None = None
    search: GivenText | None = Field(
        None, description="Contained in id, DAG, run, task, user, team, service or application, in any case."
    )

    def of_dags(self, dag_ids: frozenset[str] | None) -> JobFilter:
        """Return the filter for the store.

        :param dag_ids: what who asks may read.
        """
        given = self.model_dump(include=set(Selection.model_fields))
        return JobFilter(states=given.pop("state"), dag_ids=dag_ids, **given)


class ListQuery(Selection):
    """Filters, order and place of a page."""

    sort: Sort = Field("position", description="A name; after a minus sign: in the opposite order.")
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    after: str | None = Field(None, max_length=4000, description="The `next` of the page before.")
    group: Literal["mapped"] | None = Field(
        None, description="mapped: the jobs of a mapped task are one row, that of the first of them."
    )


class ExportQuery(Selection):
    """Filters and order of an export."""

    sort: Sort = Field("position", description="A name; after a minus sign: in the opposite order.")
    limit: int = Field(100_000, ge=1, le=1_000_000)


ListQueryDep = Annotated[ListQuery, Query()]
