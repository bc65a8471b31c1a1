# SPDX-License-Identifier: Apache-2.0
"""Pods that are a job by themselves, seen as its application.

Not every job is a SparkApplication: an operator with ``AdmissionMixin`` makes pods of its own, which carry
the job's labels and no role of Spark's. For the arbiter such a pod is what an application is: it appears,
runs, ends, must not outlive its job, and keeps the next attempt waiting. So it gets the same view, its phase
in the words of application states; nothing else has to know the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from airflow_priority_spark.cluster.applications import ApplicationView
from airflow_priority_spark.cluster.convert import LABEL_ROLE, PodRecord, instant, pod
from airflow_priority_spark.cluster.kinds import PODS
from airflow_priority_spark.spark.identity import LABEL_JOB
from airflow_priority_spark.spark.states import COMPLETED, FAILED, RUNNING, SUBMITTED

_STATES: Final = {"Pending": SUBMITTED, "Running": RUNNING, "Succeeded": COMPLETED, "Failed": FAILED}


@dataclass(frozen=True, slots=True)
class WatchedPod:
    """A pod for the capacity, and, if it is a job of its own, for the jobs."""

    record: PodRecord
    application: ApplicationView | None = None


def watched_pod(raw: Mapping[str, Any]) -> WatchedPod:
    """Convert a pod."""
    return WatchedPod(pod(raw), job_pod(raw))


def job_pod(raw: Mapping[str, Any]) -> ApplicationView | None:
    """Return a pod as its job's application; ``None`` for Spark's pods and those of no job."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    labels = metadata.get("labels") or {}
    if LABEL_JOB not in labels or LABEL_ROLE in labels:
        return None
    phase = status.get("phase") or "Pending"
    return ApplicationView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=str(metadata.get("uid") or ""),
        state=_STATES.get(phase, phase.upper()),
        error=str(status.get("message") or ""),
        created=instant(metadata.get("creationTimestamp")) or 0.0,
        deleting=bool(metadata.get("deletionTimestamp")),
        labels=labels,
        kind=PODS,
        controlled=any(owner.get("controller") for owner in metadata.get("ownerReferences") or ()),
    )
