# SPDX-License-Identifier: Apache-2.0
"""The commands on both kinds of database, in every format, and as processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.store.jobs import move
from tests.builders import NOW
from tests.store.rows import make_job

FILE = """\
site: {batch_size: 50, head_timeout_seconds: 7200}
clusters: [{name: spark-prod, nodes: fixed, node_maxima: {cpu: 400}}]
queues:
  - namespace: team-a
    weight: 2
    capacity: {requests.cpu: 40}
    pools: {high: {weight: 80, allowed: {teams: [red]}}, normal: 20}
rules:
  - {pool: high, tags: [sla]}
"""
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
LISTS = [
    ("queue", "list"),
    ("queue", "show", "team-a"),
    ("job", "list", "--state", "all"),
    ("job", "show", "JOB"),
    ("job", "explain", "JOB"),
    ("job", "events", "JOB"),
    ("job", "hold", "--dag-id", "etl", "--dry-run"),
    ("flow", "list"),
    ("flow", "migrate", "--to", "legacy", "--dry-run"),
    ("pools", "sync", "--dry-run"),
    ("apply", "-f", "queues.yaml", "--dry-run"),
    ("export",),
    ("report",),
]

pytestmark = pytest.mark.parametrize("database_kind", KINDS)


@pytest.fixture
def site(session, queue, airflow, tmp_path, monkeypatch):
    """A site that has something to list; returns the id of a job that waits."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queues.yaml").write_text(FILE)
    observed = make_job(session, queue, flow="observe")
    move(session, observed, JobState.ADMITTED, "admitted at once", "arbiter", NOW)
    job = make_job(session, queue)
    session.commit()
    airflow("flow", "set", "--to", "observe", "--team", "blue")
    monkeypatch.setenv("AIRFLOW__PRIORITY_SPARK__ARBITER", "off")
    return job.id


def test_everything_that_lists_does_so_for_people_and_for_programs(site, airflow):
    for command in LISTS:
        words = [site if word == "JOB" else word for word in command]
        as_json = json.loads(airflow(*words, "-o", "json"))
        as_yaml = yaml.safe_load(airflow(*words, "-o", "yaml"))
        assert as_json, command
        assert _without_time(as_yaml) == _without_time(as_json), command
        for output in ("table", "plain"):
            assert airflow(*words, "-o", output).strip(), command


def _without_time(value):
    """Leave out durations that go on between two looks."""
    if isinstance(value, dict):
        return {key: _without_time(item) for key, item in value.items() if not key.endswith("_seconds")}
    if isinstance(value, list):
        return [_without_time(item) for item in value]
    return value


def test_processes_of_their_own_apply_export_and_apply_again(database, queue, tmp_path):
    file, exported = tmp_path / "queues.yaml", tmp_path / "exported.yaml"
    file.write_text(FILE)
    first = database.airflow("priority-spark", "apply", "-f", str(file)).stdout
    assert "~ queue spark-prod/team-a: weight: 1 -> 2" in first
    exported.write_text(_stdout(database, "priority-spark", "export"))
    assert yaml.safe_load(exported.read_text())["site"] == yaml.safe_load(FILE)["site"]
    assert "Nothing changes." in database.airflow("priority-spark", "apply", "-f", str(exported)).stdout
    unknown = database.airflow("priority-spark", "queue", "pause", "team-z", check=False)
    assert unknown.returncode == 3
    assert "priority-spark: there is no queue 'team-z'; queues: spark-prod/team-a" in unknown.stdout


def _stdout(database, *words: str) -> str:
    """Return standard output alone, which must be the file and nothing else."""
    return subprocess.run(
        [sys.executable, "-m", "airflow", *words],
        env=database.environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    ).stdout
