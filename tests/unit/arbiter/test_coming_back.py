# SPDX-License-Identifier: Apache-2.0
"""Jobs that return to the queue, and attempts that Airflow or a person replaced."""

from __future__ import annotations

import datetime
import logging
import re

import pytest
from airflow.utils.state import TaskInstanceState

from airflow_priority_spark.scheduling.jobs import is_terminal
from tests import builders
from tests.unit.arbiter.test_way_of_a_job import BIG, SMALL, event_of


def give_back(world, task_id, reason="stale quota: exceeded quota", **fields):
    """Let the worker give its admission back."""
    job = world.job(task_id)
    world.defer_again(task_id, builders.make_request(reason=reason, admission=job.admission, **fields))


def test_a_stale_quota_returns_the_job_to_its_position_before_those_that_came_later(world):
    for name in ("first", "second", "third"):
        world.defer(name, demand=BIG)
    world.cycle()
    give_back(world, "first", demand=BIG)
    world.cycle()
    first = world.job("first")
    assert (first.state, first.admission, first.reschedules) == ("admitted", 2, 1)
    assert world.admitted() == ["first", "first"]
    assert "queued: back at its position: stale quota: exceeded quota" in world.reasons(first)
    assert len(world.jobs("first")) == 1


def test_a_job_that_came_back_waits_until_its_pods_are_gone(world):
    world.defer("first", demand=SMALL)
    world.cycle()
    world.start("first")
    world.cycle()
    world.cluster.apps.clear()
    give_back(world, "first", demand=SMALL)
    world.cycle(2)
    job = world.job("first")
    assert (job.state, job.ineligible) == ("queued", "previous-attempt")
    assert job.ineligible_detail == "pods of an earlier admission are still there"
    world.vanish("first")
    world.cycle()
    assert world.job("first").state == "admitted"


def test_a_job_that_comes_back_too_often_fails_and_says_so(world):
    world.defer("first", demand=SMALL)
    world.cycle()
    for _ in range(4):
        give_back(world, "first", demand=SMALL)
        world.cycle()
    job = world.job("first")
    assert (job.state, job.reschedules) == ("failed", 4)
    expected = "came back 4 times, max_reschedules is 3; last reason: stale quota: exceeded quota"
    assert job.reason == expected
    event = event_of(world.task("first"))
    assert (event.outcome, event.reason) == ("cancelled", expected)


def test_a_job_that_waits_longer_than_its_queue_timeout_is_cancelled_with_numbers(world):
    world.defer("first", demand=BIG)
    world.defer("second", demand=SMALL, queue_timeout_seconds=60)
    world.cycle()
    world.cycle(seconds=30)
    assert world.job("second").state == "queued"
    world.cycle(seconds=31)
    job = world.job("second")
    assert job.state == "cancelled"
    words = r"waited 6\d s in the queue, queue_timeout is 60 s; blocked by cpu: needs 2 CPU, 0 CPU free"
    assert re.match(words, job.reason)
    event = event_of(world.task("second"))
    assert (event.outcome, event.reason, event.retry) == ("cancelled", job.reason, False)


def test_the_time_a_job_has_run_is_no_time_in_the_queue(world):
    world.defer("first", demand=SMALL, queue_timeout_seconds=60)
    world.cycle()
    world.start("first")
    world.cycle(seconds=300)
    give_back(world, "first", demand=SMALL, queue_timeout_seconds=60)
    world.cycle()
    assert world.job("first").state == "queued"
    assert world.job("first").queue_deadline > world.now + datetime.timedelta(seconds=50)


def test_an_admission_that_airflow_did_not_start_in_time_is_taken_back(world):
    world.defer("first", demand=BIG)
    world.cycle()
    world.cycle(seconds=301)
    job = world.job("first")
    assert (job.state, job.admission) == ("admitted", 2), "it was the head, so it is admitted anew"
    assert any("did not start the task while the admission was valid" in line for line in world.reasons(job))
    event = event_of(world.task("first"))
    assert (event.admission, event.valid_until) == (2, pytest.approx(world.now.timestamp() + 300))


def test_an_admission_whose_worker_has_started_is_not_taken_back(world):
    world.defer("first", demand=BIG)
    world.cycle()
    world.set_task("first", TaskInstanceState.RUNNING)
    world.cycle(seconds=301)
    assert (world.job("first").state, world.job("first").admission) == ("admitted", 1)
    assert world.grants()


@pytest.mark.parametrize("state", [TaskInstanceState.FAILED, TaskInstanceState.SUCCESS, None])
def test_a_waiting_task_that_a_person_moved_is_cancelled_and_starts_nothing(world, state):
    world.defer("first", demand=BIG)
    world.defer("second", demand=SMALL)
    world.cycle()
    world.set_task("second", state)
    world.end("first")
    world.cycle(2)
    job = world.job("second")
    assert (job.state, job.parked) == ("cancelled", False)
    assert job.reason == f"the task was set to {state.value if state else 'no state'} while it waited"
    assert "second" not in world.admitted()


def test_a_cleared_waiting_task_loses_its_place_and_waits_as_another_job(world):
    world.defer("first", demand=BIG)
    world.cycle()
    world.defer("second", demand=SMALL)
    world.cycle()
    world.clear("second")
    world.cycle()
    assert (world.job("second").state, world.job("second").reason) == ("cancelled", "the task was cleared")
    world.defer_again("second", builders.make_request(demand=SMALL))
    world.cycle()
    old, new = world.jobs("second")
    assert (old.state, new.state) == ("cancelled", "queued")
    assert new.position_at > old.position_at


def test_a_task_set_to_failed_while_running_has_its_application_deleted_and_its_grant_released(
    world, monkeypatch
):
    deleted = deletions(world, monkeypatch)
    world.defer("first", demand=BIG)
    world.cycle()
    app = world.start("first")
    world.cycle()
    world.set_task("first", TaskInstanceState.FAILED)
    world.cycle()
    assert world.job("first").state == "cancelled"
    assert world.job("first").reason == "the task was set to failed while its application was RUNNING"
    assert deleted == [app.name]
    world.vanish("first")
    world.cycle(2)
    assert world.grants() == {}


def test_a_task_set_to_failed_keeps_its_application_when_its_author_said_so(world, monkeypatch):
    deleted = deletions(world, monkeypatch)
    world.defer("first", demand=BIG, keep_application=True)
    world.cycle()
    world.start("first")
    world.cycle()
    world.set_task("first", TaskInstanceState.FAILED)
    world.cycle(2)
    assert deleted == []
    assert world.grants(), "it still uses the room"


def test_a_retry_is_another_job_that_waits_until_the_first_ones_pods_are_gone(world, monkeypatch):
    deleted = deletions(world, monkeypatch)
    world.defer("first", demand=SMALL)
    world.cycle()
    app = world.start("first")
    world.cycle()
    world.log_end("first", "up_for_retry")
    world.replace_task("first", TaskInstanceState.UP_FOR_RETRY)
    world.cycle()
    assert world.job("first").reason == "the attempt failed and Airflow retries it"
    world.defer_again("first", builders.make_request(demand=SMALL))
    world.cycle(2)
    old, new = world.jobs("first")
    assert (old.state, new.state, new.ineligible) == ("failed", "queued", "previous-attempt")
    assert new.ineligible_detail == f"job {old.id} of an earlier attempt still holds capacity"
    assert deleted[0] == app.name
    world.vanish("first")
    world.cycle(2)
    assert world.job("first").state == "admitted"


def test_an_orphaned_attempt_keeps_its_job_and_takes_up_its_application(world, monkeypatch):
    deleted = deletions(world, monkeypatch)
    world.defer("first", demand=BIG)
    world.defer("second", demand=BIG)
    world.cycle()
    app = world.start("first")
    world.cycle()
    world.replace_task("first", None, try_number=1)
    world.cycle(2)
    job = world.job("first")
    assert (job.state, job.ti_id) == ("running", world.task("first").id)
    world.defer_again("first", builders.make_request(demand=BIG))
    world.cycle(3)
    job = world.job("first")
    assert (job.state, job.admission, len(world.jobs("first"))) == ("running", 1, 1)
    assert event_of(world.task("first")).adopt == app.name
    assert deleted == []
    assert world.job("second").state == "queued"


def test_an_orphaned_attempt_without_application_goes_back_to_its_position(world):
    world.defer("first", demand=BIG)
    world.defer("second", demand=BIG)
    world.cycle()
    world.replace_task("first", TaskInstanceState.RUNNING)
    world.cycle()
    world.defer_again("first", builders.make_request(demand=BIG))
    world.cycle(3)
    job = world.job("first")
    assert (job.state, job.admission) == ("admitted", 2)
    assert event_of(world.task("first")).adopt == ""
    assert world.admitted() == ["first", "first"], "the second did not overtake it"


def test_a_lost_attempt_that_left_no_application_is_not_passed_in_the_cycle_that_finds_out(world):
    world.defer("first", demand=SMALL)
    world.cycle()
    world.replace_task("first", TaskInstanceState.RUNNING)
    world.cycle()
    world.defer_again("first", builders.make_request(demand=SMALL))
    world.defer("second", demand=SMALL)
    world.cycle()
    assert world.admitted() == ["first", "first", "second"]


def test_an_orphan_seen_first_by_intake_keeps_its_job_too(world):
    world.defer("first", demand=BIG)
    world.cycle()
    world.replace_task("first", TaskInstanceState.RUNNING)
    world.defer_again("first", builders.make_request(demand=BIG))
    world.cycle(3)
    assert len(world.jobs("first")) == 1
    assert world.job("first").state == "admitted"


def test_a_retry_after_an_orphan_is_a_retry(world):
    world.defer("first", demand=SMALL)
    world.cycle()
    world.replace_task("first", None, try_number=1)
    world.cycle()
    world.set_task("first", TaskInstanceState.RUNNING, try_number=2)
    world.log_end("first", "up_for_retry")
    world.replace_task("first", TaskInstanceState.UP_FOR_RETRY, try_number=2)
    world.cycle()
    job = world.job("first")
    assert (job.state, job.reason) == ("failed", "the attempt failed and Airflow retries it")


def test_a_job_that_comes_back_knows_the_try_that_goes_on_with_it(world):
    world.defer("first", demand=SMALL)
    world.cycle()
    world.replace_task("first", None, try_number=1)
    world.cycle()
    world.set_task("first", TaskInstanceState.RUNNING, try_number=2)
    world.defer_again("first", builders.make_request(demand=SMALL))
    world.cycle()
    assert (len(world.jobs("first")), world.job("first").try_number) == (1, 2)


def test_a_lost_attempts_application_is_deleted_where_the_site_wants_that(database, monkeypatch):
    from tests.unit.arbiter.world import World

    world = World(database, previous_attempt="delete")
    deleted = deletions(world, monkeypatch)
    world.defer("first", demand=BIG)
    world.cycle()
    app = world.start("first")
    world.cycle()
    world.replace_task("first", TaskInstanceState.RUNNING)
    world.defer_again("first", builders.make_request(demand=BIG))
    world.cycle(2)
    assert deleted[0] == app.name
    assert world.job("first").ineligible == "previous-attempt"
    world.vanish("first")
    world.cycle(3)
    assert (world.job("first").state, world.job("first").admission) == ("admitted", 2)


def test_a_deleted_task_instance_ends_its_job_and_frees_its_room(world):
    world.defer("first", demand=BIG)
    world.cycle()
    world.delete_task("first")
    world.cycle()
    assert (world.job("first").state, world.job("first").reason) == (
        "cancelled",
        "the task instance was deleted",
    )
    assert world.grants(), "a worker might still create its application"
    world.cycle(2, seconds=200)
    assert world.grants() == {}


def test_an_application_that_belongs_to_no_job_is_reported_and_left_alone(world, monkeypatch, caplog):
    deleted = deletions(world, monkeypatch)
    world.defer("first", demand=SMALL)
    world.cycle()
    app = world.start("first")
    app.labels["priority-spark/job"] = "somebody-elses"
    with caplog.at_level(logging.WARNING, "airflow_priority_spark"):
        world.cycle(2)
    assert deleted == []
    assert caplog.text.count(f"{app.name} of this installation belongs to no job") == 1


def test_an_application_of_another_installation_is_never_touched(world, monkeypatch):
    deleted = deletions(world, monkeypatch)
    world.defer("first", demand=SMALL)
    world.cycle()
    app = world.start("first")
    app.labels["priority-spark/instance"] = "another"
    world.set_task("first", TaskInstanceState.FAILED)
    world.cycle(3)
    assert deleted == []


def test_every_job_that_has_ended_stays_ended(world):
    world.defer("first", demand=SMALL)
    world.cycle()
    world.set_task("first", TaskInstanceState.SUCCESS)
    world.cycle(2)
    job = world.job("first")
    assert is_terminal(job.state)
    assert world.grants() == {}
    world.cycle(3)
    assert world.job("first").ended_at == job.ended_at


def deletions(world, monkeypatch) -> list[str]:
    """Collect the names of applications that the arbiter deletes (the network is not there)."""
    names: list[str] = []
    world.loop.clusters.connections["0f2b1c7e-cluster"] = object()

    def delete(connection, namespace, name, uid, *, kind):
        assert uid in {app.uid for app in world.cluster.apps}
        names.append(name)
        return "requested"

    monkeypatch.setattr("airflow_priority_spark.arbiter.strays.delete_application", delete)
    return names
