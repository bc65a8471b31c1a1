# SPDX-License-Identifier: Apache-2.0
"""What a waiting task follows of its application and of its pods: small views of raw objects.

Pods of one job are told by the labels that the job put on them, never by their names. A driver deletes
an executor that has failed within moments, so a picture of the pods that are there would rarely show a
failure; whoever converts the pods therefore remembers every failed one it has seen.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from airflow_priority_spark.cluster.applications import ApplicationView, application
from airflow_priority_spark.cluster.convert import LABEL_ROLE, instant
from airflow_priority_spark.spark.identity import LABEL_ADMISSION, LABEL_JOB

#: Pods of ours that Spark made.
SELECTOR: Final = f"{LABEL_JOB},{LABEL_ROLE}"
DRIVER: Final = "driver"
EXECUTOR: Final = "executor"
#: Failed pods that are remembered per namespace.
REMEMBERED: Final = 2000

PodsKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Followed:
    """An application.

    :param application_id: Spark's own id of the run, empty before the driver runs.
    :param submitted: when the operator last tried to submit it, POSIX seconds.
    :param ended: when its run ended, POSIX seconds.
    """

    view: ApplicationView
    application_id: str = ""
    submitted: float | None = None
    ended: float | None = None

    @property
    def pods_key(self) -> PodsKey:
        """What its pods are labelled with: job and admission."""
        labels = self.view.labels
        return labels.get(LABEL_JOB, ""), labels.get(LABEL_ADMISSION, "")


@dataclass(frozen=True, slots=True)
class SparkPod:
    """A driver or executor pod.

    :param key: job and admission.
    :param created: POSIX seconds.
    :param started: when Spark's container started, POSIX seconds.
    :param unschedulable: the scheduler's message while no node takes it.
    :param deleting: its deletion was asked for.
    :param failure: how it failed, such as ``exit code 137 (OOMKilled)``, empty otherwise.
    """

    namespace: str
    name: str
    role: str
    key: PodsKey
    phase: str
    created: float
    started: float | None = None
    unschedulable: str = ""
    deleting: bool = False
    failure: str = ""

    @property
    def running(self) -> bool:
        """Its container runs and nobody has asked it to end."""
        return self.phase == "Running" and not self.deleting

    @property
    def waiting(self) -> bool:
        """No node takes it."""
        return self.phase == "Pending" and bool(self.unschedulable) and not self.deleting


def followed(raw: Mapping[str, Any]) -> Followed:
    """Convert a SparkApplication."""
    status = raw.get("status") or {}
    return Followed(
        application(raw),
        str(status.get("sparkApplicationId") or ""),
        instant(status.get("lastSubmissionAttemptTime")),
        instant(status.get("terminationTime")),
    )


def spark_pod(raw: Mapping[str, Any]) -> SparkPod:
    """Convert a pod that carries the labels of ``SELECTOR``."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    labels = metadata.get("labels") or {}
    container = _container(status, labels.get(LABEL_ROLE, ""))
    deleting = bool(metadata.get("deletionTimestamp"))
    state = container.get("state") or {}
    began = state.get("running") or state.get("terminated") or {}
    return SparkPod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        role=labels.get(LABEL_ROLE, ""),
        key=(labels.get(LABEL_JOB, ""), labels.get(LABEL_ADMISSION, "")),
        phase=status.get("phase") or "Pending",
        created=instant(metadata.get("creationTimestamp")) or 0.0,
        started=instant(began.get("startedAt")),
        unschedulable=_unschedulable(status),
        deleting=deleting,
        # Whoever deletes a pod ends its container; that is no failure.
        failure="" if deleting else _failure(status, state.get("terminated")),
    )


def _container(status: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    """Return the status of Spark's container: by its name, else the first (a template may rename it)."""
    found = status.get("containerStatuses") or [{}]
    return next((item for item in found if item.get("name") == f"spark-kubernetes-{role}"), found[0])


def _unschedulable(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return str(condition.get("message") or "unschedulable")
    return ""


def _failure(status: Mapping[str, Any], ended: Mapping[str, Any] | None) -> str:
    if status.get("phase") != "Failed":
        return ""
    if ended and ended.get("exitCode"):
        reason = ended.get("reason") or ""
        return f"exit code {ended['exitCode']}" + (f" ({reason})" if reason not in ("", "Error") else "")
    # Evicted, preempted or lost with its node: the pod says so, its container does not.
    return ": ".join(str(part) for part in (status.get("reason"), status.get("message")) if part) or "failed"


class FailureBook:
    """Converts pods and remembers the failed executors among them, the latest ``REMEMBERED``."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, SparkPod] = OrderedDict()
        self._lock = threading.Lock()

    def convert(self, raw: Mapping[str, Any]) -> SparkPod:
        """Convert a pod; called from the watch's thread."""
        pod = spark_pod(raw)
        if pod.failure and pod.role == EXECUTOR:
            with self._lock:
                self._failed.setdefault(str(raw["metadata"].get("uid") or pod.name), pod)
                while len(self._failed) > REMEMBERED:
                    self._failed.popitem(last=False)
        return pod

    def failures(self) -> tuple[SparkPod, ...]:
        """Return the remembered pods, oldest first."""
        with self._lock:
            return tuple(self._failed.values())
