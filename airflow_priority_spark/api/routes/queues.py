# SPDX-License-Identifier: Apache-2.0
"""Queues: how long each line is, who is at its head, what that waits for, and the settings."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from airflow_priority_spark.api.access import Access
from airflow_priority_spark.api.datamodels import queues as answers
from airflow_priority_spark.api.dependencies import AccessDep, NowDep, SessionDep, SettingsDep
from airflow_priority_spark.errors import NotFound
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.capacity_reads import usage_of
from airflow_priority_spark.store.job_lists import hidden_jobs
from airflow_priority_spark.store.over_limits import people_limits
from airflow_priority_spark.store.queue_reads import HeadSummary, PoolSummary, QueueSummary
from airflow_priority_spark.store.queue_reads import list_queues as read_queues
from airflow_priority_spark.store.settings_reads import Value, pool_values, queue_values
from airflow_priority_spark.store.site import read_site, rules
from airflow_priority_spark.store.status_reads import latest_snapshots

router = APIRouter(tags=["queues"])

QueueId = Annotated[int, Path(ge=1, le=2**31 - 1, description="A queue's number.", examples=[1])]


@router.get("/queues")
def list_queues(access: AccessDep, session: SessionDep, now: NowDep, settings: SettingsDep) -> answers.Queues:
    """List all queues with their priority pools and usage."""
    return answers.Queues(
        queues=_queues(session, access, settings, now),
        hidden_jobs=hidden_jobs(session, access.readable),
        taken_at=now,
    )


def _queues(
    session: Session, access: Access, settings: Settings, now: datetime.datetime
) -> list[answers.Queue]:
    site = read_site(session, settings)
    pictures = {picture.cluster_id: picture.data for picture in latest_snapshots(session, now)}
    people = people_limits(session, rules(site))
    found = read_queues(session, now, protection_seconds=site.head_protection_seconds, people=people)
    return [_queue(queue, pictures.get(queue.cluster_id), access) for queue in found]


def _queue(queue: QueueSummary, picture: dict | None, access: Access) -> answers.Queue:
    usage = usage_of(queue.namespace, picture, queue.capacity, queue.granted)
    return answers.Queue.of(
        queue,
        pools=[_pool(pool, access) for pool in queue.pools],
        resources=[answers.Usage.of(each) for each in usage],
        blocking=list(queue.blocking),
    )


def _pool(pool: PoolSummary, access: Access) -> answers.Pool:
    head = _head(pool.head, access, pool.protecting) if pool.head else None
    return answers.Pool.of(pool, head=head)


def _head(head: HeadSummary, access: Access, protecting: bool) -> answers.Head:
    seen = head.task.dag_id in access.readable
    return answers.Head.of(
        head,
        job_id=head.job_id if seen else None,
        dag_id=head.task.dag_id if seen else None,
        task_id=head.task.task_id if seen else None,
        protecting=protecting,
    )


def find(queues: Sequence[answers.Queue], queue_id: int) -> answers.Queue:
    """Return one of the queues.

    :raises NotFound: when there is no such queue.
    """
    for queue in queues:
        if queue.id == queue_id:
            return queue
    raise NotFound(f"no queue has the number {queue_id}; GET /queues lists them")


@router.get("/queues/{queue_id}")
def get_queue(
    queue_id: QueueId, access: AccessDep, session: SessionDep, now: NowDep, settings: SettingsDep
) -> answers.QueueDetail:
    """Tell everything about one queue, with where each of its settings comes from and since when."""
    values = queue_values(session, queue_id, settings)
    queue = find(_queues(session, access, settings, now), queue_id)
    if values is None:
        raise NotFound(f"no queue has the number {queue_id}; GET /queues lists them")
    pools = pool_values(session, queue_id, values)
    return answers.QueueDetail.of(
        queue,
        settings=_settings(values),
        pool_settings={name: _settings(of_pool) for name, of_pool in pools.items()},
    )


def _settings(values: Mapping[str, Value]) -> dict[str, answers.Setting]:
    return {key: answers.Setting.of(value) for key, value in values.items()}
