# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark apply`` and ``export`` as a person types them."""

import io
import json

import pytest
import yaml

from airflow_priority_spark.store.models import Audit, Cluster
from tests.store.rows import make_job

FILE = """\
site: {batch_size: 50}
queues:
  - namespace: team-a
    weight: 2
    pools: {high: 80, normal: 20}
rules:
  - {pool: high, tags: [sla]}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    return str(path)


def test_a_file_is_applied_with_a_diff_and_then_changes_nothing(queue, airflow, file):
    assert airflow("apply", "-f", file).splitlines() == [
        "~ queue spark-prod/team-a: weight: 1 -> 2",
        "~ pool spark-prod/team-a/high: weight: 90 -> 80",
        "~ pool spark-prod/team-a/normal: weight: 10 -> 20",
        "+ rule 1: {pool: high, tags: [sla]}",
        "+ site: batch_size: 50",
    ]
    assert airflow("apply", "-f", file) == "Nothing changes.\n"


def test_a_dry_run_shows_the_same_and_changes_nothing(queue, airflow, file):
    shown = airflow("apply", "-f", file, "--dry-run").splitlines()
    assert shown[-1] == "Nothing was changed: this was a dry run."
    assert airflow("apply", "-f", file).splitlines() == shown[:-1]


def test_programs_get_the_diff_as_data(queue, airflow, file):
    changes = json.loads(airflow("apply", "-f", file, "--dry-run", "-o", "json"))
    assert changes[0] == {"where": "queue spark-prod/team-a", "key": "weight", "before": 1, "after": 2}


def test_the_export_is_a_file_that_changes_nothing(queue, airflow, file, tmp_path):
    airflow("apply", "-f", file)
    exported = tmp_path / "exported.yaml"
    exported.write_text(airflow("export"))
    assert airflow("apply", "--export") == exported.read_text()
    assert yaml.safe_load(exported.read_text())["site"] == {"batch_size": 50}
    assert airflow("apply", "-f", str(exported)) == "Nothing changes.\n"
    assert json.loads(airflow("export", "-o", "json")) == yaml.safe_load(exported.read_text())


def test_the_export_of_an_empty_site_can_be_applied_too(database, airflow, tmp_path):
    exported = tmp_path / "exported.yaml"
    exported.write_text(airflow("export"))
    assert airflow("apply", "-f", str(exported)) == "Nothing changes.\n"


def test_a_file_may_come_from_standard_input(queue, airflow, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("site: {batch_size: 9}"))
    assert airflow("apply", "-f", "-") == "+ site: batch_size: 9\n"


def test_wrong_lines_are_all_named_and_nothing_is_changed(queue, airflow, tmp_path):
    path = tmp_path / "queues.yaml"
    path.write_text(FILE + "  - {poool: high}\n")
    said = airflow.refused("apply", "-f", str(path)).splitlines()
    assert said == [
        f"priority-spark: {path}:8: rules[1].pool: missing",
        f"{path}:8: rules[1].poool: unknown key; allowed: bundles, dag_ids, namespace, pool, tags, teams",
    ]
    assert airflow("export") == airflow("apply", "--export")
    assert "batch_size" not in airflow("export")


def test_a_file_that_is_not_there_says_so(database, airflow):
    assert airflow.refused("apply", "-f", "nowhere.yaml") == (
        "priority-spark: nowhere.yaml:1: cannot be read: [Errno 2] No such file or directory: 'nowhere.yaml'"
    )


def test_no_file_at_all_is_wrong_usage(database, airflow):
    assert airflow.ends("apply") == (
        2,
        "priority-spark: say which file: -f FILE (- reads standard input), or --export\n",
    )


def test_a_pool_in_use_cannot_be_left_out(session, queue, airflow, tmp_path):
    make_job(session, queue, pool="high")
    session.commit()
    path = tmp_path / "queues.yaml"
    path.write_text("queues: [{namespace: team-a, pools: {normal: 1}}]")
    assert airflow.ends("apply", "-f", str(path)) == (
        4,
        "priority-spark: pool spark-prod/team-a/high holds 1 jobs that have not ended; "
        "move them to another pool first\n",
    )


def test_an_unknown_cluster_is_asked_for_its_identity_through_its_connection(
    session, queue, airflow, tmp_path, monkeypatch
):
    asked = []

    def behind(name):
        asked.append(name)
        return "uid-of-the-moon"

    monkeypatch.setattr("airflow_priority_spark.cli.apply._cluster_behind", behind)
    path = tmp_path / "queues.yaml"
    path.write_text("clusters: [{name: moon, nodes: fixed}]\nqueues: [{cluster: moon, namespace: base}]")
    assert airflow("apply", "-f", str(path), "--dry-run").splitlines()[:1] == ["+ cluster moon: nodes: fixed"]
    assert session.get(Cluster, "uid-of-the-moon") is None
    airflow("apply", "-f", str(path))
    session.rollback()
    assert session.get(Cluster, "uid-of-the-moon").name == "moon"
    assert airflow("apply", "-f", str(path)) == "Nothing changes.\n"
    assert asked == ["moon", "moon"]


def test_a_connection_that_does_not_exist_says_so(queue, airflow, tmp_path):
    path = tmp_path / "queues.yaml"
    path.write_text("clusters: [{name: moon}]")
    assert airflow.refused("apply", "-f", str(path)) == (
        "priority-spark: kubernetes_conn_id: 'moon' is not valid; "
        "allowed: the id of an existing Airflow connection of type kubernetes"
    )


def test_who_applied_and_why_is_kept(session, queue, airflow, file):
    airflow("apply", "-f", file, "--reason", "change 4711")
    rows = session.query(Audit).all()
    assert {row.reason for row in rows} == {"change 4711"}
    assert {row.actor.split()[0] for row in rows} == {"cli"}
