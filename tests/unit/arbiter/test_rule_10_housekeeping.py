# SPDX-License-Identifier: Apache-2.0
"""Rule 10: finished jobs, events and snapshots older than the retention, and applications kept for a look at
them, are deleted in small batches every so often, if at all."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from airflow_priority_spark.arbiter import housekeeping
from airflow_priority_spark.arbiter.housekeeping import APPLICATIONS
from airflow_priority_spark.arbiter.sight import applications_of
from airflow_priority_spark.cluster.applications import Deletion
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store import jobs, tallies
from airflow_priority_spark.store.models import Audit, CapacitySnapshot, Event, Job
from tests.store.rows import CLUSTER, make_job, make_queue
from tests.unit.arbiter.world import World

DAY = datetime.timedelta(days=1)


@pytest.fixture
def tidy(database):
    """A site that keeps what has ended for a day, and looks for older things once an hour."""
    return World(database, retention_seconds=86400.0, cleanup_interval_seconds=3600.0)


def ended(world: World, *ages: datetime.timedelta, state: JobState = JobState.SUCCEEDED) -> list[str]:
    """Write jobs that ended so long ago, each with an event of then."""
    with world.database.session() as session, session.begin():
        queue = make_queue(session)
        return [
            make_job(
                session,
                queue,
                state=state,
                enqueued_at=world.now - age,
                ended_at=world.now - age if state is not JobState.QUEUED else None,
            ).id
            for age in ages
        ]


def left(world: World, table: type = Job) -> int:
    with world.database.session() as session:
        return session.scalar(select(func.count()).select_from(table))


def ids(world: World) -> set[str]:
    with world.database.session() as session:
        return set(session.scalars(select(Job.id)))


def clean(world: World, seconds: float = 1.0) -> int:
    world.now += datetime.timedelta(seconds=seconds)
    # As every cycle does before: what no tally counts is not deleted.
    with world.database.session() as session, session.begin():
        tallies.settle(session)
    return world.loop.housekeeper.clean(applications_of(world.loop.context), world.now)


@pytest.fixture
def leading(tidy):
    assert tidy.loop._lead()
    return tidy


def test_finished_jobs_older_than_the_retention_go_with_their_events(leading):
    _old, young = ended(leading, 2 * DAY, DAY / 2)
    clean(leading)
    assert ids(leading) == {young}
    with leading.database.session() as session:
        assert set(session.scalars(select(Event.job_id))) == {young}


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_however_they_have_ended(leading, state):
    ended(leading, 2 * DAY, state=state)
    clean(leading)
    assert left(leading) == 0


def test_a_job_that_waits_stays_however_old_but_its_old_events_go(leading):
    (waiting,) = ended(leading, 40 * DAY, state=JobState.QUEUED)
    clean(leading)
    assert ids(leading) == {waiting}
    assert left(leading, Event) == 0


def test_a_finished_job_that_still_holds_capacity_stays(leading):
    (held,) = ended(leading, 2 * DAY)
    with leading.database.session() as session, session.begin():
        job = session.get_one(Job, held)
        jobs.give_grants(session, {job: False}, now=leading.now, valid_until=leading.now)
    clean(leading)
    assert ids(leading) == {held}


def test_pictures_of_clusters_go_but_the_newest_of_each_stays(leading):
    ended(leading, DAY / 2)
    with leading.database.session() as session, session.begin():
        for days in (5, 4, 3):
            taken = leading.now - days * DAY
            session.add(
                CapacitySnapshot(cluster_id=CLUSTER, taken_at=taken, first_at=taken, data={"days": days})
            )
    clean(leading)
    with leading.database.session() as session:
        assert [row.data for row in session.scalars(select(CapacitySnapshot))] == [{"days": 3}]


def test_old_audit_rows_go(leading):
    with leading.database.session() as session, session.begin():
        for days in (2, 0):
            session.add(
                Audit(
                    at=leading.now - days * DAY,
                    actor="alice",
                    action="hold",
                    target_type="job",
                    target=str(days),
                    reason="",
                    details={},
                )
            )
    clean(leading)
    with leading.database.session() as session:
        assert session.scalars(select(Audit.target)).all() == ["0"]


def test_a_backlog_goes_in_small_batches_one_transaction_each(leading, monkeypatch):
    monkeypatch.setattr(
        housekeeping,
        "_PARTS",
        tuple((what, delete, min(limit, 4)) for what, delete, limit in housekeeping._PARTS),
    )
    ended(leading, *[2 * DAY] * 10)
    remaining = []
    for _ in range(4):
        clean(leading)
        remaining.append(left(leading))
    assert remaining == [6, 2, 0, 0], "as long as a batch is full the next cycle goes on"


def test_the_batches_are_small():
    assert {what: limit for what, _, limit in housekeeping._PARTS} == {
        "finished jobs": 100,
        "events": 500,
        "pictures of clusters": 500,
        "audit rows": 500,
    }


def test_it_looks_again_only_after_cleanup_interval_seconds(leading):
    clean(leading)
    ended(leading, 2 * DAY)
    clean(leading, 3599)
    assert left(leading) == 1
    clean(leading, 1)
    assert left(leading) == 0


def test_it_deletes_nothing_where_the_cleanup_is_not_enabled(database, leading):
    untidy = World(database, cleanup_enabled=False)
    ended(leading, 400 * DAY)
    clean(untidy)
    assert left(leading) == 1


def test_the_retention_is_30_days_unless_configured(database, leading):
    leading.loop.leadership.release()
    by_default = World(database)
    assert by_default.loop._lead()
    ended(leading, 31 * DAY, 29 * DAY)
    clean(by_default)
    assert left(leading) == 1


@pytest.fixture
def deleted(leading, monkeypatch):
    """Names of the applications that were asked to go."""
    names = []

    def delete(connection, namespace, name, uid, *, kind):
        names.append(name)
        return Deletion.REQUESTED

    monkeypatch.setattr("airflow_priority_spark.arbiter.strays.delete_application", delete)
    leading.loop.clusters.connections[next(iter(leading.loop.clusters.observers))] = object()
    return names


@pytest.mark.parametrize(("days", "goes"), [(2, True), (0.5, False)])
def test_an_application_kept_for_debugging_goes_after_the_retention(leading, deleted, days, goes):
    leading.defer("kept")
    leading.cycle()
    leading.start("kept", state="COMPLETED")
    began = (leading.now - days * DAY).timestamp()
    leading.cluster.apps = [replace(app, created=began) for app in leading.cluster.apps]
    with leading.database.session() as session, session.begin():
        job = session.scalars(select(Job)).one()
        job.state, job.ended_at = JobState.SUCCEEDED.value, leading.now - days * DAY
    leading.loop.housekeeper._next = None
    clean(leading)
    assert deleted == ([leading.cluster.apps[0].name] if goes else [])


def test_applications_go_a_few_at_a_time(leading, deleted):
    leading.defer("kept")
    leading.cycle()
    app = leading.start("kept", state="COMPLETED")
    labels = {**app.labels, "priority-spark/job": "of a job long gone"}
    leading.cluster.apps = [
        replace(app, name=f"old-{number}", uid=str(number), created=0.0, labels=labels)
        for number in range(APPLICATIONS + 5)
    ]
    leading.loop.housekeeper._next = None
    clean(leading)
    assert len(deleted) == APPLICATIONS
