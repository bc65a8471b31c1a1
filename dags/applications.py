# SPDX-License-Identifier: Apache-2.0
"""The SparkApplications of the example DAGs.

The programs and their data lie beside this file. A cluster that has no image with them runs programs
of the same kind that Spark's own image brings along: set ``PRIORITY_SPARK_EXAMPLES=bundled``.
"""

from __future__ import annotations

import os
from typing import Any

IMAGE = os.environ.get("PRIORITY_SPARK_EXAMPLES_IMAGE", "apache/spark:4.0.1")
#: Put before the namespaces, so that the examples can run beside other people's.
PREFIX = os.environ.get("PRIORITY_SPARK_EXAMPLES_PREFIX", "")
TEAM_A, TEAM_B = f"{PREFIX}team-a", f"{PREFIX}team-b"

_OURS = "local:///opt/spark/dags/spark"
_SPARKS = "/opt/spark/examples/src/main/python"
#: What comes nearest to each of our programs, with its arguments.
_BUNDLED = {
    "word_count": ("wordcount.py", f"{_SPARKS}/wordcount.py"),
    "join_aggregate": ("pagerank.py", "/opt/spark/data/mllib/pagerank_data.txt", "3"),
    "monte_carlo_pi": ("pi.py", "20"),
}


def application(
    program: str, *arguments: str, executors: int = 1, memory: str = "512m", runtime: str | None = None
) -> dict[str, Any]:
    """Return a ``template_spec`` with a driver of one core and executors of one core each.

    :param program: name of a file in ``dags/spark``, without its suffix.
    :param memory: of each pod, before Spark's overhead.
    :param runtime: on an embedded cluster, play a run of this length (``20s``) instead of the program.
    """
    file, given = f"{_OURS}/{program}.py", list(arguments)
    if os.environ.get("PRIORITY_SPARK_EXAMPLES") == "bundled":
        name, *given = _BUNDLED[program]
        file = f"local://{_SPARKS}/{name}"
    spark = {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"annotations": {"priority-spark/simulated-runtime": runtime} if runtime else {}},
        "spec": {
            "type": "Python",
            "pythonVersion": "3",
            "mode": "cluster",
            "image": IMAGE,
            "sparkVersion": "4.0.1",
            "mainApplicationFile": file,
            "arguments": given,
            "sparkConf": {"spark.sql.shuffle.partitions": "4"},
            "restartPolicy": {"type": "Never"},
            "driver": {"cores": 1, "memory": memory, "serviceAccount": "spark"},
            "executor": {"cores": 1, "memory": memory, "instances": executors},
        },
    }
    return {"spark": spark}
