# SPDX-License-Identifier: Apache-2.0
"""Whatever the stock operator accepts, ours accepts, and keeps as the stock operator keeps it.

The arguments are read from the stock operator's signature, so that a new one of a later provider is
noticed here.
"""

from __future__ import annotations

import inspect
import json
import warnings

import pytest
import yaml
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator
from airflow_priority_spark.spark.request import AdmissionRequest
from tests.unit.spark_cluster import spark_application, task_context

#: For each of the stock operator's own arguments a value that is not its default.
SAMPLES = {
    "image": "spark:3.5.1",
    "code_path": "local:///opt/other.py",
    "namespace": "team-a",
    "name": "monthly",
    "application_file": "kind: SparkApplication",
    "template_spec": {"spark": {"kind": "SparkApplication"}},
    "get_logs": False,
    "success_run_history_limit": 3,
    "startup_timeout_seconds": 60,
    "log_events_on_failure": True,
    "reattach_on_restart": False,
    "delete_on_termination": False,
    "kubernetes_conn_id": "blue",
    "random_name_suffix": False,
    "do_xcom_push": True,
}


def arguments(operator):
    """Return the named arguments of an operator's constructor with their defaults."""
    found = inspect.signature(operator.__init__).parameters.values()
    return {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}


def attributes(operator):
    """Return what an operator remembers, but for what Airflow keeps for itself."""
    return {name: value for name, value in vars(operator).items() if not name.startswith("_BaseOperator__")}


def made(operator, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return operator(task_id="t", **options)


def test_the_samples_cover_the_stock_operators_own_arguments():
    assert set(SAMPLES) == set(arguments(SparkKubernetesOperator)) - {"self", "kwargs"}


@pytest.mark.parametrize("name", SAMPLES)
def test_each_argument_is_kept_as_the_stock_operator_keeps_it(name):
    stock = attributes(made(SparkKubernetesOperator, **{name: SAMPLES[name]}))
    ours = attributes(made(PrioritySparkKubernetesOperator, **{name: SAMPLES[name]}))
    differing = {key for key in stock if repr(stock[key]) != repr(ours.get(key))}
    # Without one given, ours takes the manifest's namespace before "default".
    assert differing <= ({"namespace"} if name != "namespace" else set())
    assert ours[name] == SAMPLES[name]


@pytest.mark.parametrize("name", sorted(set(arguments(KubernetesPodOperator)) - set(SAMPLES)))
def test_each_argument_of_the_pod_operator_below_is_accepted(name):
    default = arguments(KubernetesPodOperator)[name]
    assert name in attributes(made(PrioritySparkKubernetesOperator, **{name: default})) or name in {
        "callbacks",
        "container_logs",
        "is_delete_operator_pod",
        "progress_callback",
    }


def test_template_fields_and_file_extensions_are_the_stock_operators_and_more():
    stock, ours = SparkKubernetesOperator, PrioritySparkKubernetesOperator
    assert set(stock.template_fields) < set(ours.template_fields)
    assert ours.template_ext == stock.template_ext
    assert ours.template_fields_renderers == stock.template_fields_renderers
    assert issubclass(ours, stock)


def test_an_unknown_argument_is_refused_as_by_every_operator():
    with pytest.raises(TypeError, match="Invalid arguments were passed to PrioritySparkKubernetesOperator"):
        made(PrioritySparkKubernetesOperator, prioritty="high")


# --- where an application may be written down


@pytest.fixture
def folder(tmp_path):
    """A folder of DAGs with an application in a file; its number of executors is a template."""
    app = spark_application("pi")
    app["spec"]["executor"]["instances"] = "{{ 1 + 3 }}"
    text = yaml.safe_dump(app).replace("'{{ 1 + 3 }}'", "{{ 1 + 3 }}")
    (tmp_path / "pi.yaml").write_text(text)
    (tmp_path / "pi.json").write_text(json.dumps(app).replace('"{{ 1 + 3 }}"', "{{ 1 + 3 }}"))
    return tmp_path


def executors(folder, context=None, **options):
    """Parse, render and run a task as Airflow does; return how many executors it asks room for."""
    with DAG("d", schedule=None) as dag:
        task = PrioritySparkKubernetesOperator(task_id="t", namespace="n", **options)
    dag.fileloc = str(folder / "d.py")
    dag.resolve_template_files()
    rendered = {**task_context(), **(context or {})}
    task.render_template_fields(rendered)
    with pytest.raises(TaskDeferred) as caught:
        task.execute(rendered)
    return AdmissionRequest.from_json(caught.value.trigger.request).demand.pod_sets[1].count


@pytest.mark.parametrize("name", ["pi.yaml", "pi.json"])
def test_a_path_relative_to_the_dag(folder, name):
    assert executors(folder, application_file=name) == 4


@pytest.mark.parametrize("name", ["pi.yaml", "pi.json"])
def test_an_absolute_path(folder, tmp_path_factory, name):
    elsewhere = tmp_path_factory.mktemp("dags")
    assert executors(elsewhere, application_file=str(folder / name)) == 4


def test_yaml_text(folder):
    assert executors(folder, application_file=(folder / "pi.yaml").read_text()) == 4


def test_a_mapping(folder):
    app = spark_application("pi", executors=3)
    assert executors(folder, application_file=app) == 3
    assert executors(folder, application_file={"spark": app}) == 3


def test_a_template_spec_in_which_a_value_is_a_template(folder):
    app = spark_application("pi")
    app["spec"]["arguments"] = ["{{ ds }}"]
    assert executors(folder, {"ds": "2026-01-01"}, template_spec={"spark": app}) == 1


@pytest.mark.parametrize("field", ["template_spec", "application_file"])
def test_text_that_ends_like_a_file_name_is_text(folder, field):
    app = spark_application("pi", executors=2, arguments=["s3://bucket/settings.json", "--like", "yaml"])
    assert executors(folder, **{field: app}) == 2


def test_a_file_that_is_not_there_is_named(folder):
    with pytest.raises(AirflowFailException) as caught:
        executors(folder, application_file="nowhere.yaml")
    assert str(caught.value).startswith(
        "application_file: 'nowhere.yaml' is not valid; allowed: a path to, or the text of, a YAML"
    )


def test_image_and_code_path_replace_the_manifests(folder):
    from airflow_priority_spark.operators.plan import make_plan

    operator = PrioritySparkKubernetesOperator(
        task_id="t",
        template_spec=spark_application("pi"),
        image="spark:4.1",
        code_path="local:///opt/other.py",
    )
    spec = make_plan(operator).manifest["spec"]
    assert (spec["image"], spec["mainApplicationFile"]) == ("spark:4.1", "local:///opt/other.py")


class TestMapped:
    def test_a_mapped_task_reads_its_file_when_it_runs(self, folder):
        with DAG("d", schedule=None) as dag:
            mapped = PrioritySparkKubernetesOperator.partial(
                task_id="t", namespace="n", priority="high"
            ).expand(application_file=[str(folder / "pi.yaml"), "pi.json"])
        dag.fileloc = str(folder / "d.py")
        for name in (str(folder / "pi.yaml"), "pi.json"):
            task = mapped.unmap({"application_file": name})
            task.render_template_fields(task_context())
            with pytest.raises(TaskDeferred) as caught:
                task.execute(task_context(map_index=1))
            request = AdmissionRequest.from_json(caught.value.trigger.request)
            assert (request.priority, request.demand.pod_sets[1].count) == ("high", 4)

    def test_every_argument_may_stand_in_partial(self):
        with DAG("d", schedule=None):
            given = {name: value for name, value in SAMPLES.items() if name != "application_file"}
            mapped = PrioritySparkKubernetesOperator.partial(task_id="t", **given).expand(
                application_file=["a: b"]
            )
        assert given.items() <= mapped.partial_kwargs.items()
