# SPDX-License-Identifier: Apache-2.0
"""Who asks, and what they may do, so that a page shows no button that would be refused."""

from __future__ import annotations

from airflow.configuration import conf
from fastapi import APIRouter
from pydantic import Field

from airflow_priority_spark.api.datamodels.base import Answer
from airflow_priority_spark.api.dependencies import AccessDep

router = APIRouter(tags=["me"])


class Me(Answer):
    """A user's rights."""

    user: str = Field(examples=["alice"])
    can_edit_queues: bool = Field(description="Queues, limits and flows: an administrator's right.")
    can_act: bool = Field(description="On the jobs of at least one DAG.")
    time_zone: str = Field(description="Airflow's default time zone.", examples=["utc"])


@router.get("/me")
def who_am_i(access: AccessDep) -> Me:
    """Tell who asks and what they may do."""
    return Me(
        user=access.name,
        can_edit_queues=access.may_edit_queues,
        can_act=access.may_act_at_all(),
        time_zone=conf.get("core", "default_timezone", fallback="utc"),
    )
