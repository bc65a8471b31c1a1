# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark queue …``."""

from __future__ import annotations

import datetime
from argparse import Namespace
from typing import Any

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark import settings
from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import print_rows
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.cli.watching import watched
from airflow_priority_spark.store import reads


@suppress_logs_and_warning
@providers_configuration_loaded
@watched
@in_one_line
def list_queues(args: Namespace) -> None:
    """Print one row for each priority pool of each queue."""
    with reading() as session:
        people = reads.limits_now(session, settings.load())
        queues = reads.list_queues(session, datetime.datetime.now(datetime.UTC), people=people)
    print_rows([pool_row(queue, pool) for queue in queues for pool in queue.pools], args.output)


def pool_row(queue: reads.QueueSummary, pool: reads.PoolSummary) -> dict[str, Any]:
    """Return what is shown of a priority pool."""
    head = pool.head
    return {
        "cluster": queue.cluster,
        "namespace": queue.namespace,
        "condition": condition(queue),
        "pool": pool.name,
        "weight": pool.weight,
        "queued": pool.length,
        "held": pool.held,
        "active": pool.active,
        "running": pool.running,
        "oldest_wait_seconds": pool.oldest_wait_seconds,
        "head": head.task.readable() if head else None,
        "blocked_by": head.blocking_resource if head else None,
        "waits_for": head.sentence if head else None,
    }


def condition(queue: reads.QueueSummary) -> str:
    """Say whether the queue is open, paused (admits nothing) or draining (holds what is new)."""
    if queue.paused:
        return "paused"
    return "draining" if queue.draining else "open"
