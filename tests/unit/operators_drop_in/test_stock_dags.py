# SPDX-License-Identifier: Apache-2.0
"""DAGs written for the stock operator run with one line changed: the import."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.spark_cluster import names

STOCK_DAGS = Path(__file__).parent / "stock_dags"
STOCK = "from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator"
OURS = (
    "from airflow_priority_spark.operators.spark_kubernetes "
    "import PrioritySparkKubernetesOperator as SparkKubernetesOperator"
)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory, cluster):
    """Run ``airflow …`` on a home whose DAGs are the stock ones with another import."""
    home = tmp_path_factory.mktemp("airflow")
    shutil.copytree(STOCK_DAGS, home / "dags")
    for file in (home / "dags").glob("*.py"):
        text = file.read_text()
        assert text.count(STOCK) == 1
        file.write_text(text.replace(STOCK, OURS))
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(cluster.kubeconfig)}}
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(connection),
    }

    def run(*arguments):
        command = [sys.executable, "-m", "airflow", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=240
        )

    migrated = run("db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    return run


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("dag_id", "applications", "kept"), [("spark_pi", 1, 1), ("spark_job_template", 3, 0)]
)
def test_it_runs_with_only_the_import_changed(airflow, kubernetes, dag_id, applications, kept):
    before = names(kubernetes, "default")
    ran = airflow("dags", "test", dag_id)
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, said
    assert said.count("Waiting in the queue default/normal") == applications
    assert len(re.findall(r"SparkApplication \S+ completed", said)) == applications
    assert len(names(kubernetes, "default")) == len(before) + kept, "kept is what a sensor looks at"
    assert ("Spark application ended successfully" in said) == bool(kept)


def test_the_other_files_are_all_run():
    assert {file.stem for file in STOCK_DAGS.glob("*.py")} == {"spark_pi", "spark_job_template"}
