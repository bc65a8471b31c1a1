# SPDX-License-Identifier: Apache-2.0
"""The first DAG of the author's guide runs, with the command that the guide names."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.unit.docs.examples import of_language
from tests.unit.spark_cluster import names


@pytest.mark.timeout(300)
def test_it_runs_with_the_command_the_guide_names(tmp_path, cluster, kubernetes):
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "sales.py").write_text(of_language("authors-guide.md", "python")[0].text)
    kubernetes.create_namespace("team-a")
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(cluster.kubeconfig)}}
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(connection),
    }
    for arguments in (("db", "migrate"), ("dags", "test", "sales")):
        command = [sys.executable, "-m", "airflow", *arguments]
        ran = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=200
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Waiting in the queue team-a/high" in ran.stdout
    assert "together 4 pods" in ran.stdout
    assert names(kubernetes, "team-a") == []
