# SPDX-License-Identifier: Apache-2.0
"""Image and compose file, as far as they can be judged without Docker."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner

from tests.deploy.charts import ROOT, values_of

BIN = Path(sys.executable).parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def held_against(schema, *files):
    done = CliRunner().invoke(
        check_jsonschema.main, ["--builtin-schema", f"vendor.{schema}", *map(str, files)]
    )
    assert done.exit_code == 0, done.output


def test_hadolint_has_nothing_to_say_about_the_dockerfile():
    done = run(str(BIN / "hadolint"), "--format", "json", "Dockerfile")
    assert json.loads(done.stdout) == []


def test_the_image_is_built_upon_the_airflow_of_the_values_files():
    version = values_of("enable.yaml")["airflowVersion"]
    assert f"ARG AIRFLOW_IMAGE=apache/airflow:{version}-python3.12" in DOCKERFILE


def test_every_stage_of_the_image_ends_as_airflows_own_user():
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[2:]:
        users = re.findall(r"^USER (\S+)", stage, flags=re.MULTILINE)
        assert not users or users[-1] == "50000"


def test_the_build_sees_what_the_wheel_needs_and_no_secrets_of_the_directory():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if line and not line.startswith("#")) == "*"
    copied = set(re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, flags=re.MULTILINE))
    sources = {word for line in copied for word in line.split()}
    assert sources == {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in sources)


def test_the_compose_file_is_one():
    held_against("compose-spec", ROOT / "compose.yaml")


def test_a_file_that_is_none_would_be_found(tmp_path):
    (tmp_path / "wrong.yaml").write_text("services: {a: {imaeg: b}}")
    with pytest.raises(AssertionError, match="imaeg"):
        held_against("compose-spec", tmp_path / "wrong.yaml")


def test_ports_are_open_to_this_machine_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_image_has_a_version():
    for name, service in SERVICES.items():
        assert re.search(r":[^:]*\d|:demo$", service["image"]), name


def test_services_and_volumes_that_are_named_exist():
    for name, service in SERVICES.items():
        others = set(service.get("depends_on", ()))
        mode = service.get("network_mode", "")
        others |= {mode.removeprefix("service:")} if mode else set()
        assert others <= set(SERVICES), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            found = (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
            assert found, f"{name}: {source}"


def test_who_is_waited_for_can_be_waited_for():
    for name, service in SERVICES.items():
        waits = service.get("depends_on", {})
        for other, condition in waits.items() if isinstance(waits, dict) else ():
            healthy = condition["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in SERVICES[other], f"{name} waits for the health of {other}"


def test_what_talks_to_the_embedded_cluster_shares_its_network():
    for name in ("scheduler", "triggerer"):
        assert SERVICES[name]["network_mode"] == "service:cluster"


def test_the_embedded_cluster_takes_its_command_line():
    from airflow_priority_spark.cli.definition import CLUSTER_COMMANDS
    from airflow_priority_spark.embedded.state_files import KUBECONFIG, STATE

    words = SERVICES["cluster"]["command"]
    assert words[:4] == ["airflow", "priority-spark", "cluster", "start"]
    (start,) = [command for command in CLUSTER_COMMANDS if command.name == "start"]
    known = {flag for argument in start.args for flag in argument.flags}
    assert {word.split("=")[0] for word in words[4:]} <= known
    assert SERVICES["cluster"]["healthcheck"]["test"][-1] == f"/cluster/{STATE}"
    connection = json.loads(SERVICES["scheduler"]["environment"]["AIRFLOW_CONN_KUBERNETES_DEFAULT"])
    assert connection["extra"]["kube_config_path"] == f"/cluster/{KUBECONFIG}"


def test_prometheus_scrapes_the_exporter_and_keeps_the_queues_namespace():
    read = yaml.safe_load((ROOT / "compose" / "prometheus.yaml").read_text())
    (job,) = read["scrape_configs"]
    port = SERVICES["exporter"]["command"][-1]
    assert job["static_configs"] == [{"targets": [f"exporter:{port}"]}]
    assert job["honor_labels"] is True


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_configuration_of_prometheus():
    assert run("promtool", "check", "config", "--syntax-only", "compose/prometheus.yaml").returncode == 0


def test_workflows_are_workflows():
    assert WORKFLOWS
    held_against("github-workflows", *WORKFLOWS)
    held_against("dependabot", ROOT / ".github" / "dependabot.yml")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_do_little_calls_targets_that_exist_and_ends(workflow):
    read = yaml.safe_load(workflow.read_text())
    assert read["permissions"] == {"contents": "read"}
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, flags=re.MULTILINE))
    for job in read["jobs"].values():
        assert job["timeout-minutes"] <= 90
        parts = job.get("strategy", {}).get("matrix", {}).get("part", [""])
        for step in job["steps"]:
            for target in re.findall(
                r"^make ([a-z0-9-]+(?:\$\{\{ matrix.part \}\})?)", step.get("run", ""), re.MULTILINE
            ):
                called = {target.replace("${{ matrix.part }}", part) for part in parts}
                assert called <= targets, called - targets
            assert "uses" not in step or re.search(r"@(v\d|release/v\d)", step["uses"]), step


#: Parts of other targets: of unit, property and store; of deploy.
IN_OTHERS = {"test-arbiter", "test-metrics"}


def test_every_target_that_tests_something_is_run_by_a_workflow():
    called = set()
    for workflow in WORKFLOWS:
        for job in yaml.safe_load(workflow.read_text())["jobs"].values():
            parts = job.get("strategy", {}).get("matrix", {}).get("part", [""])
            said = "\n".join(step.get("run", "") for step in job["steps"])
            called |= {
                name.replace("${{ matrix.part }}", part)
                for name in re.findall(r"make ([a-z-]+(?:\$\{\{ matrix.part \}\})?)", said)
                for part in parts
            }
    targets = re.findall(
        r"^((?:www-)?test-?[a-z]*|lint|types|contract|build|www-check):", MAKEFILE, re.MULTILINE
    )
    assert set(targets) - {"test"} - called == IN_OTHERS


def test_the_workflows_test_every_python_that_the_package_names():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {item.rpartition(" ")[2] for item in project["classifiers"] if "Python :: 3." in item}
    tests = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text())["jobs"]["tests"]
    assert set(tests["strategy"]["matrix"]["python"]) == named
