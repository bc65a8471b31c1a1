# SPDX-License-Identifier: Apache-2.0
"""A pod behind the queue, from its DAG run to its end, and what is left when a person ends its task."""

from __future__ import annotations

import pytest

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.spark.identity import LABEL_JOB
from tests.e2e.work import until

pytestmark = [pytest.mark.e2e, pytest.mark.embedded_only("its kubelet lets a test end a container")]


@pytest.fixture(scope="module")
def runs(start):
    """Every run of this file, started at once."""
    return {name: start(name) for name in ("pod_ends", "pod_failed", "pod_cleared")}


def pods(witness, job):
    found = witness.core.list_pod_for_all_namespaces(label_selector=f"{LABEL_JOB}={job.id}")
    return [pod.metadata.name for pod in found.items]


def finish(witness, namespace, name):
    """Let the pod's only container end by itself."""
    ended = {"exitCode": 0, "reason": "Completed"}
    container = {"name": "base", "state": {"terminated": ended}, "ready": False, "restartCount": 0}
    container |= {"image": "busybox", "imageID": ""}
    status = {"phase": "Succeeded", "containerStatuses": [container]}
    witness.core.patch_namespaced_pod_status(name, namespace, {"status": status})


def test_it_passes_through_every_state_and_its_room_goes_to_the_next(runs, start, witness):
    run = runs["pod_ends"]
    job = run.newest_job_is(JobState.RUNNING, 120)
    [name] = pods(witness, job)
    [grant] = run.grants()
    assert grant.demand["pod_sets"][0]["requests"]["cpu"] == 1000

    later = start("pod_ends")
    waiting = later.newest_job_is(JobState.QUEUED)
    until(lambda: later.job().blocking_resource, later.describe)
    assert later.job().verdict["sentence"].startswith("cpu: needs 1 CPU, 0 CPU free")

    finish(witness, "pod-ends", name)
    assert run.ended(120) == "success"
    run.newest_job_is(JobState.SUCCEEDED)
    run.grants_end()
    assert [state for state, _ in run.events(job)] == [
        "queued",
        "admitted",
        "submitted",
        "running",
        "succeeded",
        "succeeded",
    ]
    assert run.events(job)[-1][1] == "its pods are gone; its grant ends"
    assert not any("Airflow has not queued it" in reason for _, reason in run.events(job))
    later.job_becomes(waiting.id, JobState.RUNNING, 120)
    later.mark("success")


def test_marking_its_task_failed_deletes_the_pod_and_frees_its_room(runs, witness):
    run = runs["pod_failed"]
    job = run.newest_job_is(JobState.RUNNING, 120)
    assert pods(witness, job)
    run.mark("failed")
    assert run.job_becomes(job.id, JobState.CANCELLED).reason.startswith("the task was set to failed while")
    until(lambda: not pods(witness, job), run.describe)
    run.grants_end()


def test_clearing_its_task_deletes_the_pod_before_another_one_lives(runs, witness):
    run = runs["pod_cleared"]
    first = run.newest_job_is(JobState.RUNNING, 120)
    run.clear()
    assert run.job_becomes(first.id, JobState.CANCELLED).reason == "the task was cleared"
    second = until(
        lambda: next((job for job in run.jobs() if job.id != first.id and job.state == "running"), None),
        run.describe,
        120,
    )
    assert not pods(witness, first)
    [name] = pods(witness, second)
    finish(witness, "pod-cleared", name)
    assert run.ended(120) == "success"
    run.grants_end()
