# SPDX-License-Identifier: Apache-2.0
"""What the DAGs of the end-to-end tests submit: two pods of one CPU each, playing their run time."""

from __future__ import annotations

from typing import Any


def application(
    runtime: str | None = "1s",
    *,
    executors: int = 1,
    exit_code: str | None = None,
    main: str = "local:///opt/jobs/main.py",
    driver_memory: str = "512m",
) -> dict[str, Any]:
    """Return a manifest; ``runtime=None`` runs ``main`` for real."""
    annotations = {}
    if runtime is not None:
        annotations["priority-spark/simulated-runtime"] = runtime
    if exit_code is not None:
        annotations["priority-spark/simulated-exit-code"] = exit_code
    return {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"annotations": annotations},
        "spec": {
            "type": "Python",
            "pythonVersion": "3",
            "mode": "cluster",
            "image": "spark:4.0.1",
            "mainApplicationFile": main,
            "sparkVersion": "4.0.1",
            "driver": {"cores": 1, "memory": driver_memory, "serviceAccount": "spark"},
            "executor": {"cores": 1, "instances": executors, "memory": "512m"},
        },
    }
