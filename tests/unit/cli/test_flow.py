# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark flow list|set|unset|migrate`` as a person types them."""

import pytest
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select

from airflow_priority_spark.scheduling.jobs import HeldReason, JobState
from tests.store.rows import make_job
from tests.unit.cli.test_job_acts import answer, states, wait

__all__ = ["wait"]


def test_a_flow_is_set_listed_and_taken_back(database, airflow):
    assert airflow("flow", "set", "--to", "observe", "--team", "red") == (
        "Tasks to come of team red take the flow observe; jobs that wait stay as they are.\n"
    )
    airflow("flow", "set", "--to", "legacy")
    assert "take the flow legacy already" in airflow("flow", "set", "--to", "legacy")
    rows = airflow.json("flow", "list")
    assert [(row["scope"], row["value"], row["flow"]) for row in rows] == [
        ("team", "red", "observe"),
        ("site", "", "legacy"),
    ]
    assert rows[0]["by"].startswith("cli ")
    assert airflow("flow", "unset", "--team", "red") == "No flow is set for team red any more.\n"
    assert airflow.ends("flow", "unset", "--team", "red") == (
        3,
        "priority-spark: no flow is set for team red; "
        "`airflow priority-spark flow list` shows those that are\n",
    )


def test_a_dry_run_sets_nothing(database, airflow):
    assert airflow("flow", "set", "--to", "observe", "--dry-run") == (
        "Tasks to come of the site would take the flow observe.\n"
    )
    assert airflow.json("flow", "list") == []


def test_two_scopes_at_once_are_wrong_usage(database, airflow):
    assert airflow.ends("flow", "set", "--to", "legacy", "--team", "red", "--dag-id", "etl") == (
        2,
        "priority-spark: give one of --dag-id, --team and --namespace, or none of them for the whole site\n",
    )


def test_an_unknown_flow_names_those_there_are(database, airflow):
    code, said = airflow.ends("flow", "set", "--to", "fast")
    assert code == 2
    assert "invalid choice: 'fast' (choose from 'priority', 'observe', 'legacy')" in said


def test_waiting_jobs_are_migrated_after_a_question_with_no_arbiter_running(
    database, session, wait, airflow, monkeypatch
):
    wait("a")
    wait("b")
    held = wait("c", state=JobState.HELD, held_reason=HeldReason.PERSON.value)
    asked = answer(monkeypatch, "y")
    assert airflow("flow", "migrate", "--to", "legacy", "--namespace", "team-a").splitlines() == [
        "2 waiting jobs of namespace team-a were sent straight to the cluster, without asking whether it has "
        "room.",
        "Tasks to come take the flow legacy.",
        f"job {held} stays held: enqueued",
    ]
    assert asked == [
        "2 waiting jobs of namespace team-a would be sent straight to the cluster, without asking whether it "
        "has room. Go on? (y/N) "
    ]
    assert states(database) == {"a": "admitted", "b": "admitted", "c": "held"}
    resumed = session.scalars(select(TaskInstance.task_id).where(TaskInstance.state == "scheduled"))
    assert set(resumed) == {"a", "b"}


def test_a_person_who_does_not_say_yes_moves_nobody(database, wait, airflow, monkeypatch):
    wait("a")
    answer(monkeypatch, "")
    assert airflow.refused("flow", "migrate", "--to", "legacy") == "Nothing was changed."
    assert (states(database), airflow.json("flow", "list")) == ({"a": "queued"}, [])


def test_a_dry_run_of_a_migration_says_what_would_be(database, wait, airflow):
    job_id = wait("a")
    shown = airflow.json("flow", "migrate", "--to", "observe", "--dry-run")
    assert shown == {
        "scope": "site",
        "value": "",
        "to": "observe",
        "override": True,
        "moved": [job_id],
        "stayed": [],
    }
    assert airflow("flow", "migrate", "--to", "observe", "--dry-run").splitlines() == [
        "1 waiting job of the site would be admitted at once, with a note of what would have made each wait.",
        "Tasks to come would take the flow observe.",
    ]
    assert states(database) == {"a": "queued"}


def test_jobs_come_back_to_priority(session, queue, wait, airflow):
    wait("a", flow="observe")
    make_job(session, queue, state=JobState.RUNNING, flow="observe")
    session.commit()
    assert airflow("flow", "migrate", "--to", "priority", "--yes").splitlines()[0] == (
        "1 waiting job of the site was left to wait for their turn and for room."
    )


@pytest.mark.parametrize("command", [("list",), ("set", "--to", "legacy"), ("migrate", "--to", "legacy")])
def test_a_database_that_is_not_migrated_says_which_command_to_run(empty_database, airflow, command):
    assert airflow.refused("flow", *command) == (
        "priority-spark: the tables of Priority Spark are missing in Airflow's database; "
        "run: airflow db migrate"
    )
