# SPDX-License-Identifier: Apache-2.0
"""Two hundred applications, six hundred pods, dozens of watches; and nothing to do when nothing happens."""

import os
import threading
import time
from pathlib import Path

import pytest
from kubernetes import watch

from airflow_priority_spark.embedded.specs import NodeSpec
from tests.cluster.applications import APPLICATIONS, GROUP, Kubernetes, eventually, spark_application

pytestmark = pytest.mark.cluster

COUNT = 200
WATCHES = 30
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def embedded_cluster(start_cluster):
    nodes = [NodeSpec(f"node-{number}", cpu="100", memory="400Gi", pods="500") for number in range(10)]
    return start_cluster(nodes=nodes, namespaces={"busy": {"pods": "5000"}})


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time is read from /proc")
def test_two_hundred_applications_run_under_dozens_of_watches(embedded_cluster, kubernetes):
    completed = [set() for _ in range(WATCHES)]

    def follow(seen):
        own = Kubernetes(embedded_cluster.kubeconfig)
        stream = watch.Watch().stream(
            own.custom.list_namespaced_custom_object, *GROUP, "busy", APPLICATIONS, timeout_seconds=60
        )
        for event in stream:
            if event["object"].get("status", {}).get("applicationState", {}).get("state") == "RUNNING":
                seen.add(event["object"]["metadata"]["name"])
            if len(seen) == COUNT:
                return

    watchers = [threading.Thread(target=follow, args=(seen,), daemon=True) for seen in completed]
    for watcher in watchers:
        watcher.start()
    for number in range(COUNT):
        kubernetes.submit("busy", spark_application(f"app-{number}", executors=2, runtime="1h"))
    eventually(lambda: len(kubernetes.pods("busy")) == 3 * COUNT, "all pods", seconds=60)
    for watcher in watchers:
        watcher.join(60)

    assert [len(seen) for seen in completed] == [COUNT] * WATCHES
    before = cpu_seconds(embedded_cluster.pid)
    time.sleep(3)
    assert cpu_seconds(embedded_cluster.pid) - before < 0.5
