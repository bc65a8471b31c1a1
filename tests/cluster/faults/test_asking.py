# SPDX-License-Identifier: Apache-2.0
"""Adding, listing and clearing faults: by the handle and by the command, and what wrong input is told."""

import argparse
import json
import urllib.error
import urllib.request

import pytest

from airflow_priority_spark.embedded import command_arguments, fault_commands
from airflow_priority_spark.embedded.fault_handle import FaultRefused

pytestmark = pytest.mark.cluster


def run(command, arguments, *line):
    parser = argparse.ArgumentParser()
    for flags, keywords in arguments:
        parser.add_argument(*flags, **keywords)
    command(parser.parse_args([str(part) for part in line]))


def test_the_command_adds_lists_and_clears(embedded_cluster, faults, capsys):
    place = ("--directory", embedded_cluster.directory)
    run(fault_commands.add, command_arguments.FAULT_ADD_ARGUMENTS, "latency", "by=1ms", "for=1m", *place)
    made = capsys.readouterr().out.strip()

    run(fault_commands.show, command_arguments.FAULT_LIST_ARGUMENTS, *place, "-o", "json")
    options = {"by": "1ms", "for": "1m"}
    assert json.loads(capsys.readouterr().out) == [{"id": made, "kind": "latency", "options": options}]
    run(fault_commands.clear, command_arguments.FAULT_CLEAR_ARGUMENTS, made, *place)
    assert capsys.readouterr().out == f"Cleared {made}.\n"
    run(fault_commands.show, command_arguments.FAULT_LIST_ARGUMENTS, *place)
    assert capsys.readouterr().out == "No fault is active.\n"


def test_every_kind_of_fault_is_explained(capsys):
    run(fault_commands.kinds, command_arguments.FAULT_KINDS_ARGUMENTS, "-o", "json")

    kinds = {row["kind"]: row for row in json.loads(capsys.readouterr().out)}

    assert kinds["lost-node"]["options"] == {"node": "(required)", "evict-after": "5m"}
    assert len(kinds) == 12


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("earthquake", {}, "fault: 'earthquake' is not valid; allowed: latency, refused,"),
        ("latency", {"size": "1"}, "option: 'size' is not valid; allowed: of latency: by, verb, resource"),
        ("latency", {"by": "fast"}, "by: 'fast' is not valid; allowed: a number and a unit of ms"),
        (
            "server-error",
            {"code": "404"},
            "code: '404' is not valid; allowed: a whole number from 500 to 599",
        ),
        ("gone", {"count": "0"}, "count: '0' is not valid; allowed: a whole number from 1"),
        ("clock-skew", {}, "allowed: clock-skew together with by=…"),
    ],
)
def test_wrong_faults_are_refused_with_what_is_allowed(faults, kind, options, message):
    with pytest.raises(FaultRefused) as caught:
        faults.add(kind, **options)

    assert message in str(caught.value)


def test_a_fault_that_is_not_there_cannot_be_cleared(faults):
    with pytest.raises(FaultRefused, match="fault: 'latency-99' is not valid; allowed: none: no fault"):
        faults.clear("latency-99")


def test_an_option_without_a_value_is_refused(embedded_cluster):
    line = ("latency", "by", "--directory", embedded_cluster.directory)
    with pytest.raises(SystemExit, match="option: 'by' is not valid; allowed: KEY=VALUE"):
        run(fault_commands.add, command_arguments.FAULT_ADD_ARGUMENTS, *line)


def test_without_a_cluster_the_command_says_which_one_starts_it(tmp_path):
    with pytest.raises(SystemExit, match="`airflow priority-spark cluster start` starts one"):
        run(fault_commands.show, command_arguments.FAULT_LIST_ARGUMENTS, "--directory", tmp_path)


def test_the_token_of_the_api_causes_no_faults(embedded_cluster):
    state = json.loads((embedded_cluster.directory / "cluster.json").read_text())
    assert (embedded_cluster.directory / "faults-token").stat().st_mode & 0o077 == 0
    request = urllib.request.Request(state["faults_url"], headers={"Authorization": "Bearer other"})

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)

    assert caught.value.code == 401
