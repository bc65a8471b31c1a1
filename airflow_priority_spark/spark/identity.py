# SPDX-License-Identifier: Apache-2.0
"""What we write on everything we create in a cluster, and how it is named.

A worker may die between the creation of an application and the moment anyone hears of it. So the
identity of a job is on the object itself: whoever comes next finds it by label and adopts it
instead of making a second one. Labels are short hashes where the text may be too long or hold
characters that labels cannot; the readable text is in annotations.

Source of the limits: RFC 1035 labels (63 characters, ``[a-z]([-a-z0-9]*[a-z0-9])?``) and the names
derived from the application's name by the Spark operator and Spark itself
(``<name>-driver``, ``<name>-<hash>-driver-svc``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LABEL_INSTANCE: Final = "priority-spark/instance"
LABEL_TASK_KEY: Final = "priority-spark/task-key"
LABEL_JOB: Final = "priority-spark/job"
LABEL_ADMISSION: Final = "priority-spark/admission"
#: Which pod set of its job's demand a pod belongs to; Spark's pods say it themselves (``spark-role``).
LABEL_POD_SET: Final = "priority-spark/pod-set"
#: On a pause pod that keeps room for a job's pod: the job's id.
LABEL_PLACEHOLDER_FOR: Final = "priority-spark/placeholder-for"
ANNOTATION_TASK: Final = "priority-spark/task"

#: Longest application name from which every derived name still fits 63 characters.
MAX_NAME: Final = 44


@dataclass(frozen=True, slots=True)
class TaskKey:
    """A task instance's identity over retries, clears and orphan resets."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    def digest(self, instance_id: str) -> str:
        """Return the label value: 32 hexadecimal characters of SHA-256."""
        text = "\0".join((instance_id, self.dag_id, self.run_id, self.task_id, str(self.map_index)))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def readable(self) -> str:
        """Return ``dag/run/task`` or ``dag/run/task[3]`` for annotations and logs."""
        suffix = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id}/{self.run_id}/{self.task_id}{suffix}"


def job_labels(instance_id: str, key: TaskKey, job_id: str, admission: int) -> dict[str, str]:
    """Return the labels of an application and its pods.

    :param instance_id: of this Airflow installation.
    :param job_id: the job's id (a UUID in canonical form).
    :param admission: the job's admission number, from 1.
    """
    return {
        LABEL_INSTANCE: instance_id,
        LABEL_TASK_KEY: key.digest(instance_id),
        LABEL_JOB: job_id,
        LABEL_ADMISSION: str(admission),
    }


def application_name(key: TaskKey, job_id: str, admission: int) -> str:
    """Return ``<dag>-<task>-<short id>-<admission>``, a valid DNS-1035 label of at most 44 characters.

    The short id is the first eight characters of the SHA-256 of the job id: unique per job, stable
    per admission, so that a worker that runs twice asks for the same name twice.
    """
    short = hashlib.sha256(job_id.encode()).hexdigest()[:8]
    tail = f"-{short}-{admission}"
    stem = re.sub(r"[^a-z0-9]+", "-", f"{key.dag_id}-{key.task_id}".lower()).strip("-")
    if not stem or not stem[0].isalpha():
        stem = f"s-{stem}".rstrip("-")
    return stem[: MAX_NAME - len(tail)].rstrip("-") + tail


def belongs_to(labels: Mapping[str, str] | None, expected: Mapping[str, str]) -> bool:
    """Tell whether an object found under our name is really the one we would have created."""
    found = labels or {}
    return all(found.get(name) == value for name, value in expected.items())
