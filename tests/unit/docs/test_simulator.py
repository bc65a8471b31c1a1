# SPDX-License-Identifier: Apache-2.0
"""The example of the simulator's page is what the command prints, and its table knows every key."""

from __future__ import annotations

import json
import shlex

import pytest

from airflow_priority_spark.cli.workload_entries import WorkloadEntry
from demo.plan import ROOT
from tests.unit.docs.examples import of_language

PAGE = "simulator.md"


@pytest.fixture
def type_line(tmp_path, monkeypatch, capsys):
    """Type a line of the page in a folder with the page's workload."""
    from airflow.cli.cli_parser import get_parser

    [workload] = of_language(PAGE, "yaml")
    (tmp_path / "workload.yaml").write_text(workload.text)
    (tmp_path / "other.yaml").write_text(workload.text)
    monkeypatch.chdir(tmp_path)

    def type_it(line):
        arguments = get_parser().parse_args(shlex.split(line)[1:])
        if "--from-history" not in line:
            arguments.func(arguments)
        return capsys.readouterr().out

    return type_it


def test_the_example_prints_what_the_page_shows(type_line):
    [command, *_] = of_language(PAGE, "bash")
    [shown] = of_language(PAGE, "json")
    printed, promised = json.loads(type_line(command.text)), json.loads(shown.text)
    assert printed.pop("wall_s") >= 0
    del promised["wall_s"]
    assert printed == promised


def test_every_command_of_the_page_can_be_typed(type_line):
    lines = [line for example in of_language(PAGE, "bash") for line in example.text.splitlines()]
    assert len(lines) == 5
    for line in lines:
        type_line(line)


def test_the_page_says_of_the_first_large_job_what_happens(type_line, tmp_path):
    type_line("airflow priority-spark simulate workload.yaml --jobs-out jobs.jsonl")
    jobs = [json.loads(line) for line in (tmp_path / "jobs.jsonl").read_text().splitlines()]
    first = next(job for job in jobs if job["pool"] == "high")
    assert (first["arrived"], first["admitted"]) == (600.0, 780.0)


def test_the_table_names_every_key_of_a_workload():
    text = (ROOT / "docs" / PAGE).read_text()
    keys = set(WorkloadEntry.model_fields)
    for field in WorkloadEntry.model_fields.values():
        entry = getattr(field.annotation, "__args__", [field.annotation])[0]
        keys |= set(entry.model_fields)
    assert {key for key in keys if f"`{key}`" not in text} == set()
