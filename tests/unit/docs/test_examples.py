# SPDX-License-Identifier: Apache-2.0
"""Every example of the author's guide and the migration page does what the page says."""

from __future__ import annotations

import inspect
import shlex
from types import SimpleNamespace

import pytest
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.providers.cncf.kubernetes.sensors.spark_kubernetes import SparkKubernetesSensor
from airflow.sdk import DAG
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from airflow_priority_spark.cli.migrate_dags_rewrite import ADVICE
from airflow_priority_spark.operators.admission_mixin import AdmissionMixin
from airflow_priority_spark.operators.plan import make_plan
from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator
from tests.unit.docs.examples import examples, of_language
from tests.unit.spark_cluster import task_context

GUIDE, MIGRATION = "authors-guide.md", "migrating-from-the-stock-operator.md"
#: Of the stock operator's arguments, those a DAG author of ours has a use for.
STOCK_OPTIONS = {
    "application_file",
    "template_spec",
    "image",
    "code_path",
    "kubernetes_conn_id",
    "get_logs",
    "log_events_on_failure",
    "skip_on_exit_code",
    "reattach_on_restart",
    "delete_on_termination",
    "cluster_context",
    "config_file",
    "in_cluster",
    "labels",
    "annotations",
    "on_kill_action",
    "execution_timeout",
}


def own_options(operator):
    found = inspect.signature(operator.__init__).parameters.values()
    return {p.name for p in found if p.kind is p.KEYWORD_ONLY}


@pytest.fixture
def folder(tmp_path):
    """A folder for DAGs with the files that the guide shows."""
    for example in examples(GUIDE):
        if example.mark.startswith("file: "):
            (tmp_path / example.mark.removeprefix("file: ")).write_text(example.text)
    return tmp_path


def run_page(page, folder, *, failing):
    """Run a page's Python, block by block, each in a DAG of its own; yield block and tasks."""
    names = {}
    first = of_language(GUIDE, "python")[0]
    exec(compile(first.text, GUIDE, "exec"), names)
    for example in of_language(page, "python"):
        if (example.mark == "fails") is not failing:
            continue
        with DAG(f"line_{example.line}", schedule=None) as dag:
            exec(compile("\n" * (example.line - 1) + example.text, page, "exec"), names)
        dag.fileloc = str(folder / "dag.py")
        dag.resolve_template_files()
        yield example, dag.tasks


def rendered(task, ref):
    """Return a task as it is when it runs, with a way to a cluster that is there."""
    if isinstance(task, MappedOperator):
        task = task.unmap({name: values[0] for name, values in task.expand_input.value.items()})
    told = {"told": {"return_value": {"metadata": {"name": "sales-told-1"}}}}
    task.render_template_fields({**task_context(xcom=told), "ds": "2026-01-01", "params": dict(task.params)})
    task.kubernetes_conn_id, task.config_file, task.cluster_context = ref.conn_id, ref.config_file, None
    task.in_cluster = False
    return task


def context_of(task):
    ti = task_context(task_id=task.task_id)["ti"]
    return {"ti": ti, "run_id": ti.run_id, "dag": SimpleNamespace(parent_dag=None, dagrun_timeout=None)}


@pytest.mark.parametrize("page", [GUIDE, MIGRATION])
def test_every_example_parses_renders_and_asks_for_room(page, folder, ref):
    count = 0
    for _, tasks in run_page(page, folder, failing=False):
        for task in (rendered(found, ref) for found in tasks):
            count += 1
            if isinstance(task, SparkKubernetesSensor):
                assert task.application_name == "sales-told-1"
            elif isinstance(task, PrioritySparkKubernetesOperator) and task.template_spec:
                plan = make_plan(task)
                assert plan.flow == (
                    "legacy" if task.task_id in ("straight", "kueue") else task.deployment_flow or "priority"
                )
                assert plan.result.demand.pod_sets
            else:
                with pytest.raises(TaskDeferred) as deferred:
                    task.execute(context_of(task))
                assert deferred.value.method_name == "resume_admitted"
    assert count >= (15 if page == GUIDE else 1)


def test_every_example_of_a_mistake_fails_as_the_guide_says(folder, ref):
    blocks = examples(GUIDE)
    for example, [task] in run_page(GUIDE, folder, failing=True):
        promised = blocks[blocks.index(example) + 1]
        assert promised.language == "text"
        with pytest.raises(AirflowFailException) as caught:
            task.execute(task_context())
        assert str(caught.value).startswith(promised.text.strip())


def test_every_option_has_an_example():
    code = "\n".join(example.text for example in of_language(GUIDE, "python"))
    options = own_options(PrioritySparkKubernetesOperator) | own_options(AdmissionMixin) | STOCK_OPTIONS
    assert {name for name in options if f"{name}=" not in code} == set()


def test_every_command_of_the_pages_can_be_typed():
    from airflow.cli.cli_parser import get_parser

    lines = [
        line
        for page in (GUIDE, MIGRATION)
        for example in of_language(page, "bash")
        for line in example.text.splitlines()
        if line.startswith("airflow ")
    ]
    assert lines
    for line in lines:
        get_parser().parse_args(shlex.split(line)[1:])


def test_the_command_of_the_guide_shows_the_demand_of_its_example(folder, capsys, monkeypatch):
    from airflow.cli.cli_parser import get_parser

    monkeypatch.chdir(folder)
    [line] = [example.text for example in of_language(GUIDE, "bash")]
    arguments = get_parser().parse_args(shlex.split(line)[1:])
    arguments.func(arguments)
    assert "executor" in capsys.readouterr().out


def test_the_migration_page_explains_everything_the_command_reports():
    from demo.plan import ROOT

    table = (ROOT / "docs" / MIGRATION).read_text().partition("| it reports |")[2].partition("\n\n")[0]
    assert {name for name in ADVICE if f"`{name}`" not in table} == set()
    assert "`SparkKubernetesSensor`" in table


def test_every_argument_of_the_stock_operator_is_in_the_guide_or_said_to_have_no_effect():
    from demo.plan import ROOT

    table = (ROOT / "docs" / MIGRATION).read_text().partition("| accepted, without effect |")[2]
    code = "\n".join(example.text for example in of_language(GUIDE, "python"))
    names = own_options(SparkKubernetesOperator)
    assert names
    assert {name for name in names if f"{name}=" not in code and f"`{name}`" not in table} == set()
