# SPDX-License-Identifier: Apache-2.0
"""What people do to tasks that wait or run: mark them, clear them, pause their DAG."""

from __future__ import annotations

import pytest

from airflow_priority_spark.scheduling.jobs import JobState
from tests.e2e.work import until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def runs(start, witness):
    """Every run of this file, started at once; two of them wait for a foreign pod to go."""
    with witness.full("fail-queued"), witness.full("clear-queued"):
        names = ("fail_queued", "clear_queued", "fail_running", "clear_running", "pausing")
        yield {name: start(name) for name in names}


def test_a_task_marked_failed_while_it_waits_never_gets_an_application(runs, witness):
    run = runs["fail_queued"]
    waiting = run.newest_job_is(JobState.QUEUED)
    until(lambda: run.job().blocking_resource, run.describe)
    run.mark("failed")
    job = run.job_becomes(waiting.id, JobState.CANCELLED)
    assert job.reason == "the task was set to failed while it waited"
    assert run.ended() == "failed"
    witness.make_room("fail-queued")
    # Room comes; if the job were still in the queue, it would go now.
    later = run.start(run.site, witness, "fail_queued")
    assert later.ended() == "success"
    assert not run.applications()
    assert run.jobs()[0].admission == 0


def test_a_task_cleared_while_it_waits_waits_again_as_another_job(runs, witness):
    run = runs["clear_queued"]
    waiting = run.newest_job_is(JobState.QUEUED)
    run.clear()
    first = run.job_becomes(waiting.id, JobState.CANCELLED)
    assert first.reason == "the task was cleared"
    second = run.newest_job_is(JobState.QUEUED)
    assert second.id != first.id
    witness.make_room("clear-queued")
    assert run.ended() == "success"
    run.job_becomes(second.id, JobState.SUCCEEDED)
    log = run.log(attempt=second.try_number)
    assert "waits in clear-queued/normal at position 1" in log
    assert "it waited for cpu: needs 2 CPU, 0 CPU free of quota" in log
    (app,) = run.applications()
    assert app.job == second.id


def test_marking_a_running_task_failed_deletes_its_application_and_frees_its_room(runs, witness):
    run = runs["fail_running"]
    running = run.newest_job_is(JobState.RUNNING)
    run.mark("failed")
    job = run.job_becomes(running.id, JobState.CANCELLED)
    assert "set to failed while its application was RUNNING" in job.reason
    (app,) = run.applications()
    until(lambda: app.deleted, run.describe)
    run.grants_end()
    assert not witness.pods("fail-running")


def test_clearing_a_running_task_deletes_its_application_before_another_one_lives(runs):
    run = runs["clear_running"]
    running = run.newest_job_is(JobState.RUNNING)
    run.clear()
    first = run.job_becomes(running.id, JobState.CANCELLED)
    assert first.reason == "the task was cleared"
    assert run.ended(120) == "success"
    before, after = run.applications()
    assert (before.job, before.deleted) == (first.id, True)
    assert after.job == run.newest_job_is(JobState.SUCCEEDED).id
    assert not run.witness.doubled


def test_a_paused_dag_holds_its_waiting_job_and_lets_it_go_on(runs, witness, site, start):
    assert runs["pausing"].ended() == "success"
    with witness.full("pausing"):
        run = start("pausing")
        run.newest_job_is(JobState.QUEUED)
        site.api.pause("pausing", paused=True)
        held = run.newest_job_is(JobState.HELD)
        assert (held.ineligible, held.reason) == ("paused", "the DAG is paused")
    later = runs["pausing"].jobs()
    assert later[0].state == "succeeded"
    assert run.newest_job_is(JobState.HELD).admission == 0
    site.api.pause("pausing", paused=False)
    assert run.ended() == "success"
    assert run.newest_job_is(JobState.SUCCEEDED).id == held.id
