# SPDX-License-Identifier: Apache-2.0
"""Jobs whose lost attempt left no application behind: they look for nothing any more, and stand in line.

While such a job looks, others may pass it. So it is made an ordinary one before the decision of the cycle
that found nothing, not with it: else a job behind it would pass in the very moment in which it is found to
stand in line.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection

from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.leadership import Leadership


def abandon(
    context: Context, leadership: Leadership, job_ids: Collection[str], now: datetime.datetime
) -> None:
    """Make jobs ordinary waiting ones; the grants of their lost attempts end.

    :param job_ids: jobs that had hoped to take up an application, and have none.
    :raises LeadershipLost: when another arbiter leads; nothing was written.
    """
    with leadership.transaction() as session:
        found = [
            job
            for job in jobs.jobs_by_id(session, job_ids).values()
            if job.adopt and job.state == JobState.QUEUED.value
        ]
        for job in found:
            job.adopt = False
            job.ineligible, job.ineligible_detail = None, ""
            job.application_name = job.application_uid = job.application_state = None
            jobs.note(session, job, "the lost attempt left no application", context.actor, now)
        jobs.release_grants(session, [job.id for job in found])
