# SPDX-License-Identifier: Apache-2.0
"""``cluster start|status|stop`` as a person uses them, and what wrong input is answered with."""

import argparse
import json
import os

import pytest
import yaml

from airflow_priority_spark.embedded import command_arguments, commands, spark_submit
from airflow_priority_spark.embedded.process import ClusterDidNotStart, EmbeddedCluster
from airflow_priority_spark.embedded.settings import ClusterSettings
from airflow_priority_spark.embedded.specs import NodeSpec
from airflow_priority_spark.errors import InvalidInput

pytestmark = [pytest.mark.cluster, pytest.mark.embedded_only("commands of the embedded cluster")]


def parsed(arguments, *line):
    parser = argparse.ArgumentParser()
    for flags, keywords in arguments:
        parser.add_argument(*flags, **keywords)
    return parser.parse_args([str(part) for part in line])


@pytest.fixture
def started(tmp_path, capsys):
    """A cluster started by the command, stopped by the command."""
    line = ("--runtime", "simulated", "--node", "n=cpu:4,memory:8Gi", "--namespace", "team-a=cpu:3,pods:5")
    commands.start(parsed(command_arguments.START_ARGUMENTS, "--directory", tmp_path, *line))
    yield tmp_path, capsys.readouterr().out
    commands.stop(parsed(command_arguments.STOP_ARGUMENTS, "--directory", tmp_path))


def status(directory, output):
    commands.status(parsed(command_arguments.STATUS_ARGUMENTS, "--directory", directory, "-o", output))


def test_start_says_how_to_reach_the_cluster(started):
    directory, printed = started

    assert "drivers are simulated" in printed
    assert f"export KUBECONFIG={directory}/kubeconfig" in printed
    assert (directory / "kubeconfig").stat().st_mode & 0o077 == 0


def test_status_shows_nodes_and_quotas(started, capsys):
    directory, _ = started

    status(directory, "json")
    found = json.loads(capsys.readouterr().out)
    status(directory, "yaml")
    assert yaml.safe_load(capsys.readouterr().out) == found
    status(directory, "table")
    table = capsys.readouterr().out

    assert found["nodes"] == [{"name": "n", "cpu": "4", "memory": "8Gi", "pods": 0}]
    assert found["quotas"] == [
        {"namespace": "team-a", "quota": "team-a", "resource": "cpu", "used": "0", "hard": "3"},
        {"namespace": "team-a", "quota": "team-a", "resource": "pods", "used": "0", "hard": "5"},
    ]
    assert "Nodes: 1" in table
    assert "team-a" in table


def test_a_second_start_in_the_same_directory_is_refused(started):
    directory, _ = started

    with pytest.raises(SystemExit, match=rf"An embedded cluster already runs in {directory} \(pid \d+\)\."):
        commands.start(parsed(command_arguments.START_ARGUMENTS, "--directory", directory))


def test_stop_ends_the_process_and_may_be_repeated(tmp_path, capsys):
    cluster = EmbeddedCluster.start(tmp_path, runtime="simulated")
    line = parsed(command_arguments.STOP_ARGUMENTS, "--directory", tmp_path)

    commands.stop(line)
    cluster.stop()
    commands.stop(line)

    assert capsys.readouterr().out.splitlines() == [
        f"Stopped the embedded cluster in {tmp_path}.",
        f"No embedded cluster runs in {tmp_path}.",
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(cluster.pid, 0)


def test_status_without_a_cluster_says_which_command_starts_one(tmp_path):
    with pytest.raises(SystemExit, match="`airflow priority-spark cluster start` starts one"):
        status(tmp_path, "table")


NODE = "NAME=cpu:8,memory:32Gi[,pods:110][,RESOURCE:AMOUNT][,label.KEY=VALUE][,taint.KEY=VALUE:EFFECT]"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--node", "n=cpu:4"), f"--node: 'n=cpu:4' is not valid; allowed: {NODE}"),
        (("--node", "n=cpu:x,memory:1Gi"), f"allowed: {NODE}; 'cpu:x' names no Kubernetes quantity"),
        (
            ("--node", "n=cpu:1,memory:1Gi,taint.a=b:Never"),
            "with EFFECT one of NoSchedule, PreferNoSchedule, NoExecute",
        ),
        (
            ("--node", "n=cpu:1,memory:1Gi", "--node", "n=cpu:1,memory:1Gi"),
            "--node: 'n' is not valid; allowed: each",
        ),
        (
            ("--namespace", "team-a=cpu"),
            "--namespace: 'team-a=cpu' is not valid; allowed: NAME, or NAME=RESOURCE:",
        ),
        (("--namespace", "Team"), "--namespace: 'Team' is not valid; allowed: NAME, or NAME="),
        (("--port", "http"), "--port: 'http' is not valid; allowed: a whole number from 0 to 65535"),
        (("--runtime", "fast"), "--runtime: 'fast' is not valid; allowed: auto, spark, simulated"),
        (
            ("--simulated-runtime", "10"),
            "--simulated-runtime: '10' is not valid; allowed: a number and a unit of ms",
        ),
        (("--app-root", "/no/such"), "--app-root: '/no/such' is not valid; allowed: an existing directory"),
        (("--watch-window", "0"), "--watch-window: '0' is not valid; allowed: a whole number from 1 to"),
        (("--deny", "reader"), "--deny: 'reader' is not valid; allowed: USER:VERB:RESOURCE"),
    ],
)
def test_wrong_input_is_answered_with_flag_value_and_what_is_allowed(tmp_path, line, message):
    with pytest.raises(SystemExit) as caught:
        commands.start(parsed(command_arguments.START_ARGUMENTS, "--directory", tmp_path, *line))

    assert message in str(caught.value)


def test_an_unknown_output_format_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="--output: 'xml' is not valid; allowed: table, json, yaml"):
        status(tmp_path, "xml")


def test_real_drivers_without_java_are_refused_and_auto_simulates(monkeypatch, tmp_path):
    monkeypatch.setattr(spark_submit, "java_version", lambda: None)
    settings = ClusterSettings(tmp_path, runtime="spark")

    with pytest.raises(
        InvalidInput, match="--runtime: 'spark' is not valid; allowed: simulated on this machine: no Java"
    ):
        assert settings.real_drivers
    assert ClusterSettings(tmp_path, runtime="auto").real_drivers is False


def test_a_cluster_that_cannot_start_says_why(embedded_cluster, tmp_path):
    with pytest.raises(ClusterDidNotStart, match="address already in use"):
        EmbeddedCluster.start(tmp_path, runtime="simulated", port=embedded_cluster.port)


def test_settings_survive_the_command_line(tmp_path):
    node = NodeSpec("n", "4", "8Gi", "9", {"nvidia.com/gpu": "1"}, {"a": "b"}, (("t", "v", "NoSchedule"),))
    settings = ClusterSettings(
        tmp_path, nodes=[node], namespaces={"a": {"cpu": "1"}, "b": None}, with_crd=False, runtime="simulated"
    )

    read = ClusterSettings.from_arguments(
        parsed(command_arguments.CLUSTER_ARGUMENTS, *settings.to_arguments())
    )

    assert read == ClusterSettings(**{**settings.__dict__, "denials": []})
