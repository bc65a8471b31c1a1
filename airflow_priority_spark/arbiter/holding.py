# SPDX-License-Identifier: Apache-2.0
"""Hold the jobs of paused DAGs, and release what nothing holds any more.

A DAG may have fifty thousand waiting jobs, so they are held and released in batches. Until one is held, it
is simply not looked at: the cycle knows which DAGs are paused.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from airflow_priority_spark.arbiter.context import Context
from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.store import jobs
from airflow_priority_spark.store.holding import (
    drained_to_release,
    paused_dags,
    queued_jobs_of,
    unpaused_to_release,
)
from airflow_priority_spark.store.leadership import Leadership
from airflow_priority_spark.store.models import Job

BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Held:
    """What was done.

    :param paused: DAGs that are paused and have queued jobs.
    :param more: a batch was full: there is more to do at once.
    """

    paused: frozenset[str]
    more: bool


def hold_and_release(context: Context, leadership: Leadership, now: datetime.datetime) -> Held:
    """Bring held jobs in step with what holds them, a batch of each kind."""
    with leadership.sessions() as session:
        paused = frozenset(paused_dags(session))
        if not paused and not unpaused_to_release(session, 1) and not drained_to_release(session, 1):
            return Held(paused, more=False)
    with leadership.transaction() as session:
        to_hold = queued_jobs_of(session, paused, BATCH) if paused else ()
        for job in to_hold:
            jobs.hold(session, job, HeldReason.PAUSED, "the DAG is paused", context.actor, now)
        unpaused = unpaused_to_release(session, BATCH)
        drained = drained_to_release(session, BATCH)
        released: Sequence[tuple[Sequence[Job], str]] = (
            (unpaused, "the DAG is not paused any more"),
            (drained, "the queue does not drain any more"),
        )
        for found, text in released:
            for job in found:
                jobs.move(session, job, JobState.QUEUED, text, context.actor, now)
    return Held(paused, more=max(len(to_hold), len(unpaused), len(drained)) == BATCH)
