# SPDX-License-Identifier: Apache-2.0
"""Every example of the page on queues is typed, in the order of the page, on a site that it describes.

One long walk on purpose: the page tells one story of one night, and each command is typed on what the ones
before it have left. Job ids and clusters are those of the test; all else is typed as it stands there.
"""

from __future__ import annotations

import datetime
import re
import shlex

import pytest
import yaml
from airflow.utils.state import TaskInstanceState

from airflow_priority_spark.arbiter import configuration
from airflow_priority_spark.cli import messages
from airflow_priority_spark.plugin.weights import PriorityPoolWeight
from airflow_priority_spark.scheduling.jobs import JobState
from airflow_priority_spark.settings import Settings
from airflow_priority_spark.store.jobs import move
from airflow_priority_spark.store.models import Job
from demo.plan import ROOT
from tests.builders import NOW, make_task
from tests.store.rows import make_job, make_queue
from tests.unit.cli.conftest import Typed
from tests.unit.docs.examples import Example, examples, of_language

PAGE = "queues.md"


@pytest.fixture
def database_kind():
    return "sqlite"


@pytest.fixture
def airflow(capsys):
    return Typed(capsys)


@pytest.fixture
def jobs(session) -> dict[str, str]:
    """The site of the page: two jobs of ``team-a`` wait, one of ``nightly`` waits, one was observed."""
    queue = make_queue(session)

    def wait(task_id: str, **columns) -> Job:
        ti = make_task(
            session,
            dag_id=columns.get("dag_id", "etl"),
            task_id=task_id,
            state=TaskInstanceState.DEFERRED,
            next_method="resume_admitted",
            next_kwargs={},
        )
        return make_job(session, queue, task_id=task_id, ti_id=ti.id, **columns)

    mine, other = wait("mine"), wait("other", pool="high")
    wait("load", dag_id="nightly")
    observed = wait("seen", flow="observe")
    move(session, observed, JobState.ADMITTED, "admitted at once", "arbiter", NOW)
    later = NOW + datetime.timedelta(minutes=1)
    move(session, observed, JobState.SUCCEEDED, "the task succeeded", "arbiter", later)
    session.commit()
    return {"JOB_ID": mine.id, "OTHER_ID": other.id}


def marked(example: Example) -> tuple[str, str]:
    kind, _, value = example.mark.partition(" ")
    return kind.rstrip(":"), value


def test_every_example_can_be_typed_in_the_order_of_the_page(airflow, jobs, tmp_path, monkeypatch, database):
    monkeypatch.chdir(tmp_path)
    for before, example, after in neighbours(examples(PAGE)):
        kind, value = marked(example)
        if kind == "file":
            (tmp_path / value).write_text(example.text)
        if example.language != "bash":
            continue
        lines = [line for line in example.text.splitlines() if line]
        assert all(line.startswith("airflow priority-spark ") for line in lines), before
        expected, code = marked(after) if after else ("", "")
        for number, line in enumerate(lines):
            words = shlex.split(re.sub(r"\b(JOB|OTHER)_ID\b", lambda found: jobs[found[0]], line))[2:]
            if expected == "error":
                assert airflow.ends(*words) == (int(code), after.text)
                continue
            said = airflow(*words)
            if expected == "output" and number == len(lines) - 1:
                assert said == after.text, line


def neighbours(found: list[Example]):
    return zip([None, *found[:-1]], found, [*found[1:], None], strict=True)


def test_the_page_shows_every_command_that_changes_queues_pools_jobs_and_flows(airflow):
    from airflow_priority_spark.cli import act_commands

    typed = "\n".join(example.text for example in of_language(PAGE, "bash"))
    groups = {
        "queue": act_commands.QUEUE_COMMANDS,
        "pool": act_commands.POOL_COMMANDS,
        "pools": act_commands.POOLS_COMMANDS,
        "job": act_commands.JOB_COMMANDS,
        "flow": act_commands.FLOW_COMMANDS,
    }
    commands = {f"{group} {each.name}" for group, members in groups.items() for each in members}
    commands |= {each.name for each in act_commands.COMMANDS}
    assert {command for command in commands if f"airflow priority-spark {command}" not in typed} == set()


def test_the_tables_name_every_key_of_the_file():
    text = (ROOT / "docs" / PAGE).read_text()
    models = (
        configuration.Declaration,
        configuration.Site,
        configuration.DeclaredCluster,
        configuration.DeclaredQueue,
        configuration.Pool,
        configuration.Allowed,
        configuration.Rule,
    )
    keys = {key for model in models for key in model.model_fields}
    keys -= {"job_limit_per_service", "job_limit_per_user_service"}  # named by their endings
    assert {key for key in keys if f"`{key}`" not in text} == set()
    assert "`job_limit_per_user`, `_per_service`, `_per_user_service`" in text


def rows_below(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    text = (ROOT / "docs" / PAGE).read_text()
    table = text[text.index(heading) :]
    lines = [line for line in table.split("\n\n")[1].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_setting_of_iomete_has_one_here_with_the_same_default():
    rows = rows_below("### Coming from IOMETE")
    assert {cells[0] for cells in rows} == {
        "scheduling share 90 %",
        "head timeout 3600 s",
        "head retry count 0",
        "batch size 20",
        "cleanup enabled",
        "retention 2592000 s",
    }
    for theirs, ours, default in rows:
        key = re.findall(r"`(\w+)`", ours)[-1]
        assert default == f"`{_as_text(getattr(Settings(), key))}`", theirs


def _as_text(value) -> str:
    return str(int(value)) if isinstance(value, float) else str(value)


def test_the_defaults_of_heads_are_those_of_the_configuration():
    text = (ROOT / "docs" / PAGE).read_text()
    rows = re.findall(r"^\| `(head_\w+)` \| `?(\w+)`? \|", text, re.MULTILINE)
    assert dict(rows) == {
        key: _as_text(getattr(Settings(), key)) for key in configuration.HeadRules.model_fields
    }


def test_the_exit_codes_are_those_of_the_commands():
    described = re.findall(r"^(\d)   (.+)$", messages.__doc__, re.MULTILINE)
    assert rows_below("## Exit codes") == [list(pair) for pair in described]
    assert [int(code) for code, _ in described] == [
        0,
        messages.REFUSED,
        messages.WRONG_USAGE,
        messages.NOT_FOUND,
        messages.CONFLICT,
    ]


def test_the_file_of_the_page_is_what_the_page_says_it_is():
    [whole, *_] = of_language(PAGE, "yaml")
    assert set(yaml.safe_load(whole.text)) == set(configuration.Declaration.model_fields)


def test_the_weight_of_the_task_in_the_example_is_that_of_its_pool():
    from airflow.sdk import DAG

    from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

    [example] = of_language(PAGE, "python")
    names = {"PrioritySparkKubernetesOperator": PrioritySparkKubernetesOperator}
    with DAG("nightly") as dag:
        exec(example.text, names)
    [task] = dag.tasks

    class Instance:
        pass

    instance = Instance()
    instance.task = task
    assert PriorityPoolWeight().get_weight(instance) == 90
