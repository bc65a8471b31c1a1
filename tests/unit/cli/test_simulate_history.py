# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark simulate --from-history``: what ran, once more, under the same rules or others."""

from __future__ import annotations

import datetime
import json

import pytest

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.spark.request import demand_to_json
from airflow_priority_spark.store.snapshots import save_snapshot
from tests.builders import NOW, make_demand
from tests.store.rows import make_job, make_queue

TWO_CPUS = {"namespace": "team-a", "name": "quota", "hard": {"requests.cpu": 2000}, "used": {}}


def at(seconds):
    return NOW + datetime.timedelta(seconds=seconds)


@pytest.fixture
def ran(session, queue):
    """Two jobs of two CPUs in a queue of two: of 0 s, run until 100 s, and of 5 s, run from then to 160 s."""

    def make(queued, admitted, ended, *, on=queue, **columns):
        row = make_job(
            session,
            on,
            state=JobState.SUCCEEDED,
            enqueued_at=at(queued),
            demand=demand_to_json(make_demand(executors=1)),
            **columns,
        )
        row.admitted_at = None if admitted is None else at(admitted)
        row.ended_at = None if ended is None else at(ended)
        session.commit()
        return row.id

    save_snapshot(session, queue.cluster_id, {"quotas": [TWO_CPUS]}, NOW)
    return make(0, 0, 100), make(5, 100, 160), make


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "otherwise.yaml"
        path.write_text(text)
        return str(path)

    return write


def jobs_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_site_is_replayed_with_its_own_queues_quotas_and_rules(airflow, ran, tmp_path):
    found = airflow.json("simulate", "--from-history", "--jobs-out", str(tmp_path / "jobs"))
    assert (found["makespan_s"], found["admitted"]) == (160.0, 2)
    assert found["usage_pct"] == {"team-a": 100.0}
    lines = jobs_of(tmp_path / "jobs")
    assert [(line["id"], line["arrived"], line["admitted"], line["finished"]) for line in lines] == [
        (ran[0], 0.0, 0.0, 100.0),
        (ran[1], 5.0, 100.0, 160.0),
    ]


def test_a_file_says_what_should_be_otherwise(airflow, ran, file):
    wider = file("queues: [{namespace: team-a, quota: {requests.cpu: 4}, pools: {high: 90, normal: 10}}]")
    assert airflow.json("simulate", wider, "--from-history")["makespan_s"] == 100.0
    settings = file("settings: {head_timeout_seconds: 60}")
    found = airflow.json("simulate", settings, "--from-history")
    assert (found["admitted"], found["cancelled"]) == (1, 1)
    nodes = file("nodes: [{cpu: 2, memory: 64Gi}]\nqueues: [{namespace: team-a, pools: {normal: 1}}]")
    assert airflow.json("simulate", nodes, "--from-history")["makespan_s"] == 160.0


def test_as_it_is_and_otherwise_are_compared(airflow, ran, file):
    wider = file("queues: [{namespace: team-a, quota: {requests.cpu: 4}, pools: {normal: 10}}]")
    found = airflow.json("simulate", "--from-history", "--compare", wider)
    assert found["change"]["makespan_s"] == -60.0


def test_only_what_was_queued_since_an_instant_is_replayed(airflow, ran):
    found = airflow.json("simulate", "--from-history", "--since", at(5).isoformat())
    assert (found["makespan_s"], found["admitted"]) == (60.0, 1)


def test_jobs_that_have_not_run_to_their_end_are_counted_and_left_out(airflow, ran, capsys):
    ran[2](6, None, None)
    ran[2](7, 160, None)
    from airflow.cli.cli_parser import get_parser

    arguments = get_parser().parse_args(["priority-spark", "simulate", "--from-history", "-o", "json"])
    arguments.func(arguments)
    said = capsys.readouterr()
    assert json.loads(said.out)["admitted"] == 2
    assert said.err.strip() == "2 jobs are left out: they have not run to their end."


def test_what_was_set_while_running_counts(airflow, ran, session):
    from airflow_priority_spark.store.models import Setting

    session.add(Setting(key="head_timeout_seconds", value=30, updated_at=NOW, updated_by="admin"))
    session.commit()
    assert airflow.json("simulate", "--from-history")["cancelled"] == 1


def test_of_several_clusters_one_must_be_named(airflow, ran, session):
    ran[2](0, 0, 10, on=make_queue(session, cluster="spark-test"))
    assert "--cluster: None is not valid; allowed: one of spark-prod, spark-test" in (
        airflow.refused("simulate", "--from-history")
    )
    assert "--cluster: 'x' is not valid; allowed: spark-prod, spark-test" in (
        airflow.refused("simulate", "--from-history", "--cluster", "x")
    )
    found = airflow.json("simulate", "--from-history", "--cluster", "spark-test")
    assert (found["admitted"], found["makespan_s"]) == (1, 10.0)


def test_a_pool_in_which_jobs_ran_must_be_there(airflow, ran, file):
    less = file("queues: [{namespace: team-a, pools: {high: 90}}]")
    assert "pools of team-a: 'high' is not valid; allowed: pools with normal, in which jobs ran" in (
        airflow.refused("simulate", less, "--from-history")
    )


def test_a_file_for_a_replay_names_no_arrivals(airflow, ran, file):
    path = file(
        "queues: [{namespace: team-a, pools: {normal: 1}}]\n"
        "arrivals: [{namespace: team-a, pool: normal, every: 1, cpu: 1, memory: 1Gi, runtime: 1}]"
    )
    assert f"{path}:2: arrivals: must be left out with --from-history" in (
        airflow.refused("simulate", path, "--from-history")
    )


def test_without_history_there_is_nothing_to_replay(airflow, session):
    assert "no job is known" in airflow.refused("simulate", "--from-history")


def test_history_that_has_not_ended_is_none(airflow, session, queue):
    make_job(session, queue)
    session.commit()
    said = airflow.refused("simulate", "--from-history", "--since", NOW.isoformat())
    assert f"no job has run and ended since {NOW.isoformat()}" in said
