# SPDX-License-Identifier: Apache-2.0
"""Rows of our own tables for the store's tests."""

from __future__ import annotations

import datetime
import itertools
from uuid import uuid4

from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.scheduling.model import QueueKey
from airflow_priority_spark.spark.request import ConnectionRef, demand_to_json
from airflow_priority_spark.store.jobs import create_job
from airflow_priority_spark.store.models import Job, Queue
from airflow_priority_spark.store.queues import ensure_queue, remember_cluster
from tests.builders import NOW, make_demand

CLUSTER = "c0ffee00-0000-4000-8000-000000000001"
_NUMBERS = itertools.count(1)


def make_queue(session: Session, namespace: str = "team-a", *, cluster: str = "spark-prod") -> Queue:
    """Return the queue of a namespace, with the priority pools ``high`` and ``normal``."""
    cluster_id = CLUSTER if cluster == "spark-prod" else f"id-of-{cluster}"
    remember_cluster(session, f"alias of {cluster}", cluster_id, cluster, NOW)
    row = ensure_queue(session, QueueKey(cluster_id, namespace), {"high": 90, "normal": 10}, NOW)
    return session.get_one(Queue, row.id)


def make_job(
    session: Session,
    queue: Queue,
    *,
    state: JobState = JobState.QUEUED,
    enqueued_at: datetime.datetime = NOW,
    reason: str = "enqueued",
    **columns: object,
) -> Job:
    """Return a job row with its first event; tasks are numbered unless named."""
    number = next(_NUMBERS)
    row = {
        "dag_id": "etl",
        "run_id": "run-1",
        "task_id": f"task-{number}",
        "map_index": -1,
        "ti_id": uuid4(),
        "try_number": 1,
        "clear_number": 0,
        "deferred_at": enqueued_at,
        "pool": "normal",
        "flow": "priority",
        "parked": state is JobState.QUEUED,
        "demand": demand_to_json(make_demand()),
        "connection": ConnectionRef().to_json(),
        **columns,
    }
    return create_job(
        session,
        state,
        reason,
        "arbiter",
        queue_id=queue.id,
        position_at=enqueued_at,
        position_id=number,
        queued_at=enqueued_at,
        **row,
    )
