# SPDX-License-Identifier: Apache-2.0
"""Every metric: its name, kind, labels and meaning.

One table, from which the families, the documentation and the checks of dashboards and rules are made.
Names and units follow Kueue's: base units, ``_total`` on counters, a status or result as a label. Amounts
of a ``resource`` are cores for cpu, bytes for what is measured in bytes, else numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

PREFIX: Final = "priority_spark_"

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family.

    :param key: its name without prefix, and without the ``_total`` of a counter.
    """

    key: str
    kind: Kind
    labels: tuple[str, ...]
    help: str

    @property
    def name(self) -> str:
        """The name as Prometheus shows it; of a histogram without ``_bucket``."""
        return PREFIX + self.key + ("_total" if self.kind == "counter" else "")


_QUEUE: Final = ("cluster", "namespace")
_LINE: Final = (*_QUEUE, "pool")
_AMOUNT: Final = (*_QUEUE, "resource")

CATALOGUE: Final = (
    Metric(
        "pending_jobs",
        "gauge",
        (*_LINE, "status", "blocking_resource"),
        "Jobs that wait, by status: active, blocked (by which resource), held, paused, limit, "
        "previous-attempt.",
    ),
    Metric("admitted_active_jobs", "gauge", _LINE, "Jobs that are admitted and have not ended."),
    Metric("running_jobs", "gauge", _LINE, "Jobs whose driver runs."),
    Metric("oldest_wait_seconds", "gauge", _LINE, "Age of the job that has waited longest."),
    Metric(
        "oldest_unstarted_admission_seconds",
        "gauge",
        _LINE,
        "Age of the oldest admission of which no application has come yet.",
    ),
    Metric("head_age_seconds", "gauge", _LINE, "How long the head of a priority pool has waited."),
    Metric("head_blocked_seconds", "gauge", _LINE, "How long capacity has blocked the head; 0: it is not."),
    Metric(
        "head_missing",
        "gauge",
        (*_LINE, "resource"),
        "What the blocked head lacks of the resource that blocks it, beyond what is free.",
    ),
    Metric(
        "queue_status", "gauge", (*_QUEUE, "status"), "1 for the status of a queue: active, paused, draining."
    ),
    Metric(
        "quota_hard", "gauge", _AMOUNT, "The tightest limit of a namespace's quotas and declared capacity."
    ),
    Metric("quota_used", "gauge", _AMOUNT, "What pods use of it, of whomever they are."),
    Metric("quota_granted", "gauge", _AMOUNT, "What admitted jobs of the queue were promised."),
    Metric("quota_free", "gauge", _AMOUNT, "What the next job can get."),
    Metric(
        "usage",
        "gauge",
        (*_LINE, "team", "dag_id", "resource"),
        "What admitted jobs hold; DAGs and teams beyond the largest are other.",
    ),
    Metric(
        "job_usage",
        "gauge",
        (*_QUEUE, "dag_id", "task_id", "job_id", "resource"),
        "What each of the largest jobs holds.",
    ),
    Metric("ended_grants", "gauge", _QUEUE, "Grants of ended jobs whose pods are not known to be gone."),
    Metric("oldest_ended_grant_seconds", "gauge", _QUEUE, "How long the first of those jobs has ended."),
    Metric("nodes", "gauge", ("cluster", "status"), "Nodes of a cluster, by status: ready, unready."),
    Metric("node_allocatable", "gauge", ("cluster", "resource"), "What ready nodes have for pods."),
    Metric("node_requested", "gauge", ("cluster", "resource"), "What pods on nodes ask for."),
    Metric("snapshot_age_seconds", "gauge", ("cluster",), "Age of the newest picture of a cluster."),
    Metric("snapshot_fresh", "gauge", ("cluster",), "1 while the watches of a cluster are in step."),
    Metric("unresolved_connections", "gauge", (), "Connections that lead to no cluster."),
    Metric("arbiter_leading", "gauge", (), "1 while an arbiter holds the lease."),
    Metric("arbiter_last_cycle_age_seconds", "gauge", (), "Since the last cycle that was recorded."),
    Metric("leader_changes", "counter", (), "How often an arbiter took the lead."),
    Metric("queued_jobs", "counter", _LINE, "Jobs that came."),
    Metric("retried_jobs", "counter", _LINE, "Jobs that came after an earlier attempt of their task."),
    Metric(
        "admission_attempts",
        "counter",
        (*_LINE, "result"),
        "Looks at a job at the front, by result: admitted, blocked, impossible.",
    ),
    Metric("admitted_jobs", "counter", _LINE, "Admissions."),
    Metric("rescheduled_jobs", "counter", (*_LINE, "cause"), "Admitted jobs that returned to the queue."),
    Metric("starved_jobs", "counter", _LINE, "Running jobs whose executors found no room for too long."),
    Metric("timeouts", "counter", (*_LINE, "cause"), "Heads, waits and admissions that timed out."),
    Metric("cancelled_jobs", "counter", (*_LINE, "cause"), "Jobs that were cancelled."),
    Metric(
        "finished_jobs", "counter", (*_LINE, "outcome", "cause"), "Jobs that ended, by outcome and cause."
    ),
    Metric("watch_restarts", "counter", ("cluster", "kind"), "Watches that ended otherwise than on time."),
    Metric(
        "api_errors", "counter", ("cluster", "kind"), "Requests of watches that a cluster did not answer."
    ),
    Metric("failed_cycles", "counter", (), "Cycles that ended with an error."),
    Metric("queue_wait_seconds", "histogram", _LINE, "From enqueueing, or from the return, to admission."),
    Metric("admission_to_running_seconds", "histogram", _LINE, "From admission until the driver runs."),
    Metric("run_seconds", "histogram", (*_LINE, "outcome"), "From the start of the driver to the job's end."),
    Metric("cycle_duration_seconds", "histogram", (), "How long the arbiter's cycles take."),
    Metric("build_info", "gauge", ("version", "airflow_version", "python_version"), "Always 1."),
    Metric("scrape_duration_seconds", "gauge", (), "How long it took to collect all this."),
)

BY_KEY: Final = {metric.key: metric for metric in CATALOGUE}

#: Counters that say 0 before the first event, with the labels behind the pool. Prometheus takes a series that
#: begins with 1 for one that was never less, so the first starved job of a pool would raise no alert.
FROM_THE_START: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "retried_jobs": ((),),
    "admitted_jobs": ((),),
    "starved_jobs": ((),),
    "rescheduled_jobs": (("stale-quota",), ("starved",)),
    "timeouts": (("head-timeout",), ("queue-timeout",), ("admission-expired",)),
    "finished_jobs": (("succeeded", ""), ("failed", "task-failed")),
    "failed_cycles": ((),),
}
