# SPDX-License-Identifier: Apache-2.0
"""A small SparkApplication and ways to change it."""

from __future__ import annotations

import copy

MANIFEST = {
    "apiVersion": "sparkoperator.k8s.io/v1beta2",
    "kind": "SparkApplication",
    "metadata": {"name": "pi", "namespace": "team-a"},
    "spec": {
        "type": "Python",
        "mode": "cluster",
        "image": "spark:3.5.1",
        "mainApplicationFile": "local:///opt/app/main.py",
        "sparkVersion": "3.5.1",
        "driver": {},
        "executor": {},
    },
}


def manifest(**spec):
    """Return it with these fields of ``spec``; dictionaries are merged one level deep."""
    body = copy.deepcopy(MANIFEST)
    for name, value in spec.items():
        old = body["spec"].get(name)
        body["spec"][name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return body


def jvm(**spec):
    """Return the same with a jar as its main file."""
    return manifest(**{"type": "Scala", "mainApplicationFile": "local:///opt/app/main.jar", **spec})


def volume(**options):
    """Return the settings of a volume ``d`` of the executors."""
    prefix = "spark.kubernetes.executor.volumes.persistentVolumeClaim.d"
    return {f"{prefix}.options.{name}": value for name, value in options.items()}
