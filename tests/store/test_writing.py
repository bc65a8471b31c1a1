# SPDX-License-Identifier: Apache-2.0
"""Rows that changed alike are written together, and what is written is what a flush would have written."""

from __future__ import annotations

import datetime

import pytest
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import delete, event, select
from sqlalchemy.orm.exc import StaleDataError

from airflow_priority_spark.store.models import Event, Grant, Job
from airflow_priority_spark.store.writing import insert_later, update_rows, write
from tests.builders import NOW, make_run, make_task
from tests.store.rows import make_job, make_queue


@pytest.fixture
def sent(database):
    """The statements that change something."""
    found: list[str] = []

    def note(_connection, _cursor, statement, _parameters, _context, _many):
        if not statement.startswith("SELECT"):
            found.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield found
    event.remove(database.engine, "before_cursor_execute", note)


@pytest.fixture
def jobs(session):
    queue = make_queue(session)
    made = [make_job(session, queue, user=f"user-{number}") for number in range(5)]
    session.commit()
    return made


def again(database, jobs):
    with database.session() as session:
        found = {job.id: job for job in session.scalars(select(Job))}
    return [found[job.id] for job in jobs]


def test_every_kind_of_value_arrives(database, session, jobs):
    later = NOW + datetime.timedelta(seconds=1, microseconds=7)
    sentence = "cpu: needs 3 CPU, 'none' free {\"}\\,"
    for number, job in enumerate(jobs):
        job.state, job.reason, job.admission = "held", f"{sentence}{number}", number
        job.verdict = {"sentence": sentence, "needed": None, "list": [1, "two"]} if number else None
        job.blocked_since, job.user = (later, None) if number else (None, "someone")
        job.adopt = bool(number)
    write(session)
    session.commit()
    for number, job in enumerate(again(database, jobs)):
        assert (job.state, job.reason, job.admission) == ("held", f"{sentence}{number}", number)
        wanted = {"sentence": sentence, "needed": None, "list": [1, "two"]} if number else None
        assert job.verdict == wanted
        assert (job.blocked_since, job.user) == ((later, None) if number else (None, "someone"))
        assert job.adopt is bool(number)


def test_nothing_but_what_changed_is_written(database, session, jobs, sent):
    first, second, third, *_ = jobs
    with database.session() as other, other.begin():
        other.get_one(Job, first.id).team = "platform"
    first.reason = second.reason = "another"
    third.reason = third.reason
    del sent[:]
    write(session)
    session.commit()
    assert all("team" not in statement for statement in sent)
    found = again(database, jobs)
    assert [job.reason for job in found] == ["another", "another", *["enqueued"] * 3]
    assert found[0].team == "platform"


def test_what_was_written_is_not_written_again(session, jobs, sent):
    for job in jobs:
        job.reason = "another"
    write(session)
    del sent[:]
    write(session)
    session.commit()
    assert sent == []
    assert {job.reason for job in jobs} == {"another"}


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_rows_that_changed_alike_are_one_statement(session, jobs, sent):
    for job in jobs[:3]:
        job.reason, job.parked = "another", False
    for job in jobs[3:]:
        job.reason = "another"
    write(session)
    assert [statement.split()[:2] for statement in sent] == [["UPDATE", "priority_spark_job"]] * 2


def test_new_rows_are_flushed(database, session, jobs):
    queue_id = jobs[0].queue_id
    session.add(
        Grant(job_id=jobs[0].id, queue_id=queue_id, admission=1, demand={}, granted_at=NOW, valid_until=NOW)
    )
    write(session)
    session.commit()
    with database.session() as other:
        assert other.scalars(select(Grant.job_id)).all() == [jobs[0].id]


def test_a_job_that_is_gone_is_not_passed_over(database, session, jobs):
    for job in jobs:
        job.reason = "another"
    with database.session() as other, other.begin():
        other.execute(delete(Event).where(Event.job_id == jobs[0].id))
        other.execute(delete(Job).where(Job.id == jobs[0].id))
    with pytest.raises(StaleDataError):
        write(session)


def test_airflows_rows_keep_the_instant_of_their_change(database, session):
    make_run(session, "etl", "run-1")
    tasks = [make_task(session, task_id=f"task-{number}") for number in range(3)]
    session.commit()
    before = tasks[0].updated_at
    for task in tasks:
        task.next_kwargs = {"event": {"outcome": "admitted", "of": task.task_id}}
        task.state = "scheduled"
    write(session)
    session.commit()
    with database.session() as other:
        found = {task.task_id: task for task in other.scalars(select(TaskInstance))}
    for task in tasks:
        same = found[task.task_id]
        assert same.next_kwargs == {"event": {"outcome": "admitted", "of": task.task_id}}
        assert same.state == "scheduled"
        assert same.updated_at > before


def test_rows_of_a_table_are_updated_by_their_key(database, session, jobs):
    rows = [{"id": job.id, "reason": f"of {job.id}", "blocked_since": None} for job in jobs[:2]]
    assert update_rows(session, Job.__table__, rows) == 2
    assert update_rows(session, Job.__table__, []) == 0
    session.commit()
    assert [job.reason for job in again(database, jobs)[:3]] == [*(row["reason"] for row in rows), "enqueued"]


class TestInsertLater:
    def events(self, database):
        with database.session() as session:
            return session.execute(select(Event.id, Event.reason).order_by(Event.id)).all()

    def row(self, job, reason):
        return {
            "job_id": job.id,
            "at": NOW,
            "from_state": None,
            "to_state": "queued",
            "reason": reason,
            "actor": "test",
            "cause": None,
            "pool": "normal",
            "seconds": None,
            "to_notify": False,
        }

    def test_rows_are_in_the_order_in_which_they_were_given(self, database, session, jobs):
        already = len(self.events(database))
        said = [f"number {number}" for number in range(250)]
        for number, reason in enumerate(said):
            insert_later(session, Event, self.row(jobs[number % 5], reason))
        session.commit()
        assert [row.reason for row in self.events(database)[already:]] == said

    def test_a_flush_writes_them_after_the_rows_they_refer_to(self, session):
        job = make_job(session, make_queue(session))
        insert_later(session, Event, self.row(job, "its own"))
        job.reason = "another"
        session.flush()
        found = session.scalars(select(Event.reason).where(Event.job_id == job.id).order_by(Event.id))
        assert list(found) == ["enqueued", "its own"]

    def test_what_was_rolled_back_is_not_written_later(self, database, session, jobs):
        already = len(self.events(database))
        insert_later(session, Event, self.row(jobs[0], "undone"))
        session.execute(select(Event.id))
        session.rollback()
        insert_later(session, Event, self.row(jobs[0], "done"))
        session.commit()
        session.commit()
        assert [row.reason for row in self.events(database)[already:]] == ["done"]
