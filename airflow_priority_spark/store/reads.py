# SPDX-License-Identifier: Apache-2.0
"""What people and programs see: queues, jobs, pictures of the clusters, the arbiter.

The command line, the API and the live table read here and nowhere else, so that they say the same.
Every function is a fixed number of statements, whatever the number of jobs, and returns frozen
values that need no session any more. ``now`` is given by the caller; durations are seconds.
"""

from __future__ import annotations

from airflow_priority_spark.store.job_reads import (
    EventRow,
    GrantSummary,
    JobDetail,
    JobPage,
    JobSummary,
    get_job,
    list_jobs,
)
from airflow_priority_spark.store.over_limits import limits_now
from airflow_priority_spark.store.queue_reads import HeadSummary, PoolSummary, QueueSummary, list_queues
from airflow_priority_spark.store.selection import JobFilter
from airflow_priority_spark.store.status_reads import (
    ArbiterStatus,
    ClusterPicture,
    arbiter_status,
    latest_snapshots,
)

__all__ = [
    "ArbiterStatus",
    "ClusterPicture",
    "EventRow",
    "GrantSummary",
    "HeadSummary",
    "JobDetail",
    "JobFilter",
    "JobPage",
    "JobSummary",
    "PoolSummary",
    "QueueSummary",
    "arbiter_status",
    "get_job",
    "latest_snapshots",
    "limits_now",
    "list_jobs",
    "list_queues",
]
