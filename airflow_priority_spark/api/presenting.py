# SPDX-License-Identifier: Apache-2.0
"""From what the store reads to what the API answers."""

from __future__ import annotations

from typing import Any

from airflow_priority_spark.api.access import Access
from airflow_priority_spark.api.datamodels import jobs as answers
from airflow_priority_spark.api.offers import offered
from airflow_priority_spark.store.job_lists import MappedTask
from airflow_priority_spark.store.job_reads import JobSummary


def job_fields(job: JobSummary, access: Access, mapped: MappedTask | None = None) -> dict[str, Any]:
    """Return the fields of a job's answer."""
    return {
        "id": job.id,
        "dag_id": job.task.dag_id,
        "run_id": job.task.run_id,
        "task_id": job.task.task_id,
        "map_index": job.task.map_index,
        "try_number": job.try_number,
        "ti_id": str(job.ti_id),
        "cluster": job.cluster,
        "namespace": job.namespace,
        "queue_id": job.queue_id,
        "pool": job.pool,
        "state": job.state.value,
        "flow": job.flow,
        "position": job.position,
        "ahead": job.position - 1 if job.position is not None else None,
        "wait_seconds": job.wait_seconds,
        "blocking_resource": job.blocking_resource,
        "verdict": answers.Verdict(**job.verdict) if job.verdict else None,
        "ineligible": job.ineligible,
        "held_reason": job.held_reason or None,
        "sentence": job.sentence,
        "reason": job.reason,
        "demand": job.demand.as_dict(),
        "admission": job.admission,
        "reschedules": job.reschedules,
        "application": job.application,
        "application_state": job.application_state,
        "user": job.user,
        "team": job.team,
        "service": job.service,
        "queued_at": job.queued_at,
        "admitted_at": job.admitted_at,
        "submitted_at": job.submitted_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "actions": offered(job) if access.may_act(job.task.dag_id) else [],
        "mapped": answers.Mapped(count=mapped.count, states=dict(mapped.states)) if mapped else None,
    }


def job_answer(job: JobSummary, access: Access, mapped: MappedTask | None = None) -> answers.Job:
    """Return a job as lists show it."""
    return answers.Job(**job_fields(job, access, mapped))
