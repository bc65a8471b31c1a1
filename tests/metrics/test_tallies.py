# SPDX-License-Identifier: Apache-2.0
"""Sums that outlive their rows: each event counts once, whoever asks and whatever was deleted."""

import datetime

import pytest
from sqlalchemy import func, select

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store import cleanup, jobs, tallies
from airflow_priority_spark.store.causes import Cause
from airflow_priority_spark.store.models import Event
from tests.builders import NOW
from tests.store.rows import make_job, make_queue


def later(seconds: float) -> datetime.datetime:
    return NOW + datetime.timedelta(seconds=seconds)


@pytest.fixture
def queue(session):
    return make_queue(session)


@pytest.fixture
def ended(session, queue):
    """A job that waited 30 s, came up in 12 s, ran for 100 s and succeeded."""
    job = make_job(session, queue)
    jobs.move(session, job, JobState.ADMITTED, "admitted", "arbiter", later(30))
    jobs.move(session, job, JobState.RUNNING, "runs", "arbiter", later(42))
    jobs.move(session, job, JobState.SUCCEEDED, "done", "arbiter", later(142))
    session.commit()
    return job


def counter(session, name: str, *labels: str) -> float:
    found = tallies.totals(session)
    return sum(amount.sum for (key, of), amount in found.items() if key == name and of[1:] == labels)


def histogram(session, name: str, *labels: str) -> tallies.Amount:
    [found] = [
        amount for (key, of), amount in tallies.totals(session).items() if key == name and of[1:] == labels
    ]
    return found


def settle_all(session) -> None:
    while tallies.settle(session):
        pass
    session.commit()


def test_a_job_counts_for_every_station_of_its_way(session, ended):
    assert counter(session, "queued_jobs", "normal") == 1
    assert counter(session, "admitted_jobs", "normal") == 1
    assert counter(session, "finished_jobs", "normal", "succeeded", "") == 1


def test_waits_and_runs_lie_in_the_bucket_of_their_seconds(session, ended):
    wait = histogram(session, "queue_wait_seconds", "normal")
    assert (wait.count, wait.sum) == (1, 30)
    assert wait.buckets[tallies.BUCKETS.index(40.0)] == 1
    assert histogram(session, "admission_to_running_seconds", "normal").sum == 12
    assert histogram(session, "run_seconds", "normal", "succeeded").sum == 100


def test_a_sum_is_the_same_before_and_after_its_events_are_tallied_and_deleted(session, ended):
    before = tallies.totals(session)
    settle_all(session)
    assert tallies.totals(session) == before
    assert cleanup.delete_jobs(session, later(1000), 10) == 1
    session.commit()
    assert session.scalar(select(func.count()).select_from(Event)) == 0
    assert tallies.totals(session) == before


def test_nothing_is_deleted_that_no_tally_counts(session, ended):
    assert cleanup.delete_jobs(session, later(1000), 10) == 0
    assert cleanup.delete_events(session, later(1000), 10) == 0


def test_settling_goes_batch_by_batch_and_counts_each_event_once(session, queue, monkeypatch):
    monkeypatch.setattr(tallies, "BATCH", 3)
    for _ in range(10):
        make_job(session, queue)
    session.commit()
    settle_all(session)
    settle_all(session)
    assert counter(session, "queued_jobs", "normal") == 10


def test_an_event_with_an_old_instant_is_counted_although_later_ones_are_tallied_already(
    session, ended, queue
):
    settle_all(session)
    make_job(session, queue, enqueued_at=later(-86_400))
    session.commit()
    settle_all(session)
    assert counter(session, "queued_jobs", "normal") == 2


def test_a_pool_changed_later_takes_nothing_away_from_the_old_one(session, ended):
    ended.pool = "high"
    session.commit()
    assert counter(session, "admitted_jobs", "normal") == 1
    assert counter(session, "admitted_jobs", "high") == 0


def test_returns_cancellations_timeouts_and_retries_count_by_their_cause(session, queue):
    job = make_job(session, queue, try_number=2)
    jobs.move(session, job, JobState.ADMITTED, "admitted", "arbiter", later(1))
    jobs.move(session, job, JobState.QUEUED, "back", "arbiter", later(2), cause=Cause.STALE_QUOTA)
    jobs.note(session, job, "no executors", "arbiter", later(3), cause=Cause.STARVED)
    jobs.move(session, job, JobState.CANCELLED, "over", "arbiter", later(4), cause=Cause.QUEUE_TIMEOUT)
    session.commit()
    settle_all(session)
    assert counter(session, "retried_jobs", "normal") == 1
    assert counter(session, "rescheduled_jobs", "normal", "stale-quota") == 1
    assert counter(session, "starved_jobs", "normal") == 1
    assert counter(session, "cancelled_jobs", "normal", "queue-timeout") == 1
    assert counter(session, "timeouts", "normal", "queue-timeout") == 1
    assert counter(session, "finished_jobs", "normal", "cancelled", "queue-timeout") == 1


def test_a_job_that_came_back_waits_since_then(session, queue):
    job = make_job(session, queue)
    jobs.move(session, job, JobState.ADMITTED, "admitted", "arbiter", later(10))
    job.reschedules, job.deferred_at = 1, later(500)
    jobs.move(session, job, JobState.QUEUED, "back", "arbiter", later(501), cause=Cause.STALE_QUOTA)
    jobs.move(session, job, JobState.ADMITTED, "admitted", "arbiter", later(520))
    session.commit()
    assert histogram(session, "queue_wait_seconds", "normal").sum == 10 + 20


def test_what_no_row_tells_is_added_to_the_tallies(session):
    key = ("cycle_duration_seconds", ())
    for seconds in (0.004, 0.3):
        tallies.add_to_tallies(session, {key: tallies.observed(seconds, tallies.SHORT_BUCKETS)})
    session.commit()
    found = tallies.totals(session)[key]
    assert (found.count, round(found.sum, 3)) == (2, 0.304)
    assert [index for index, many in enumerate(found.buckets) if many] == [0, 6]
