# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark job hold|release|…`` as a person types them, with no arbiter running."""

import datetime
import itertools

import pytest
from airflow.cli.cli_parser import get_parser
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from airflow_priority_spark.store.models import Audit, Event, Job, Pool
from tests.builders import NOW, make_task
from tests.store.rows import make_job, make_queue


@pytest.fixture
def wait(session, queue):
    """Let a task wait, parked, a second after the one before; returns its job's id."""
    numbers = itertools.count(1)

    def wait(task_id: str, **columns) -> str:
        ti = make_task(
            session,
            task_id=task_id,
            state=TaskInstanceState.DEFERRED,
            next_method="resume_admitted",
            next_kwargs={},
        )
        at = NOW + datetime.timedelta(seconds=next(numbers))
        job = make_job(session, queue, task_id=task_id, ti_id=ti.id, enqueued_at=at, **columns)
        session.commit()
        return job.id

    return wait


def states(database) -> dict[str, str]:
    with database.session() as session:
        return dict(session.execute(select(Job.task_id, Job.state)).all())


def answer(monkeypatch, word: str) -> list[str]:
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or word)
    return asked


def test_a_job_is_held_and_released_by_its_id(database, session, wait, airflow):
    job_id = wait("a")
    wait("b")
    rows = airflow.json("job", "hold", job_id, "--reason", "quarter end first")
    assert rows == [{"id": job_id, "task": "etl/run-1/a", "pool": "normal", "result": "held"}]
    assert states(database) == {"a": "held", "b": "queued"}
    event = session.scalars(select(Event).where(Event.job_id == job_id).order_by(Event.id.desc())).first()
    assert event.reason == f"held by {event.actor}: quarter end first"
    assert event.actor.startswith("cli ")
    assert session.scalars(select(Audit.reason)).all() == ["quarter end first"]

    assert "released" in airflow("job", "release", job_id)
    assert states(database)["a"] == "queued"


def test_jobs_found_by_a_filter_are_acted_on_after_a_question(database, wait, airflow, monkeypatch):
    wait("a", user="bob")
    wait("b", user="bob")
    wait("c", user="eve")
    asked = answer(monkeypatch, "n")
    assert airflow.refused("job", "hold", "--user", "bob") == "Nothing was changed."
    assert asked == ["2 jobs would be held. Go on? (y/N) "]
    assert set(states(database).values()) == {"queued"}
    airflow("job", "hold", "--user", "bob", "--yes")
    assert states(database) == {"a": "held", "b": "held", "c": "queued"}


def test_a_dry_run_only_shows_who_is_meant(database, wait, airflow):
    wait("a", team="red")
    rows = airflow.json("job", "cancel", "--team", "red", "--dry-run")
    assert [row["result"] for row in rows] == ["would be cancelled"]
    assert states(database) == {"a": "queued"}


def test_a_filter_that_finds_nobody_changes_nothing(wait, airflow):
    wait("a")
    assert airflow.json("job", "hold", "--dag-id", "other", "--yes") == []


@pytest.mark.parametrize(
    "option",
    [
        ("--namespace", "team-a"),
        ("--cluster", "spark-prod"),
        ("--pool", "high"),
        ("--dag-id", "nightly"),
        ("--user", "bob"),
        ("--team", "red"),
        ("--blocking-resource", "memory"),
    ],
)
def test_every_filter_finds_its_jobs(wait, airflow, option):
    job_id = wait("a", pool="high", dag_id="nightly", user="bob", team="red", blocking_resource="memory")
    if option[0] not in ("--namespace", "--cluster"):
        wait("b")
    assert [row["id"] for row in airflow.json("job", "hold", *option, "--dry-run")] == [job_id]


def test_nobody_is_meant_without_an_id_or_a_filter(database, airflow):
    assert airflow.ends("job", "cancel") == (
        2,
        "priority-spark: say which jobs: by their ids, or by --namespace, --cluster, --pool, --dag-id, "
        "--user, --team, --blocking-resource\n",
    )


def test_an_unknown_id_ends_with_its_own_code_and_changes_nothing(database, wait, airflow):
    job_id = wait("a")
    assert airflow.ends("job", "hold", job_id, "4711") == (
        3,
        "priority-spark: no job has the id '4711'; "
        "`airflow priority-spark job list --state all` shows them\n",
    )
    assert states(database) == {"a": "queued"}


def test_what_is_refused_is_named_and_the_rest_is_done(database, wait, airflow):
    first, second = wait("a"), wait("b", state=JobState.SUCCEEDED)
    code, said = airflow.ends("job", "cancel", first, second)
    assert code == 4
    assert said == (
        f"priority-spark: 1 job refused: job {second} has ended: succeeded; only a waiting job can be "
        "cancelled\n"
    )
    assert states(database) == {"a": "cancelled", "b": "succeeded"}


def test_a_job_is_sent_to_legacy_and_its_task_resumed_though_no_arbiter_runs(
    database, session, wait, airflow
):
    job_id = wait("a")
    assert airflow.json("job", "legacy", job_id)[0]["result"] == "sent to legacy"
    task = session.scalars(select(TaskInstance)).one()
    session.refresh(task)
    assert (task.state, task.next_kwargs["event"]["outcome"]) == ("scheduled", "legacy")


def test_a_task_that_airflow_cannot_take_yet_is_told_of_and_left_to_an_arbiter(
    session, wait, airflow, capsys, monkeypatch
):
    job_id = wait("a", deferred_at=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1))
    monkeypatch.setattr("airflow_priority_spark.cli.acts.TELL_SECONDS", 0)
    arguments = get_parser().parse_args(["priority-spark", "job", "legacy", job_id])
    arguments.func(arguments)
    assert capsys.readouterr().err == (
        "Airflow could not take the tasks of 1 job yet; an arbiter tells them when one runs.\n"
    )
    assert session.scalars(select(TaskInstance.state)).all() == ["deferred"]


def test_a_job_that_timed_out_is_requeued_at_the_end(wait, airflow):
    job_id = wait("a", state=JobState.HELD, held_reason=HeldReason.TIMEOUT.value)
    other = wait("b")
    airflow("job", "requeue", job_id, "--last")
    assert [row["id"] for row in airflow.json("job", "list")] == [other, job_id]


def test_a_filter_finds_only_what_the_act_is_meant_for(database, wait, airflow):
    for why in HeldReason:
        wait(why.value, state=JobState.HELD, held_reason=why.value)
    wait("in-line")
    assert [row["task"] for row in airflow.json("job", "requeue", "--pool", "normal", "--yes")] == [
        "etl/run-1/timeout"
    ]
    released = airflow.json("job", "release", "--pool", "normal", "--yes")
    assert {row["task"] for row in released} == {"etl/run-1/person", "etl/run-1/draining"}
    assert [name for name, state in states(database).items() if state == "held"] == ["paused"]


def test_a_pool_that_only_some_queues_have_takes_their_jobs_and_names_the_others(
    session, queue, wait, airflow
):
    other = make_queue(session, "team-b")
    session.add(Pool(queue_id=other.id, name="urgent", weight=1))
    make_job(session, other, user="bob")
    session.commit()
    wait("a", user="bob")
    code, said = airflow.ends("job", "priority", "--user", "bob", "--to", "urgent", "--yes")
    assert (code, said) == (
        4,
        "priority-spark: 1 job refused: pool: 'urgent' is not valid; "
        "allowed: high, normal (the pools of queue team-a)\n",
    )
    assert {row["namespace"]: row["pool"] for row in airflow.json("job", "list")} == {
        "team-a": "normal",
        "team-b": "urgent",
    }


def test_jobs_change_their_pool(wait, airflow):
    job_id = wait("a")
    assert airflow.json("job", "priority", job_id, "--to", "high")[0]["result"] == "moved to high"
    assert airflow.json("job", "list")[0]["pool"] == "high"
    assert airflow.ends("job", "priority", job_id, "--to", "urgent") == (
        4,
        "priority-spark: 1 job refused: pool: 'urgent' is not valid; "
        "allowed: high, normal (the pools of queue team-a)\n",
    )


@pytest.mark.parametrize(
    ("option", "order"),
    [(("--first",), "cab"), (("--last",), "abc"), (("--before", "b"), "acb"), (("--after", "a"), "acb")],
)
def test_a_job_is_moved_in_its_line(wait, airflow, option, order):
    jobs = {name: wait(name) for name in "abc"}
    words = [jobs.get(word, word) for word in option]
    said = airflow("job", "move", jobs["c"], *words)
    assert said.startswith(f"Job {jobs['c']} moved {option[0].removeprefix('--')}")
    assert [row["id"] for row in airflow.json("job", "list")] == [jobs[name] for name in order]


@pytest.mark.parametrize("options", [(), ("--first", "--last"), ("--first", "--before", "x")])
def test_where_to_move_a_job_is_said_once(wait, airflow, options):
    assert airflow.ends("job", "move", wait("a"), *options) == (
        2,
        "priority-spark: say where to: one of --first, --last, --before and --after\n",
    )


def test_events_of_a_job_are_shown_and_followed_to_its_end(wait, airflow):
    job_id = wait("a")
    airflow("job", "hold", job_id)
    airflow("job", "cancel", job_id)
    assert [row["to"] for row in airflow.json("job", "events", job_id)] == ["queued", "held", "cancelled"]
    lines = airflow("job", "events", job_id, "--follow").splitlines()
    assert [line.split()[2] for line in lines] == ["queued:", "held:", "cancelled:"]
    assert lines[0] == "2026-01-01 12:00:01Z queued: enqueued [arbiter]"


def test_following_goes_on_until_the_job_has_ended(database, wait, airflow, monkeypatch):
    job_id = wait("a")

    def meanwhile(seconds):
        from airflow_priority_spark.arbiter.actions import By, cancel_job

        with database.session() as session, session.begin():
            cancel_job(session, job_id, By("bob", NOW))

    monkeypatch.setattr("airflow_priority_spark.cli.job_story.time.sleep", meanwhile)
    lines = airflow("job", "events", job_id, "--follow", "-o", "json").splitlines()
    assert [line.split('"to": ')[1].split(",")[0] for line in lines] == ['"queued"', '"cancelled"']


@pytest.mark.parametrize("command", ["events", "explain", "show"])
def test_looking_at_an_unknown_job_ends_with_its_own_code(database, airflow, command):
    assert airflow.ends("job", command, "4711") == (
        3,
        "priority-spark: no job has the id '4711'; "
        "`airflow priority-spark job list --state all` shows them\n",
    )
