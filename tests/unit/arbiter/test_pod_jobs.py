# SPDX-License-Identifier: Apache-2.0
"""A job that is a pod of its own goes the way of a job that is a SparkApplication."""

from __future__ import annotations

import logging

import pytest
from airflow.utils.state import TaskInstanceState

from airflow_priority_spark.cluster.applications import Deletion
from airflow_priority_spark.cluster.job_pods import job_pod
from airflow_priority_spark.scheduling.model import Demand, PodSet, PodView
from airflow_priority_spark.scheduling.resources import Resources
from airflow_priority_spark.spark.identity import job_labels
from airflow_priority_spark.store.jobs import task_key
from tests.builders import make_request

GIB = 2**30
LABELS = {"priority-spark/job": "j", "priority-spark/instance": "i"}


def pod_demand(cpu: int = 2000) -> Demand:
    return Demand((PodSet("pod", 1, Resources({"cpu": cpu, "memory": GIB})),))


def raw_pod(world, task_id, *, phase="Pending", name="", **metadata):
    """Return the pod that the worker makes for an admitted job, as the API server shows it."""
    job = world.job(task_id)
    labels = job_labels(world.loop.context.instance_id, task_key(job), job.id, job.admission)
    named = name or f"{task_id}-{job.admission}"
    return {
        "metadata": {"namespace": "team-a", "name": named, "uid": named, "labels": labels, **metadata},
        "status": {"phase": phase},
    }


def show(world, *raws):
    """Let the cluster hold exactly these pods of the jobs."""
    active = [raw for raw in raws if raw["status"]["phase"] in ("Pending", "Running")]
    world.cluster.apps = [job_pod(raw) for raw in raws]
    world.cluster.pods = [
        PodView(
            namespace="team-a",
            name=raw["metadata"]["name"],
            node="node-1",
            requests=Resources({"cpu": 2000, "memory": GIB}),
            job_id=raw["metadata"]["labels"]["priority-spark/job"],
            pod_set="pod",
        )
        for raw in active
    ]


def admitted(world, task_id="clean", **fields):
    world.defer(task_id, **{"demand": pod_demand(), **fields})
    world.cycle()
    assert world.job(task_id).state == "admitted"


def running(world, task_id="clean", **fields):
    admitted(world, task_id, **fields)
    show(world, raw_pod(world, task_id, phase="Running"))
    world.set_task(task_id, TaskInstanceState.DEFERRED, next_method="trigger_reentry")
    world.cycle()
    assert world.job(task_id).state == "running"


@pytest.fixture
def deleted(world, monkeypatch):
    """Every deletion that the arbiter asks for: (kind, name, uid)."""
    asked = []

    def delete(connection, namespace, name, uid, *, kind):
        asked.append((kind.plural, name, uid))
        return Deletion.REQUESTED

    monkeypatch.setattr("airflow_priority_spark.arbiter.strays.delete_application", delete)
    world.loop.clusters.connections[next(iter(world.loop.clusters.observers))] = object()
    return asked


def test_it_is_submitted_when_its_pod_exists_and_running_when_it_runs(world):
    admitted(world)
    show(world, raw_pod(world, "clean"))
    world.cycle()
    assert world.job("clean").state == "submitted"
    show(world, raw_pod(world, "clean", phase="Running"))
    world.cycle()
    job = world.job("clean")
    assert (job.state, job.application_name) == ("running", "clean-1")
    assert world.reasons(job)[-2:] == ["submitted: pod clean-1 was created", "running: pod clean-1 runs"]


def test_its_grant_charges_what_its_pod_does_not_use_and_ends_when_the_pod_is_gone(world):
    world.cluster.quotas = {"team-a": {"requests.cpu": "4"}}
    running(world)
    world.defer("other", demand=pod_demand())
    world.cycle()
    assert world.job("other").state == "admitted", "2 of 4 CPU are used, and not charged a second time"
    world.set_task("clean", TaskInstanceState.SUCCESS)
    world.cycle(2)
    assert (world.job("clean").state, len(world.grants())) == ("succeeded", 2), "the pod is still there"
    show(world)
    world.cycle(2)
    assert world.job("clean").id not in world.grants()
    assert world.reasons(world.job("clean"))[-1] == "succeeded: its pods are gone; its grant ends"


def test_the_grant_of_a_failed_job_ends_with_its_pod_and_not_with_its_admission(world):
    running(world)
    world.set_task("clean", TaskInstanceState.FAILED)
    show(world)
    world.cycle(2)
    assert not world.grants()


def test_nobody_says_of_a_pod_that_has_ended_that_its_task_was_never_started(world):
    admitted(world)
    world.set_task("clean", TaskInstanceState.QUEUED, next_method="trigger_reentry")
    world.cycle(20)
    assert not any("no worker runs it" in reason for reason in world.reasons(world.job("clean")))
    world.set_task("clean", TaskInstanceState.QUEUED, next_method="resume_admitted")
    world.cycle()
    assert any("no worker runs it" in reason for reason in world.reasons(world.job("clean")))


@pytest.mark.parametrize(
    ("state", "end"), [(TaskInstanceState.FAILED, "cancelled"), (TaskInstanceState.SKIPPED, "cancelled")]
)
def test_the_pod_of_a_task_that_a_person_ended_is_deleted_by_uid(world, deleted, state, end):
    running(world)
    world.set_task("clean", state)
    world.cycle(2)
    assert world.job("clean").state == end
    assert set(deleted) == {("pods", "clean-1", "clean-1")}


def test_a_pod_that_is_to_be_kept_when_its_task_is_killed_is_kept(world, deleted):
    running(world, request=make_request(demand=pod_demand(), keep_application=True))
    world.set_task("clean", TaskInstanceState.FAILED)
    world.cycle(2)
    assert deleted == []


def test_a_pod_that_outlives_a_task_that_succeeded_is_the_authors(world, deleted):
    running(world)
    world.set_task("clean", TaskInstanceState.SUCCESS)
    world.cycle(2)
    assert deleted == []


def test_a_cleared_task_waits_until_the_pod_of_before_is_gone(world, deleted):
    running(world)
    world.clear("clean")
    world.cycle()
    world.defer_again("clean", make_request(demand=pod_demand()))
    world.cycle(2)
    first, second = world.jobs("clean")
    assert (first.state, second.state, second.ineligible) == ("cancelled", "queued", "previous-attempt")
    assert ("pods", "clean-1", "clean-1") in deleted
    show(world)
    world.cycle(2)
    assert world.job("clean").state == "admitted"


def test_a_pod_of_an_attempt_whose_scheduler_died_is_taken_up(world, deleted):
    running(world)
    world.replace_task("clean")
    world.cycle()
    world.defer_again("clean", make_request(demand=pod_demand()))
    world.cycle(3)
    (job,) = world.jobs("clean")
    assert (job.state, job.admission, deleted) == ("running", 1, [])
    assert "admitted: takes up the application of its lost attempt" in world.reasons(job)
    assert world.task("clean").next_kwargs["event"]["adopt"] == "clean-1"


def test_a_pod_that_something_else_owns_is_left_to_it_and_waited_for(world, deleted):
    admitted(world)
    owned = raw_pod(world, "clean", phase="Running", ownerReferences=[{"controller": True, "uid": "job"}])
    show(world, owned)
    world.set_task("clean", TaskInstanceState.DEFERRED, next_method="trigger_reentry")
    world.cycle()
    assert world.job("clean").state == "running"
    world.replace_task("clean")
    world.cycle()
    world.defer_again("clean", make_request(demand=pod_demand()))
    world.cycle(3)
    job = world.job("clean")
    assert (job.state, job.ineligible_detail) == (
        "queued",
        "pod clean-1 of an earlier attempt is still there",
    )
    assert deleted == []
    show(world)
    world.cycle(2)
    assert world.job("clean").state == "admitted"


def test_a_pod_of_no_job_is_reported(world, caplog):
    admitted(world)
    raw = raw_pod(world, "clean")
    raw["metadata"]["labels"] = {**raw["metadata"]["labels"], "priority-spark/job": "nobody"}
    show(world, raw)
    with caplog.at_level(logging.WARNING, "airflow_priority_spark"):
        world.cycle()
    assert "Pod team-a/clean-1 of this installation belongs to no job" in caplog.text


def test_of_several_pods_of_a_job_one_that_runs_counts(world):
    admitted(world)
    show(
        world,
        raw_pod(world, "clean", name="clean-a", phase="Running"),
        raw_pod(world, "clean", name="clean-b"),
    )
    world.cycle()
    assert world.job("clean").state == "running"


class TestConversion:
    def of(self, labels, **raw):
        return job_pod({"metadata": {"namespace": "n", "name": "p", "labels": labels}, **raw})

    @pytest.mark.parametrize(
        ("phase", "state"),
        [
            ("Pending", "SUBMITTED"),
            ("Running", "RUNNING"),
            ("Succeeded", "COMPLETED"),
            ("Failed", "FAILED"),
            ("Unknown", "UNKNOWN"),
        ],
    )
    def test_the_phase_is_told_in_the_words_of_applications(self, phase, state):
        view = self.of(LABELS, status={"phase": phase})
        assert (view.state, view.word, view.instance_id) == (state, "pod", "i")

    def test_a_pod_of_spark_and_one_of_no_job_are_none(self):
        assert self.of({**LABELS, "spark-role": "driver"}) is None
        assert self.of({"app": "web"}) is None
