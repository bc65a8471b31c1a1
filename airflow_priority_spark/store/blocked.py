# SPDX-License-Identifier: Apache-2.0
"""How many jobs wait behind what, at this moment: noted with each picture of a cluster, for the heat map.

Only a pool's head is blocked by a resource, but everybody behind it waits for the same. So the whole line
counts for what its head waits for.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.models import Job, Queue


def waiting_for(session: Session, cluster_id: str) -> dict[str, dict[str, int]]:
    """Return namespace → blocking resource → queued jobs of a cluster (two statements, or one)."""
    of_cluster = (Queue.cluster_id == cluster_id, Job.state == JobState.QUEUED.value)
    # Never missing: only jobs that have one are asked.
    blocking: Any = func.min(Job.blocking_resource)
    heads = {
        (queue_id, pool): (namespace, resource)
        for queue_id, pool, namespace, resource in session.execute(
            select(Job.queue_id, Job.pool, Queue.namespace, blocking)
            .join(Queue, Queue.id == Job.queue_id)
            .where(*of_cluster, Job.blocking_resource.is_not(None))
            .group_by(Job.queue_id, Job.pool, Queue.namespace)
        )
    }
    if not heads:
        return {}
    found: dict[str, dict[str, int]] = defaultdict(dict)
    lines = session.execute(
        select(Job.queue_id, Job.pool, func.count())
        .where(
            Job.state == JobState.QUEUED.value, Job.queue_id.in_(sorted({queue_id for queue_id, _ in heads}))
        )
        .group_by(Job.queue_id, Job.pool)
    )
    for queue_id, pool, count in lines:
        if (queue_id, pool) in heads:
            namespace, resource = heads[queue_id, pool]
            found[namespace][resource] = found[namespace].get(resource, 0) + count
    return dict(found)
