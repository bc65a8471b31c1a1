# SPDX-License-Identifier: Apache-2.0
"""What the commands that show something print."""

import datetime
import json

import pytest
import yaml

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.jobs import give_grant, move
from airflow_priority_spark.store.snapshots import save_snapshot, save_summary
from tests.builders import NOW, make_demand
from tests.store.rows import CLUSTER, make_job

BLOCKED = "memory: needs 96 GiB, 40 GiB free of quota team-a"


def block(job, sentence=BLOCKED):
    job.blocking_resource, job.blocked_since = "memory", NOW
    job.verdict = {"resource": "memory", "sentence": sentence}


@pytest.mark.parametrize("command", [("queue", "list"), ("job", "list")])
def test_an_empty_list_is_valid_json(database, airflow, command):
    assert airflow.json(*command) == []
    assert yaml.safe_load(airflow(*command, "-o", "yaml")) == []
    assert airflow(*command).strip() == "No data found"
    assert airflow(*command, "-o", "plain").strip() == "No data found"


def test_queues_are_listed_by_priority_pool_with_what_their_head_waits_for(session, queue, airflow):
    block(make_job(session, queue, pool="high", task_id="train"))
    make_job(session, queue, pool="high")
    session.commit()

    high, normal = airflow.json("queue", "list")

    assert (high["cluster"], high["namespace"], high["pool"]) == ("spark-prod", "team-a", "high")
    assert (high["queued"], high["weight"], high["condition"]) == (2, 90, "open")
    assert (high["head"], high["blocked_by"], high["waits_for"]) == ("etl/run-1/train", "memory", BLOCKED)
    assert high["oldest_wait_seconds"] > 0
    assert (normal["queued"], normal["head"], normal["oldest_wait_seconds"]) == (0, None, None)


@pytest.mark.parametrize("condition", ["paused", "draining"])
def test_a_queue_that_is_not_open_says_so(session, queue, airflow, condition):
    setattr(queue, condition, True)
    session.commit()
    assert {row["condition"] for row in airflow.json("queue", "list")} == {condition}


def test_the_table_of_queues_says_what_json_says(session, queue, airflow):
    block(make_job(session, queue, pool="high", task_id="train"))
    session.commit()
    table = airflow("queue", "list", "-o", "plain")
    assert all(word in table for word in ("team-a", "etl/run-1/train", "memory", BLOCKED))


def test_jobs_are_listed_in_order_of_enqueueing_with_their_position(session, queue, airflow):
    second = make_job(session, queue, enqueued_at=NOW + datetime.timedelta(seconds=2))
    first = make_job(session, queue, enqueued_at=NOW)
    block(first)
    session.commit()

    rows = airflow.json("job", "list")

    assert [(row["id"], row["position"]) for row in rows] == [(first.id, 1), (second.id, 2)]
    assert [row["says"] for row in rows] == [BLOCKED, "behind 1 of its priority pool"]
    assert rows[0]["queued_at"] == NOW.isoformat()
    assert rows[0]["demand"] == dict(make_demand().total())


def test_who_is_over_a_limit_is_listed_so_and_is_no_head(session, queue, airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__JOB_LIMIT_PER_USER", "1")
    runs, over, _ = (
        make_job(session, queue, task_id=name, user=user)
        for name, user in (("runs", "alice"), ("over", "alice"), ("head", "bob"))
    )
    runs.admission = 1
    move(session, runs, JobState.ADMITTED, "fits", "arbiter", NOW)
    give_grant(session, runs, unchecked=False, now=NOW, valid_until=NOW)
    session.commit()

    limit = "limit: user alice has 1 of 1 jobs admitted"
    assert {row["id"]: row["says"] for row in airflow.json("job", "list")}[over.id] == limit
    assert airflow.json("job", "show", over.id)["says"] == limit
    heads = [row["head"] for row in airflow.json("queue", "list")]
    assert heads == [None, "etl/run-1/head"]
    assert [pool["head"] for pool in airflow.json("queue", "show", "team-a")["pools"]] == heads


def test_only_jobs_that_have_not_ended_are_listed_unless_asked_for(session, queue, airflow):
    waiting = make_job(session, queue)
    ended = make_job(session, queue)
    move(session, ended, JobState.CANCELLED, "cleared", "arbiter", NOW)
    session.commit()

    def listed(*options):
        return {row["id"] for row in airflow.json("job", "list", *options)}

    assert listed() == {waiting.id}
    assert listed("--state", "cancelled") == {ended.id}
    assert listed("--state", "cancelled", "--state", "queued") == {waiting.id, ended.id}
    assert listed("--state", "all") == {waiting.id, ended.id}


def test_of_ended_jobs_the_newest_are_listed_still_in_order(session, queue, airflow):
    jobs = [
        make_job(session, queue, enqueued_at=NOW + datetime.timedelta(seconds=number)) for number in range(3)
    ]
    for job in jobs:
        move(session, job, JobState.CANCELLED, "cleared", "arbiter", NOW)
    session.commit()
    rows = airflow.json("job", "list", "--state", "cancelled", "--limit", "2")
    assert [row["id"] for row in rows] == [jobs[1].id, jobs[2].id]


@pytest.mark.parametrize(
    "option", [("--pool", "high"), ("--dag-id", "ml"), ("--namespace", "team-a", "--pool", "high")]
)
def test_jobs_are_filtered(session, queue, airflow, option):
    wanted = make_job(session, queue, pool="high", dag_id="ml")
    make_job(session, queue)
    session.commit()
    assert [row["id"] for row in airflow.json("job", "list", *option)] == [wanted.id]


def test_a_list_that_was_cut_says_so_on_stderr_and_stays_valid_json(session, queue, airflow, capsys):
    for _ in range(3):
        make_job(session, queue)
    session.commit()
    from airflow.cli.cli_parser import get_parser

    arguments = get_parser().parse_args(["priority-spark", "job", "list", "--limit", "2", "-o", "json"])
    arguments.func(arguments)
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == 2
    assert "There are more than these 2 jobs; see --limit and the filters." in printed.err


def test_square_brackets_of_a_sentence_stay_in_the_table(session, queue, airflow):
    block(make_job(session, queue), "quota [team-a] has no memory [/left]")
    session.commit()
    assert "quota [team-a] has no memory [/left]" in airflow("job", "list")


def test_an_unknown_state_names_what_is_allowed(database, airflow):
    assert "invalid choice: 'lost' (choose from 'held', 'queued', 'admitted'" in airflow.refused(
        "job", "list", "--state", "lost"
    )


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_that_is_no_positive_number_is_refused(database, airflow, limit):
    assert f"argument --limit: invalid positive int value: '{limit}'" in airflow.refused(
        "job", "list", f"--limit={limit}"
    )


def test_a_job_is_shown_with_its_pods_and_history(session, queue, airflow):
    job = make_job(session, queue, user="alice")
    move(session, job, JobState.ADMITTED, "has room", "arbiter host/1", NOW)
    session.commit()

    shown = airflow.json("job", "show", job.id)

    assert (shown["id"], shown["state"], shown["user"]) == (job.id, "admitted", "alice")
    assert [(pods["name"], pods["count"]) for pods in shown["pods"]["pod_sets"]] == [
        ("driver", 1),
        ("executor", 2),
    ]
    assert [(event["from"], event["to"], event["reason"]) for event in shown["events"]] == [
        (None, "queued", "enqueued"),
        ("queued", "admitted", "has room"),
    ]
    assert shown["events"][1]["at"] == NOW.isoformat()


def test_a_job_is_shown_to_people_with_units(session, queue, airflow, monkeypatch):
    monkeypatch.setattr("airflow.settings.TIMEZONE", datetime.timezone(datetime.timedelta(hours=2)))
    job = make_job(session, queue)
    move(
        session, job, JobState.ADMITTED, "has room", "arbiter", NOW + datetime.timedelta(minutes=2, seconds=5)
    )
    session.commit()
    lines = airflow("job", "show", job.id, "-o", "plain").splitlines()
    values = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1:] for line in lines if line.strip()}
    assert values["wait"] == ["2m 05s"]
    assert values["demand"] == ["3 CPU, memory 3 GiB, 3 pods"]
    assert values["queued_at"] == ["2026-01-01 14:00:00"]


def test_an_unknown_id_says_where_ids_are_shown(database, airflow):
    assert airflow.ends("job", "show", "4711") == (
        3,
        "priority-spark: no job has the id '4711'; "
        "`airflow priority-spark job list --state all` shows them\n",
    )


def test_status_says_who_leads_and_how_fresh_the_clusters_are(session, queue, airflow, leader, monkeypatch):
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "standalone")
    picture = {
        "fresh": False,
        "stale_reason": "pods: connection refused",
        "mode": "quota+nodes",
        "nodes": {"count": 3, "ready": 2},
        "quotas": [{"namespace": "team-a", "name": "compute"}],
    }
    now = datetime.datetime.now(datetime.UTC)
    save_snapshot(session, CLUSTER, picture, now)
    save_summary(session, {"unresolved": {"spark-test": "no such connection"}}, now)
    session.commit()
    leader("host/1/abcd")

    status = airflow.json("status")

    assert status["arbiter"]["leader"] == "host/1/abcd"
    assert status["arbiter"]["configured"] == "standalone"
    assert status["arbiter"]["unresolved"] == {"spark-test": "no such connection"}
    [cluster] = status["clusters"]
    assert (cluster["cluster"], cluster["fresh"]) == ("spark-prod", False)
    assert cluster["stale_reason"] == "pods: connection refused"
    assert (cluster["nodes"], cluster["nodes_ready"], cluster["quotas"]) == (3, 2, 1)
    table = airflow("status")
    assert all(word in table for word in ("host/1/abcd", "spark-prod", "no such connection"))


def test_status_of_an_installation_that_never_ran_names_no_leader(database, airflow):
    status = airflow.json("status")
    assert (status["arbiter"]["leader"], status["arbiter"]["idle_seconds"]) == (None, None)
    assert status["clusters"] == []


@pytest.mark.parametrize(
    "command", [("queue", "list"), ("job", "list"), ("job", "show", "4711"), ("status",), ("unpark",)]
)
def test_a_database_that_is_not_migrated_says_which_command_to_run(empty_database, airflow, command):
    assert airflow.refused(*command) == (
        "priority-spark: the tables of Priority Spark are missing in Airflow's database; "
        "run: airflow db migrate"
    )
