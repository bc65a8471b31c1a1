# SPDX-License-Identifier: Apache-2.0
"""From a DAG run to the end of its application, and what a person reads on the way."""

from __future__ import annotations

import json

import pytest

from airflow_priority_spark.embedded import spark_submit
from airflow_priority_spark.scheduling.jobs import JobState
from tests.e2e.work import until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def runs(start):
    """Every run of this file, started at once: they pass through the system side by side."""
    names = (
        "succeeds",
        "fails",
        "impossible",
        "retried",
        "unknown_priority",
        "unknown_namespace",
        "bad_memory",
    )
    return {name: start(name) for name in names}


def test_a_job_waits_is_admitted_runs_and_succeeds(runs):
    run = runs["succeeds"]
    assert run.ended(120) == "success"
    job = run.newest_job_is(JobState.SUCCEEDED)
    states = [state for state, _ in run.events(job)]
    assert states[:5] == ["queued", "admitted", "submitted", "running", "succeeded"]
    (app,) = run.applications()
    assert (app.name, app.uid, app.job, app.admission) == (
        job.application_name,
        job.application_uid,
        job.id,
        "1",
    )


def test_the_task_log_tells_the_whole_way(runs):
    run = runs["succeeds"]
    assert run.ended(120) == "success"
    log, job = run.log(), run.job()
    for said in (
        "way/normal",
        "admitted after",
        job.application_name,
        "RUNNING",
        "COMPLETED",
        "Running Spark for a simulated 5 s",
    ):
        assert said in log


def test_the_task_moves_to_the_airflow_pool_of_its_queue_with_its_weight(runs):
    run = runs["succeeds"]
    assert run.ended(120) == "success"
    task = run.task()
    assert task["pool"] == "spark.kubernetes_default.way.normal"
    assert task["priority_weight"] == 10


def test_the_grant_ends_when_the_pods_are_gone(runs):
    run = runs["succeeds"]
    assert run.ended(120) == "success"
    job = run.newest_job_is(JobState.SUCCEEDED)
    run.grants_end()
    assert not [name for name in run.witness.pods("way") if name.startswith(job.application_name)]
    assert run.events(job)[-1] == ("succeeded", "its pods are gone; its grant ends")


def test_a_failed_application_fails_its_task_and_its_job_with_the_reason(runs):
    run = runs["fails"]
    assert run.ended(120) == "failed"
    job = run.newest_job_is(JobState.FAILED)
    log = run.log()
    assert job.application_name in log
    assert "FAILED" in log
    assert "exit code 3" in log
    assert len(run.applications()) == 1
    run.grants_end()


def test_a_demand_larger_than_the_quota_fails_at_once_with_the_numbers_and_without_retry(runs):
    run = runs["impossible"]
    assert run.ended(120) == "failed"
    job = run.job()
    assert (job.state, job.try_number, run.task()["try_number"]) == ("failed", 1, 1)
    log = run.log()
    assert "could never start" in log
    for number in ("cpu", "51", "2"):
        assert number in job.reason
    assert job.reason in log
    assert not run.applications()


def test_a_retry_is_another_job_with_another_application(runs):
    run = runs["retried"]
    assert run.ended(180) == "success"
    until(lambda: len(run.jobs()) == 2, run.describe)
    first, second = run.all_jobs_end()
    assert (first.state, second.state) == ("failed", "succeeded")
    assert (first.try_number, second.try_number) == (1, 2)
    before, after = run.applications()
    assert (before.job, after.job) == (first.id, second.id)


@pytest.mark.parametrize(
    ("dag_id", "said"),
    [
        ("unknown_priority", ("priority", "'urgentest'", "high, normal")),
        ("unknown_namespace", ("nowhere", "namespace")),
        ("bad_memory", ("spec.driver.memory", "4Gi")),
    ],
)
def test_bad_input_fails_the_task_and_the_log_names_field_value_and_what_is_allowed(runs, dag_id, said):
    run = runs[dag_id]
    assert run.ended(120) == "failed"
    log = run.log()
    for words in said:
        assert words in log
    assert not run.applications()


def test_the_command_line_shows_what_happened(runs, site):
    run = runs["succeeds"]
    assert run.ended(120) == "success"
    job = run.newest_job_is(JobState.SUCCEEDED)
    listed = site.airflow(
        "priority-spark", "job", "list", "--state", "succeeded", "--dag-id", "succeeds", "-o", "json"
    )
    assert [row["state"] for row in json.loads(listed.stdout)] == ["succeeded"]
    shown = site.airflow("priority-spark", "job", "show", job.id, "-o", "json")
    assert job.application_name in shown.stdout
    queues = site.airflow("priority-spark", "queue", "list", "-o", "json")
    assert "way" in queues.stdout


@pytest.mark.java
@pytest.mark.embedded_only("controllers with real drivers are another setting")
@pytest.mark.skipif(spark_submit.obstacle() is not None, reason=f"no spark-submit: {spark_submit.obstacle()}")
def test_a_real_pyspark_program_runs_and_its_output_is_in_the_task_log(start):
    run = start("real")
    assert run.ended(180) == "success"
    assert "the sum of one to a thousand is 500500" in run.log()
