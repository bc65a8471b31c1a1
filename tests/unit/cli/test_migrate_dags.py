# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark migrate-dags``: what is changed, what is reported, and that nothing else moves."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap

import pytest
from airflow.sdk import DAG

from airflow_priority_spark.cli.migrate_dags import NEEDS_LIBCST
from airflow_priority_spark.cli.migrate_dags_rewrite import ADVICE, rewrite
from airflow_priority_spark.operators.spark_kubernetes import PrioritySparkKubernetesOperator

STOCK = "airflow.providers.cncf.kubernetes.operators.spark_kubernetes"
OURS = "airflow_priority_spark.operators.spark_kubernetes"
STOCK_PACKAGE, OUR_PACKAGE = STOCK.rpartition(".")[0], OURS.rpartition(".")[0]
IMPORT = f"from {STOCK} import SparkKubernetesOperator\n"


def change(text):
    return rewrite(textwrap.dedent(text).encode())


def changed(text):
    return change(text).source.decode()


def advice(text):
    return [(found.line, found.text.partition(":")[0]) for found in change(text).findings]


WAYS = {
    "the class": (
        f"from {STOCK} import SparkKubernetesOperator\nSparkKubernetesOperator(task_id='a')\n",
        f"from {OURS} import PrioritySparkKubernetesOperator\nPrioritySparkKubernetesOperator(task_id='a')\n",
    ),
    "the class under another name": (
        f"from {STOCK} import SparkKubernetesOperator as Spark\nSpark(task_id='a')\n",
        f"from {OURS} import PrioritySparkKubernetesOperator as Spark\nSpark(task_id='a')\n",
    ),
    "the class among others": (
        f"from {STOCK} import KubernetesHook, SparkKubernetesOperator\nSparkKubernetesOperator()\n",
        f"from {STOCK} import KubernetesHook\nfrom {OURS} import PrioritySparkKubernetesOperator\n"
        "PrioritySparkKubernetesOperator()\n",
    ),
    "the class in parentheses": (
        f"from {STOCK} import (\n    SparkKubernetesOperator,\n)\n",
        f"from {OURS} import (\n    PrioritySparkKubernetesOperator,\n)\n",
    ),
    "its module": (
        f"from {STOCK_PACKAGE} import spark_kubernetes\nspark_kubernetes.SparkKubernetesOperator()\n",
        f"from {OUR_PACKAGE} import spark_kubernetes\nspark_kubernetes.PrioritySparkKubernetesOperator()\n",
    ),
    "its module among others": (
        f"from {STOCK_PACKAGE} import pod, spark_kubernetes as sk\nsk.SparkKubernetesOperator()\n",
        f"from {STOCK_PACKAGE} import pod\nfrom {OUR_PACKAGE} import spark_kubernetes as sk\n"
        "sk.PrioritySparkKubernetesOperator()\n",
    ),
    "its module by path": (
        f"import {STOCK} as sk\nsk.SparkKubernetesOperator()\n",
        f"import {OURS} as sk\nsk.PrioritySparkKubernetesOperator()\n",
    ),
    "an import inside a function": (
        f"def f():\n    from {STOCK} import SparkKubernetesOperator\n    return SparkKubernetesOperator\n",
        f"def f():\n    from {OURS} import PrioritySparkKubernetesOperator\n"
        "    return PrioritySparkKubernetesOperator\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), WAYS.values(), ids=WAYS)
def test_every_way_to_import_it_is_changed(before, after):
    assert changed(before) == after
    ast.parse(after)


def test_a_second_run_changes_nothing():
    for before, _ in WAYS.values():
        once = changed(before)
        assert changed(once) == once


def test_nothing_else_is_touched():
    text = (
        "# a comment\r\n"
        f"from {STOCK} import SparkKubernetesOperator  # noqa: E501\r\n"
        "x  =  {'SparkKubernetesOperator' :1,}\r\n"
    )
    assert changed(text) == text.replace(f"{STOCK} import Spark", f"{OURS} import PrioritySpark")


@pytest.mark.parametrize(
    "text",
    [
        "from airflow.sdk import DAG\n",
        "from mine import SparkKubernetesOperator\nSparkKubernetesOperator(pool='p')\n",
        "from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator\n",
    ],
    ids=["no operator", "an operator of the same name", "another stock operator"],
)
def test_a_file_without_the_stock_operator_is_left_alone(text):
    done = change(text)
    assert (done.source.decode(), done.changed, done.uses, done.findings) == (text, False, False, ())


def test_what_needs_a_person_is_found_by_line():
    assert advice(
        f"""\
        from {STOCK} import SparkKubernetesOperator
        from airflow.providers.cncf.kubernetes.sensors.spark_kubernetes import SparkKubernetesSensor
        with DAG("d", dagrun_timeout=hours(3), default_args={{"max_active_tis_per_dag": 4}}):
            SparkKubernetesOperator(
                task_id="a",
                do_xcom_push=True,
                pool="spark",
            )
            SparkKubernetesOperator.partial(task_id="b", max_active_tis_per_dag=2).expand(code_path=[])
            SparkKubernetesSensor(task_id="c", application_name="x")
        """
    ) == [
        (3, "dagrun_timeout=hours(3)"),
        (3, "max_active_tis_per_dag=4"),
        (6, "do_xcom_push=True"),
        (7, 'pool="spark"'),
        (9, "max_active_tis_per_dag=2"),
        (10, "SparkKubernetesSensor"),
    ]


def test_what_means_nothing_is_not_reported():
    assert advice(IMPORT + "SparkKubernetesOperator(do_xcom_push=False, pool='default_pool')\n") == []
    assert advice(IMPORT + "OtherOperator(pool='spark', do_xcom_push=True)\n") == []


def test_a_class_that_builds_on_the_operator_is_reported():
    found = change(IMPORT + "class Mine(SparkKubernetesOperator):\n    pass\n").findings
    assert [item.text.partition(":")[0] for item in found] == ["class Mine"]


def test_an_import_by_its_full_path_is_left_to_a_person():
    text = f"import {STOCK}\n{STOCK}.SparkKubernetesOperator(pool='p')\n"
    assert changed(text) == text
    assert [line for line, _ in advice(text)] == [1, 2]


def test_every_advice_is_about_an_argument_of_the_operator_or_the_dag():
    known = {
        name
        for kind in PrioritySparkKubernetesOperator.__mro__
        for name in getattr(kind.__init__, "_BaseOperatorMeta__param_names", ())
    }
    assert set(ADVICE) - {"dagrun_timeout"} <= known
    assert "dagrun_timeout" in inspect.signature(DAG).parameters


class TestCommand:
    @pytest.fixture
    def dags(self, tmp_path):
        folder = tmp_path / "dags"
        (folder / "team").mkdir(parents=True)
        (folder / ".git").mkdir()
        (folder / "team" / "a.py").write_text(IMPORT + "SparkKubernetesOperator(task_id='a', pool='spark')\n")
        (folder / "b.py").write_text("import airflow\n")
        (folder / ".git" / "c.py").write_text(IMPORT)
        return folder

    def test_by_itself_it_only_says_what_it_would_do(self, dags, airflow):
        before = (dags / "team" / "a.py").read_text()
        said = airflow("migrate-dags", str(dags)).splitlines()
        assert said == [
            f"{dags}/team/a.py: would be changed",
            f"{dags}/team/a.py:2: pool='spark': {ADVICE['pool']}",
            "1 file to change, 1 place to look at.",
            "Nothing was written; --write changes the files.",
        ]
        assert (dags / "team" / "a.py").read_text() == before

    def test_a_diff_that_can_be_applied(self, dags, airflow):
        said = airflow("migrate-dags", str(dags), "--diff")
        assert f"-from {STOCK} import SparkKubernetesOperator\n" in said
        assert f"+from {OURS} import PrioritySparkKubernetesOperator\n" in said
        patch = "".join(line for line in said.splitlines(keepends=True) if line[:1] in "-+@ ")
        applied = subprocess.run(
            ["patch", "-p1", "-d", "/"], input=patch, capture_output=True, text=True, check=False
        )
        assert applied.returncode == 0, applied.stdout + applied.stderr
        assert OURS in (dags / "team" / "a.py").read_text()

    def test_it_writes_when_told_to(self, dags, airflow):
        said = airflow("migrate-dags", str(dags), "--write").splitlines()
        assert said[0] == f"{dags}/team/a.py: changed"
        assert said[-1] == "1 file changed, 1 place to look at."
        assert (dags / "team" / "a.py").read_text().startswith(f"from {OURS} import")
        assert STOCK in (dags / ".git" / "c.py").read_text()

    def test_one_file(self, dags, airflow):
        airflow("migrate-dags", str(dags / "team" / "a.py"), "--write")
        assert OURS in (dags / "team" / "a.py").read_text()

    def test_a_folder_without_the_operator(self, dags, airflow):
        (dags / "team" / "a.py").unlink()
        assert airflow("migrate-dags", str(dags)).strip() == f"No DAG file of {dags} uses the operator."

    def test_a_file_that_is_no_python_is_named_and_the_others_go_on(self, dags, airflow):
        (dags / "bad.py").write_text("def f(:\n")
        said = airflow("migrate-dags", str(dags), "--write").splitlines()
        assert said[0].startswith(f"{dags}/bad.py: not read: Syntax Error @ 1:")
        assert OURS in (dags / "team" / "a.py").read_text()

    def test_a_path_that_is_not_there(self, tmp_path, airflow):
        assert airflow.refused("migrate-dags", str(tmp_path / "no")) == (
            f"PATH: '{tmp_path}/no' is not valid; allowed: a Python file or a folder with DAG files"
        )

    def test_diff_and_write_exclude_each_other(self, dags, airflow):
        said = airflow.refused("migrate-dags", str(dags), "--diff", "--write")
        assert said == "--diff and --write: choose one; --diff writes nothing"

    def test_without_the_extra_it_says_what_to_install(self):
        code = """
import sys
sys.modules["libcst"] = None  # as if it were not installed
from airflow_priority_spark.cli import migrate_dags
migrate_dags.migrate_dags(None)
"""
        ended = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 1
        assert ended.stderr.strip().splitlines()[-1] == NEEDS_LIBCST
