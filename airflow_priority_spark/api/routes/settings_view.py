# SPDX-License-Identifier: Apache-2.0
"""Every setting that holds, where it comes from, since when and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.orm import Session

from airflow_priority_spark.api.datamodels.base import Answer
from airflow_priority_spark.api.datamodels.queues import Setting
from airflow_priority_spark.api.dependencies import AccessDep, SessionDep, SettingsDep
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.all_settings import own_settings
from airflow_priority_spark.store.settings_reads import configured, site_values

router = APIRouter(tags=["settings"])


class SettingRow(Setting):
    """One value of the site, a cluster, a queue or a pool."""

    source: str = Field(description="pool, queue, cluster, site, airflow.cfg or default.", examples=["site"])
    scope: str = Field(description="site, cluster, queue or pool.", examples=["site"])
    where: str = Field(description="Whose it is; empty for the site.", examples=["spark-prod/team-a"])
    queue_id: int | None = Field(description="Of a queue and its pools.", examples=[1])
    key: str = Field(examples=["head_timeout_seconds"])
    description: str | None = Field(description="Of an option of the site.")


class SettingRows(Answer):
    """Every value that holds, where it comes from and since when."""

    settings: list[SettingRow]


@router.get("/settings")
def list_settings(_access: AccessDep, session: SessionDep, settings: SettingsDep) -> SettingRows:
    """List every value of the site, and what clusters, queues and pools have of their own.

    What they inherit is not repeated; `GET /queues/{queue_id}` has all that holds for one queue.
    """
    own = [
        SettingRow.of(
            each.value,
            scope=each.scope,
            where=each.where,
            queue_id=each.queue_id,
            key=each.key,
            description=None,
        )
        for each in own_settings(session)
    ]
    return SettingRows(settings=[*_site(session, settings), *own])


def _site(session: Session, settings: Settings) -> Iterator[SettingRow]:
    set_while_running = site_values(session, settings)
    for option in fields(Settings):
        value = set_while_running.get(option.name) or configured(settings, option.name)
        yield SettingRow.of(
            value,
            scope="site",
            where="",
            queue_id=None,
            key=option.name,
            description=option.metadata["description"],
        )
