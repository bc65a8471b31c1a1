# SPDX-License-Identifier: Apache-2.0
"""Every act of a person, in one place: what the command line calls, and whatever else lets people act.

::

    with sessions() as session, session.begin():
        hold_job(session, job_id, By("alice", now, "quarter end first"))

Each act is one transaction of the caller's, and works with or without an arbiter (see ``acting``). It writes
events and audit rows with who and why. What makes no sense is refused, before anything is written, with a
sentence: ``NotFound``, ``InvalidInput`` or ``Conflict``.
"""

from __future__ import annotations

from airflow_priority_spark.arbiter.acting import By, Done, on_each
from airflow_priority_spark.arbiter.declaration import apply_declaration, declared
from airflow_priority_spark.arbiter.flow_actions import (
    Migrated,
    Scope,
    migrate_flow,
    overrides,
    set_flow,
    unset_flow,
)
from airflow_priority_spark.arbiter.job_actions import (
    cancel_job,
    hold_job,
    release_job,
    requeue_job,
    send_to_legacy,
)
from airflow_priority_spark.arbiter.line_actions import Where, change_demand, change_pool, move_job
from airflow_priority_spark.arbiter.queue_actions import (
    Change,
    add_pool,
    drain_queue,
    find_queue,
    pause_queue,
    remove_pool,
    resume_queue,
    set_pool,
    set_queue,
)
from airflow_priority_spark.arbiter.site_actions import find_cluster, set_cluster, set_rules, set_site
from airflow_priority_spark.arbiter.telling import tell_all

__all__ = [
    "By",
    "Change",
    "Done",
    "Migrated",
    "Scope",
    "Where",
    "add_pool",
    "apply_declaration",
    "cancel_job",
    "change_demand",
    "change_pool",
    "declared",
    "drain_queue",
    "find_cluster",
    "find_queue",
    "hold_job",
    "migrate_flow",
    "move_job",
    "on_each",
    "overrides",
    "pause_queue",
    "release_job",
    "remove_pool",
    "requeue_job",
    "resume_queue",
    "send_to_legacy",
    "set_cluster",
    "set_flow",
    "set_pool",
    "set_queue",
    "set_rules",
    "set_site",
    "tell_all",
    "unset_flow",
]
