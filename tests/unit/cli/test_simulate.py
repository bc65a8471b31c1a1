# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark simulate``: a file in, figures out; no database is opened."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Typed

WORKLOAD = """\
queues:
  - {namespace: team-a, quota: {requests.cpu: 2}, pools: {high: 90, normal: 10}}
arrivals:
  - {namespace: team-a, pool: normal, count: 3, every: 500ms, cpu: 1, memory: 1Gi, runtime: 2s, executors: 1}
settings: {head_timeout_seconds: 1h, batch_size: 10}
"""


@pytest.fixture
def airflow(capsys):
    return Typed(capsys)


@pytest.fixture
def file(tmp_path):
    def write(text, name="workload.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_programs_get_the_documented_figures(airflow, file):
    found = airflow.json("simulate", file(WORKLOAD))
    assert found.pop("wall_s") >= 0
    assert found == {
        "makespan_s": 6.5,
        "usage_pct": {"team-a": pytest.approx(92.308)},
        "admitted": 3,
        "cancelled": 0,
        "wait_s": {
            "team-a": {
                "high": None,
                "normal": {"mean": 1.5, "p50": 1.5, "p95": 3.0, "p99": 3.0, "max": 3.0},
            }
        },
        "decisions": 6,
    }


def test_a_line_for_each_job_is_written_to_the_named_file(airflow, file, tmp_path):
    airflow("simulate", file(WORKLOAD), "--jobs-out", str(tmp_path / "jobs.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "jobs.jsonl").read_text().splitlines()]
    assert [(line["id"], line["arrived"], line["admitted"], line["finished"]) for line in lines] == [
        ("team-a/normal/1-1", 0.5, 0.5, 2.5),
        ("team-a/normal/1-2", 1.0, 2.5, 4.5),
        ("team-a/normal/1-3", 1.5, 4.5, 6.5),
    ]
    assert lines[0] == {
        "id": "team-a/normal/1-1",
        "namespace": "team-a",
        "pool": "normal",
        "arrived": 0.5,
        "admitted": 0.5,
        "finished": 2.5,
        "reason": None,
    }


def test_people_get_tables(airflow, file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    said = airflow("simulate", file(WORKLOAD), "-o", "table")
    assert "makespan_s | 6.5" in said
    row = next(line for line in said.splitlines() if "normal" in line)
    assert [cell.strip() for cell in row.split("|")] == [
        "team-a",
        "normal",
        "92.308",
        "1.5",
        "1.5",
        "3",
        "3",
        "3",
    ]


def test_two_workloads_are_compared(airflow, file):
    wider = file(WORKLOAD.replace("requests.cpu: 2", "requests.cpu: 4"), "wider.yaml")
    found = airflow.json("simulate", file(WORKLOAD), "--compare", wider)
    assert set(found) == {"workload", "other", "change"}
    assert (found["workload"]["makespan_s"], found["other"]["makespan_s"]) == (6.5, 4.5)
    assert found["change"]["makespan_s"] == -2.0
    assert found["change"]["wait_s"]["team-a"]["normal"]["mean"] == pytest.approx(-1.166667)


def test_a_comparison_for_people_names_both_files_and_the_change(airflow, file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    wider = file(WORKLOAD.replace("requests.cpu: 2", "requests.cpu: 4"), "wider.yaml")
    said = airflow("simulate", file(WORKLOAD), "--compare", wider, "-o", "table")
    heading, _, makespan = said.splitlines()[:3]
    assert [cell.strip() for cell in heading.split("|")] == [
        "figure",
        "workload.yaml",
        "wider.yaml",
        "change",
    ]
    assert [cell.strip() for cell in makespan.split("|")] == ["makespan_s", "6.5", "4.5", "-2"]


def test_a_range_in_a_namespace_stands_for_many_equal_queues(airflow, file):
    many = WORKLOAD.replace("namespace: team-a", 'namespace: "team-{08..10}"')
    found = airflow.json("simulate", file(many))
    assert list(found["usage_pct"]) == ["team-08", "team-09", "team-10"]
    assert found["admitted"] == 9
    assert len({json.dumps(waits) for waits in found["wait_s"].values()}) == 1


def test_nodes_limit_what_runs(airflow, file):
    nodes = """\
nodes: [{count: 2, cpu: 4, memory: 8Gi, labels: {disk: ssd}, taints: [{key: spark, value: only}]}]
queues: [{namespace: team-a, pools: {normal: 1}}]
arrivals:
  - {namespace: team-a, pool: normal, count: 4, every: 0, cpu: 3, memory: 1Gi, runtime: 10,
     node_selector: {disk: ssd}, tolerations: [{key: spark, operator: Exists}]}
"""
    found = airflow.json("simulate", file(nodes))
    assert found["makespan_s"] == 20.0
    assert found["usage_pct"] == {"team-a": 75.0}


def test_an_arrival_that_tolerates_no_taint_is_cancelled_with_the_reason(airflow, file, tmp_path):
    nodes = """\
nodes: [{count: 2, cpu: 4, memory: 8Gi, taints: [{key: spark, value: only}]}]
queues: [{namespace: team-a, pools: {normal: 1}}]
arrivals: [{namespace: team-a, pool: normal, every: 0, cpu: 3, memory: 1Gi, runtime: 10}]
"""
    found = airflow.json("simulate", file(nodes), "--jobs-out", str(tmp_path / "jobs"))
    assert (found["admitted"], found["cancelled"]) == (0, 1)
    assert "spark" in json.loads((tmp_path / "jobs").read_text())["reason"]


def wrong(before, after):
    return WORKLOAD.replace(before, after)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            wrong("runtime: 2s", "runtme: 2s"),
            4,
            "arrivals[0].runtme: unknown key; allowed: count, cpu, every, executors, memory, namespace, "
            "node_selector, pool, runtime, tolerations",
        ),
        (wrong("runtime: 2s, ", ""), 4, "arrivals[0].runtime: missing"),
        (
            wrong("every: 500ms", "every: 5 days"),
            4,
            "arrivals[0].every: '5 days' is not valid; allowed: seconds as a number, or a number with ms, s, "
            "m or h such as 200ms or 1.5h",
        ),
        (
            wrong("cpu: 1,", "cpu: much,"),
            4,
            "arrivals[0].cpu: 'much' is not valid; allowed: a Kubernetes quantity",
        ),
        (
            wrong("memory: 1Gi", "memory: -1Gi"),
            4,
            "arrivals[0].memory: '-1Gi' is not valid; allowed: at least 0",
        ),
        (
            wrong("count: 3", "count: 0"),
            4,
            "arrivals[0].count: 0 is not valid; allowed: a whole number of at least 1",
        ),
        (
            wrong("pool: normal", "pool: urgent"),
            4,
            "arrivals[0].pool: 'urgent' is not valid; allowed: the pools high, normal",
        ),
        (
            wrong("  - {namespace: team-a, pool", "  - {namespace: team-b, pool"),
            4,
            "arrivals[0].namespace: 'team-b' is not valid; allowed: the queues team-a",
        ),
        (
            wrong("namespace: team-a, quota", 'namespace: "team-{9..1}", quota'),
            2,
            "queues[0].namespace: 'team-{9..1}' is not valid; allowed: a range such as {1..30}",
        ),
        (wrong("team-a", "Team A"), 2, "queues[0].namespace: 'Team A' is not valid; allowed: at most 63"),
        (
            wrong("pools: {high: 90, normal: 10}", "pools: {high: 0, normal: 10}"),
            2,
            "queues[0].pools.high: 0 is not valid; allowed: a whole number of at least 1",
        ),
        (
            wrong("settings: {", "settings: {retries: 2, "),
            5,
            "settings.retries: unknown key; allowed: batch_size, head_protection_seconds, head_retry_count, "
            "head_retry_position, head_timeout_action, head_timeout_seconds",
        ),
        (
            WORKLOAD.replace("arrivals:", "  - {namespace: team-a, pools: {normal: 1}}\narrivals:"),
            3,
            "queues[1]: team-a is described twice",
        ),
        (wrong("queues:", "queue:"), 1, "queue: unknown key; allowed: arrivals, nodes, queues, settings"),
        ("arrivals: []\n", 1, "queues: missing"),
        ("queues: [\n", 2, "not YAML"),
    ],
)
def test_what_is_wrong_is_refused_with_file_line_and_what_is_allowed(airflow, file, text, line, message):
    path = file(text)
    assert f"{path}:{line}: {message}" in airflow.refused("simulate", path)


def test_files_that_cannot_be_read_or_written_are_named(airflow, file, tmp_path):
    assert f"WORKLOAD: '{tmp_path}/no.yaml' is not valid; allowed: a file that can be read" in (
        airflow.refused("simulate", f"{tmp_path}/no.yaml")
    )
    assert f"--jobs-out: '{tmp_path}/no/jobs' is not valid; allowed: a file that can be written" in (
        airflow.refused("simulate", file(WORKLOAD), "--jobs-out", f"{tmp_path}/no/jobs")
    )


def test_a_workload_must_be_named(airflow):
    assert "allowed: a file, which may be left out only with --from-history" in airflow.refused("simulate")
