# SPDX-License-Identifier: Apache-2.0
"""Kill -9 in the middle of the work: afterwards every job has ended once, with one application.

Six jobs, two at a time: when the first application is seen, some jobs run, some are admitted and
some wait. A witness watches the cluster the whole time, so an application that lived for a moment
would be seen too.
"""

from __future__ import annotations

import signal

import psutil
import pytest

from tests.e2e.applications import Witness
from tests.e2e.conftest import make_site, start_cluster
from tests.e2e.work import Run, until

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with start_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="module")
def witness(cluster):
    witness = Witness(cluster.kubeconfig)
    yield witness
    witness.stop()


@pytest.fixture(scope="module")
def site(cluster, tmp_path_factory):
    with make_site(tmp_path_factory.mktemp("airflow"), cluster) as site:
        site.migrate()
        site.start()
        site.wait_healthy()
        yield site


@pytest.fixture(scope="module")
def start(site, witness):
    return lambda dag_id: Run.start(site, witness, dag_id)


def in_the_middle(run: Run) -> None:
    """Wait until one job has ended, one runs and one still waits."""

    def mixed():
        states = [job.state for job in run.jobs()]
        return "running" in states and "queued" in states

    until(mixed, run.describe, timeout=90)


def every_job_ended_once(run: Run) -> None:
    assert run.ended(180) == "success"
    jobs = run.all_jobs_end()
    assert [job.state for job in jobs] == ["succeeded"] * 6
    assert len({job.task_id for job in jobs}) == 6
    apps = run.applications()
    assert sorted(app.job for app in apps) == sorted(job.id for job in jobs)
    run.grants_end()
    run.witness.check()


def arbiter(site) -> psutil.Process | None:
    found = site.running("priority-spark", "arbiter")
    return found[0] if found else None


def test_a_killed_arbiter_is_restarted_and_nothing_is_lost_or_doubled(site, start):
    run = start("arbiter_dies")
    in_the_middle(run)
    killed = arbiter(site)
    killed.kill()
    until(lambda: (found := arbiter(site)) and found.pid != killed.pid, lambda: site.log_end("scheduler"))
    every_job_ended_once(run)


def test_a_killed_scheduler_takes_its_arbiter_along_and_the_next_one_goes_on(site, start):
    run = start("scheduler_dies")
    in_the_middle(run)
    site.kill("scheduler", signal.SIGKILL)
    until(lambda: arbiter(site) is None, lambda: "the arbiter outlives its scheduler", timeout=10)
    site.restart("scheduler")
    every_job_ended_once(run)


def test_a_killed_triggerer_forgets_no_application(site, start):
    run = start("triggerer_dies")
    in_the_middle(run)
    site.kill("triggerer", signal.SIGKILL)
    site.restart("triggerer")
    every_job_ended_once(run)


def test_sigterm_ends_the_arbiter_within_five_seconds_and_another_one_follows(site):
    ended = until(lambda: arbiter(site), lambda: "no arbiter")
    until(lambda: site.airflow("priority-spark", "check").returncode == 0, lambda: "no arbiter is alive")
    ended.terminate()
    ended.wait(5)
    until(lambda: arbiter(site), lambda: site.log_end("scheduler"))


def restart_scheduler_with_arbiter(site, value: str) -> None:
    site.variables["AIRFLOW__PRIORITY_SPARK__ARBITER"] = value
    site.restart("scheduler")


def test_unpark_gives_waiting_tasks_back_while_no_arbiter_runs(site, start, witness):
    with witness.full("given-back"):
        run = start("given_back")
        until(lambda: sum(job.state == "queued" for job in run.jobs()) == 3, run.describe)
        restart_scheduler_with_arbiter(site, "off")
        until(lambda: arbiter(site) is None, lambda: "the arbiter outlives its scheduler")
        done = site.airflow("priority-spark", "unpark", "--yes")
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().splitlines()[-1] == "3 waiting tasks given back to Airflow."
        assert {job.flow for job in run.jobs()} == {"legacy"}
    assert run.ended(150) == "success"
    assert len(run.applications()) == 3
    # While no arbiter runs nobody could admit a new task, so it goes straight to the cluster.
    later = start("given_back")
    assert later.ended(150) == "success"
    assert not later.jobs()
    assert "submitting without a queue" in later.log(task_id="spark_0")
    restart_scheduler_with_arbiter(site, "scheduler")
    assert [job.state for job in run.all_jobs_end()] == ["succeeded"] * 3
