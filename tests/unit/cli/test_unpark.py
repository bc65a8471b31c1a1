# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark unpark``: the question before, and what is left behind."""

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState

from airflow_priority_spark.store.models import Job
from tests.builders import make_task
from tests.store.rows import make_job


@pytest.fixture
def waiting(session, queue):
    """Two task instances that wait, parked."""
    ids = []
    for number in range(2):
        task_instance = make_task(
            session,
            task_id=f"task-{number}",
            state=TaskInstanceState.DEFERRED,
            next_method="resume_admitted",
            next_kwargs={},
        )
        make_job(session, queue, task_id=f"task-{number}", ti_id=task_instance.id)
        ids.append(task_instance.id)
    session.commit()
    return ids


def states(database, model) -> list[str]:
    from sqlalchemy import select

    with database.session() as session:
        return [str(state) for state in session.scalars(select(model.state))]


def answer(monkeypatch, word: str) -> list[str]:
    """Let a person answer; returns what they were asked."""
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or word)
    return asked


def test_nothing_to_do_asks_nothing(database, airflow):
    assert airflow("unpark").strip() == "No task waits."


def test_a_dry_run_counts_and_changes_nothing(database, waiting, airflow):
    said = airflow("unpark", "--dry-run").strip()
    assert said == (
        "2 waiting tasks would be sent straight to the cluster, without asking whether it has room."
    )
    assert states(database, TaskInstance) == ["deferred", "deferred"]


def test_a_person_who_does_not_say_yes_changes_nothing(database, waiting, airflow, monkeypatch):
    asked = answer(monkeypatch, "")
    assert airflow.refused("unpark") == "Nothing was changed."
    assert asked == [
        "2 waiting tasks would be sent straight to the cluster, without asking whether it has room. "
        "Go on? (y/N) "
    ]
    assert states(database, TaskInstance) == ["deferred", "deferred"]


def test_a_person_who_says_yes_gets_every_task_back(database, waiting, airflow, monkeypatch):
    answer(monkeypatch, "y")
    assert airflow("unpark").strip() == "2 waiting tasks given back to Airflow."
    assert states(database, TaskInstance) == ["scheduled", "scheduled"]
    assert states(database, Job) == ["admitted", "admitted"]


def test_yes_on_the_command_line_asks_nothing(database, waiting, airflow):
    airflow("unpark", "--yes", "--fail")
    assert states(database, TaskInstance) == ["scheduled", "scheduled"]
    assert states(database, Job) == ["cancelled", "cancelled"]
