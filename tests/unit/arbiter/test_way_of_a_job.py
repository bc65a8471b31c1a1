# SPDX-License-Identifier: Apache-2.0
"""From a deferral to the end, one step at a time, on a real database."""

from __future__ import annotations

from dataclasses import replace

import pytest
from airflow.models.dag import DagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.state import TaskInstanceState
from sqlalchemy import func, select, update

from airflow_priority_spark.errors import InvalidRequest
from airflow_priority_spark.spark.admission import AdmissionEvent
from tests import builders
from tests.unit.arbiter.world import World

BIG = builders.make_demand(executors=5)  # 6 CPU: the whole quota
SMALL = builders.make_demand(executors=1)  # 2 CPU


def event_of(task) -> AdmissionEvent:
    """Read the event with which a task was resumed."""
    from airflow.sdk.serde import deserialize

    return AdmissionEvent.from_payload(deserialize(task.next_kwargs)["event"])


def test_a_deferred_task_becomes_a_waiting_job_and_keeps_no_trigger(world):
    world.cluster.fresh = False
    world.defer("first", demand=BIG, priority="high")
    world.cycle()
    job, task = world.job("first"), world.task("first")
    assert (job.state, job.pool, job.parked, job.user) == ("queued", "high", True, "alice")
    assert (task.state, task.trigger_id) == (TaskInstanceState.DEFERRED, None)
    with world.database.session() as session:
        Trigger.clean_unused(session=session)
        assert session.scalar(select(func.count()).select_from(Trigger).where(Trigger.queue.is_(None))) == 0
    assert world.task("first").state == TaskInstanceState.DEFERRED


def test_a_job_that_fits_is_admitted_with_a_grant_and_resumed_in_its_mirrored_pool(world):
    world.defer("first", demand=BIG, priority="high")
    world.cycle()
    job, task = world.job("first"), world.task("first")
    assert (job.state, job.admission, job.parked) == ("admitted", 1, False)
    assert world.grants().keys() == {job.id}
    assert (task.state, task.next_method) == (TaskInstanceState.SCHEDULED, "resume_admitted")
    assert (task.pool, task.priority_weight) == ("spark.kubernetes_default.team-a.high", 90)
    event = event_of(task)
    assert (event.outcome, event.job_id, event.admission) == ("admitted", job.id, 1)
    assert event.instance_id == world.loop.context.instance_id
    assert event.valid_until == pytest.approx(world.now.timestamp() + 300)
    assert [line.split("Z ")[1] for line in event.history] == [
        "queued: waits in team-a/high at position 1",
        "admitted: admitted after 1 s (admission 1)",
    ]


def test_behind_very_many_others_no_place_is_told(world, monkeypatch):
    monkeypatch.setattr("airflow_priority_spark.store.jobs.MOST_COUNTED", 2)
    for name in ("first", "second", "third"):
        world.defer(name, demand=BIG)
    world.cycle()
    assert world.reasons(world.job("second"))[0] == "queued: waits in team-a/normal at position 2"
    assert world.reasons(world.job("third"))[0] == "queued: waits in team-a/normal behind 2 others or more"


def test_an_authors_own_airflow_pool_is_kept(world):
    world.defer("first")
    world.set_task("first", TaskInstanceState.DEFERRED, pool="mine")
    world.defer_again("first", builders.make_request())
    world.cycle()
    assert world.task("first").pool == "mine"


def test_a_job_that_does_not_fit_waits_and_says_for_what(world):
    world.defer("first", demand=BIG)
    world.defer("second", demand=SMALL)
    world.cycle()
    assert world.admitted() == ["first"]
    second = world.job("second")
    assert (second.state, second.blocking_resource) == ("queued", "cpu")
    assert second.verdict["sentence"] == "cpu: needs 2 CPU, 0 CPU free of quota quota"


def test_room_that_was_granted_but_not_used_yet_is_not_given_twice(world):
    for name in ("a", "b", "c", "d"):
        world.defer(name, demand=SMALL)
    world.cycle(3)
    assert world.admitted() == ["a", "b", "c"]
    assert world.job("d").state == "queued"


def test_a_job_goes_through_its_states_and_its_grant_ends_when_its_pods_are_gone(world):
    world.defer("first", demand=BIG)
    world.defer("second", demand=BIG)
    world.cycle()
    world.start("first", state="SUBMITTED")
    world.cycle()
    assert world.job("first").state == "submitted"
    world.cluster.apps[0] = replace(world.cluster.apps[0], state="RUNNING")
    world.cycle()
    assert world.job("first").state == "running"
    world.set_task("first", TaskInstanceState.SUCCESS)
    world.cycle(2)
    assert world.job("first").state == "succeeded"
    assert world.job("second").state == "queued", "the pods of the first are still there"
    world.end("first")
    world.cycle(2)
    assert world.job("second").state == "admitted"
    assert world.grants().keys() == {world.job("second").id}
    assert world.reasons(world.job("first"))[-1] == "succeeded: its pods are gone; its grant ends"


def test_nothing_is_admitted_on_a_stale_picture(world):
    world.cluster.fresh = False
    world.defer("first", demand=SMALL)
    world.cycle(3)
    assert world.job("first").state == "queued"
    world.cluster.fresh = True
    world.cycle()
    assert world.job("first").state == "admitted"


def test_impossible_demand_fails_at_once_with_its_numbers(world):
    world.defer("giant", demand=builders.make_demand(executors=9))
    world.cycle()
    job, event = world.job("giant"), event_of(world.task("giant"))
    assert (job.state, job.blocking_resource) == ("failed", "cpu")
    assert event.outcome == "impossible"
    assert event.reason == (
        "could never start: cpu: needs 10 CPU, 6 CPU free of quota quota (even when nothing else runs)"
    )
    assert world.grants() == {}


def test_an_unknown_priority_is_refused_naming_those_that_exist(world):
    world.defer("wrong", priority="urgentt")
    world.cycle()
    event = event_of(world.task("wrong"))
    assert event.outcome == "impossible"
    assert event.reason == "priority: 'urgentt' is not valid; allowed: high, normal"
    assert world.jobs("wrong") == []


def test_a_namespace_that_does_not_exist_fails_the_job_naming_it(world):
    world.defer("lost", namespace="team-x")
    world.cycle()
    assert "namespace team-x does not exist" in event_of(world.task("lost")).reason


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ("not json", "trigger kwargs: 'not json' is not valid; allowed: a JSON object"),
        ("{}", "request: None is not valid; allowed: an object"),
        ('{"request": {"version": 1, "evil": 2}}', "request.evil: 'present' is not valid"),
    ],
)
def test_a_deferral_that_cannot_be_read_fails_its_task_naming_the_field(world, kwargs, message):
    with world.database.session() as session, session.begin():
        builders.make_deferred_task(session, task_id="odd", kwargs=kwargs)
    world.cycle()
    assert event_of(world.task("odd")).reason.startswith(message)


def test_a_request_that_is_too_large_is_not_looked_into():
    from airflow_priority_spark.arbiter.intake import parse

    with pytest.raises(InvalidRequest, match="allowed: at most 65536 bytes"):
        parse('{"request": "' + "x" * 70_000 + '"}')


def test_a_paused_dag_holds_its_jobs_and_lets_them_go(world):
    world.defer("first", demand=BIG)
    world.cycle()
    world.defer("second", demand=SMALL, dag_id="other")
    world.cycle()
    with world.database.session() as session, session.begin():
        session.execute(update(DagModel).where(DagModel.dag_id == "other").values(is_paused=True))
    world.cycle()
    held = world.job("second")
    assert (held.state, held.ineligible, held.ineligible_detail) == ("held", "paused", "the DAG is paused")
    world.end("first")
    world.cycle(3)
    assert world.job("second").state == "held"
    with world.database.session() as session, session.begin():
        session.execute(update(DagModel).where(DagModel.dag_id == "other").values(is_paused=False))
    world.cycle(2)
    assert world.job("second").state == "admitted"


def test_a_cluster_that_cannot_be_reached_leaves_the_task_where_it_is(world):
    world.loop.clusters.reachable = False
    task = world.defer("first")
    world.cycle(2)
    assert world.jobs("first") == []
    assert world.task("first").trigger_id == task.trigger_id
    world.loop.clusters.reachable = True
    world.cycle()
    assert world.job("first").state == "admitted"


def test_observe_flow_is_admitted_at_once_whatever_the_room(world):
    world.defer("first", demand=BIG)
    world.defer("second", demand=BIG, flow="observe")
    world.cycle()
    assert world.job("second").state == "admitted"
    assert world.grants()[world.job("second").id].unchecked


def test_an_idle_cycle_sends_as_many_statements_for_200_waiting_jobs_as_for_20(world):
    world.defer("first", demand=BIG)
    world.cycle()
    for index in range(20):
        world.defer("many", map_index=index, demand=SMALL)
    world.cycle(4)
    few = world.statements(lambda: world.cycle(seconds=0))
    for index in range(20, 200):
        world.defer("many", map_index=index, demand=SMALL)
    world.cycle(6)
    assert sum(job.parked for job in world.jobs("many")) == 200
    many = world.statements(lambda: world.cycle(seconds=0))
    assert len(many) == len(few), "\n".join(many)
    with world.database.session() as session:
        Trigger.clean_unused(session=session)
        assert session.scalar(select(func.count()).select_from(Trigger).where(Trigger.queue.is_(None))) == 0


def queued_by(world, task_id: str, heartbeat) -> None:
    """Say which scheduler ran the task, and when it was last heard of."""
    from airflow.jobs.job import Job, JobState

    with world.database.session() as session, session.begin():
        scheduler = session.scalar(select(Job).where(Job.job_type == "SchedulerJob"))
        if scheduler is None:
            scheduler = Job(job_type="SchedulerJob", state=JobState.RUNNING)
            session.add(scheduler)
        scheduler.latest_heartbeat = heartbeat
        session.flush()
        session.execute(
            update(TaskInstance).where(TaskInstance.task_id == task_id).values(queued_by_job_id=scheduler.id)
        )


@pytest.fixture
def settling_world(database):
    return World(database, settle_seconds=3.0)


def test_a_task_that_has_just_deferred_gets_its_grant_at_once_and_is_resumed_when_it_has_settled(
    settling_world,
):
    world = settling_world
    world.defer("first", demand=BIG)
    world.cycle()
    job = world.job("first")
    assert (job.state, job.parked, world.task("first").state) == ("admitted", True, "deferred")
    assert world.grants().keys() == {job.id}
    world.cycle(3)
    job = world.job("first")
    assert (job.state, job.parked, world.task("first").state) == ("admitted", False, "scheduled")
    assert event_of(world.task("first")).valid_until == pytest.approx(world.now.timestamp() + 300)


def test_a_task_is_not_resumed_before_its_scheduler_was_heard_of_after_it_deferred(settling_world):
    world = settling_world
    world.defer("first", demand=BIG)
    queued_by(world, "first", world.now)
    world.cycle(10)
    assert world.task("first").state == "deferred"
    queued_by(world, "first", world.now)
    world.cycle()
    assert world.task("first").state == "scheduled"


def test_a_task_whose_scheduler_has_died_is_not_kept_waiting_for_it(settling_world):
    world = settling_world
    world.defer("first", demand=BIG)
    queued_by(world, "first", world.now)
    world.cycle(31)
    assert world.task("first").state == "scheduled"


def test_an_impossible_or_refused_task_is_failed_only_when_it_has_settled(settling_world):
    world = settling_world
    world.defer("giant", demand=builders.make_demand(executors=9))
    world.defer("wrong", priority="urgentt")
    world.cycle()
    assert (world.job("giant").state, world.task("giant").state) == ("failed", "deferred")
    assert world.task("wrong").state == "deferred"
    world.cycle(4)
    assert event_of(world.task("giant")).outcome == event_of(world.task("wrong")).outcome == "impossible"


def test_a_task_that_is_cleared_before_it_is_told_ends_its_job(settling_world):
    world = settling_world
    world.defer("first", demand=BIG)
    world.cycle()
    world.clear("first")
    world.cycle(5)
    job = world.job("first")
    assert (job.state, job.reason, job.parked) == ("cancelled", "the task was cleared", False)
