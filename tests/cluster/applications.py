# SPDX-License-Identifier: Apache-2.0
"""Builders and a reader for tests that look at a cluster through the real ``kubernetes`` client."""

from __future__ import annotations

import time

from kubernetes import client, config

from tests.foreign import FOREIGN

GROUP = ("sparkoperator.k8s.io", "v1beta2")
APPLICATIONS = "sparkapplications"
#: Another cluster has more to do than these tests.
SECONDS = 60.0 if FOREIGN else 20.0


def spark_application(name, *, executors=1, runtime="200ms", exit_code=None, cores=1, memory="512m", **spec):
    """A SparkApplication; each of its pods asks for ``cores`` and 896 MiB."""
    annotations = {"priority-spark/simulated-runtime": runtime} if runtime else {}
    if exit_code is not None:
        annotations["priority-spark/simulated-exit-code"] = str(exit_code)
    return {
        "apiVersion": "/".join(GROUP),
        "kind": "SparkApplication",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "type": "Scala",
            "mode": "cluster",
            "sparkVersion": "4.0.0",
            "image": "spark:4.0.0",
            "mainClass": "Main",
            "mainApplicationFile": "local:///app.jar",
            "driver": {"cores": cores, "memory": memory},
            "executor": {"cores": cores, "memory": memory, "instances": executors},
            **spec,
        },
    }


def pod(name, *, cpu="1", memory="1Gi", **spec):
    """A pod of one container with these requests."""
    resources = {"requests": {"cpu": cpu, "memory": memory}}
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "pause", "resources": resources}], **spec},
    }


class Kubernetes:
    """A cluster as a person with ``kubectl`` sees it."""

    def __init__(self, kubeconfig):
        self.api = config.new_client_from_config(str(kubeconfig))
        self.core = client.CoreV1Api(self.api)
        self.custom = client.CustomObjectsApi(self.api)

    def create_namespace(self, name, hard=None):
        self.core.create_namespace({"metadata": {"name": name}})
        if hard:
            self.set_quota(name, hard)

    def set_quota(self, namespace, hard, name="quota"):
        self.core.create_namespaced_resource_quota(
            namespace, {"metadata": {"name": name}, "spec": {"hard": hard}}
        )
        self.until_quota_is(namespace, hard, name)

    def until_quota_is(self, namespace, hard, name="quota"):
        """Wait until the quota controller has taken note; only then is a quota enforced."""

        def noted():
            return self.core.read_namespaced_resource_quota(name, namespace).status.hard

        eventually(lambda: noted() == hard, f"quota {name} is {hard}")

    def used(self, namespace):
        return self.core.list_namespaced_resource_quota(namespace).items[0].status.used

    def submit(self, namespace, app):
        return self.custom.create_namespaced_custom_object(*GROUP, namespace, APPLICATIONS, app)

    def application(self, namespace, name):
        return self.custom.get_namespaced_custom_object(*GROUP, namespace, APPLICATIONS, name)

    def delete_application(self, namespace, name, **options):
        return self.custom.delete_namespaced_custom_object(*GROUP, namespace, APPLICATIONS, name, **options)

    def state(self, namespace, name):
        return (
            self.application(namespace, name).get("status", {}).get("applicationState", {}).get("state", "")
        )

    def pods(self, namespace, labels=""):
        return self.core.list_namespaced_pod(namespace, label_selector=labels).items

    def log(self, namespace, name, **options):
        answer = self.core.read_namespaced_pod_log(name, namespace, _preload_content=False, **options)
        return answer.data.decode()

    def until_state(self, namespace, name, *states):
        eventually(lambda: self.state(namespace, name) in states, f"{name} in {states}")
        return self.application(namespace, name)["status"]


def eventually(condition, what, seconds=SECONDS):
    """Wait until a condition holds; fails with what it was that did not happen."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
