# SPDX-License-Identifier: Apache-2.0
"""What a big embedded cluster costs, as multiples of the same work on a small one in the same run.

Big is 2,000 nodes and 20,000 pods, small 20 nodes and 200 pods. Seconds depend on the machine; that a pod is
not bound a hundred times slower because there are a hundred times more nodes does not. Three questions:

- *schedule*: seconds per pod from the first creation until all run, creation over HTTP included;
- *list*: seconds per pod of one list, against the client's own ``json.loads`` of the same answer;
- *watch*: seconds from a pod's change until twenty watches have told it.

``--quick`` takes a tenth. The table goes to standard output, the JSON to ``--json FILE``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from airflow_priority_spark.embedded.process import EmbeddedCluster
from airflow_priority_spark.embedded.specs import NodeSpec

FULL = {"nodes": 2_000, "pods": 20_000}
SMALL = {"nodes": 20, "pods": 200}
WATCHES, CHANGES, LISTS, CREATORS = 20, 50, 5, 4
NAMESPACE = "busy"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
PATIENCE_SECONDS = 1200


class Api:
    """One kept connection: the cost of a client library is not what is measured."""

    def __init__(self, cluster):
        self._token = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]["token"]
        self.connection = http.client.HTTPSConnection(
            urlsplit(cluster.url).netloc, timeout=600, context=cluster.trust()
        )

    def ask(self, method, path, body=None, content_type="application/json"):
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        return self.connection.getresponse()

    def read(self, method, path, body=None, **options):
        answer = self.ask(method, path, body, **options)
        text = answer.read()
        assert answer.status < 300, text
        return text


def pod(index):
    resources = {"requests": {"cpu": "500m", "memory": "1Gi"}}
    return {
        "metadata": {"name": f"pod-{index:05}", "labels": {"turn": "0"}},
        "spec": {"containers": [{"name": "main", "image": "pause", "resources": resources}]},
    }


def schedule(cluster, count):
    """Return the seconds until ``count`` new pods run."""
    began = time.monotonic()

    def create(part):
        api = Api(cluster)
        for index in range(part, count, CREATORS):
            api.read("POST", PODS, pod(index))

    with ThreadPoolExecutor(CREATORS) as pool:
        list(pool.map(create, range(CREATORS)))
    api = Api(cluster)
    while json.loads(api.read("GET", f"{PODS}?fieldSelector=status.phase!=Running"))["items"]:
        assert time.monotonic() - began < PATIENCE_SECONDS, "the scheduler does not come to an end"
        time.sleep(0.5)
    return time.monotonic() - began


def listing(cluster):
    """Return (seconds of a list, seconds of reading its JSON), the best of several."""
    api, asked, read = Api(cluster), [], []
    for _ in range(LISTS):
        began = time.perf_counter()
        text = api.read("GET", PODS)
        answered = time.perf_counter()
        json.loads(text)
        asked.append(answered - began)
        read.append(time.perf_counter() - answered)
    return min(asked), min(read)


def watching(cluster):
    """Return the seconds from a pod's change until every watch has told it, the median."""
    version = json.loads(Api(cluster).read("GET", f"{PODS}?limit=1"))["metadata"]["resourceVersion"]
    seen = [threading.Semaphore(0) for _ in range(WATCHES)]

    def follow(semaphore):
        answer = Api(cluster).ask("GET", f"{PODS}?watch=true&resourceVersion={version}&timeoutSeconds=600")
        while answer.readline():
            semaphore.release()

    for semaphore in seen:
        threading.Thread(target=follow, args=(semaphore,), daemon=True).start()
    api, took = Api(cluster), []
    for turn in range(1, CHANGES + 1):
        patch = {"metadata": {"labels": {"turn": str(turn)}}}
        began = time.perf_counter()
        api.read("PATCH", f"{PODS}/pod-00000", patch, content_type="application/merge-patch+json")
        for semaphore in seen:
            assert semaphore.acquire(timeout=60)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def memory_mib(cluster):
    status = Path(f"/proc/{cluster.pid}/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def measure(sizes):
    """Return the figures of a cluster of this size."""
    nodes = [NodeSpec(f"node-{index:05}", cpu="16", memory="64Gi") for index in range(sizes["nodes"])]
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedCluster.start(
            Path(directory), nodes=nodes, namespaces={NAMESPACE: None}, runtime="simulated"
        ) as cluster,
    ):
        seconds = schedule(cluster, sizes["pods"])
        listed, read = listing(cluster)
        return {
            **sizes,
            "schedule_seconds": round(seconds, 2),
            "schedule_ms_per_pod": round(1000 * seconds / sizes["pods"], 3),
            "list_seconds": round(listed, 3),
            "list_per_json_loads": round(listed / read, 2),
            "watch_ms": round(1000 * watching(cluster), 2),
            "memory_mib": memory_mib(cluster),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    big = {name: count // 10 if args.quick else count for name, count in FULL.items()}
    small, large = measure(SMALL), measure(big)
    found = {
        "cpus": os.cpu_count(),
        "small": small,
        "big": large,
        "ratios": {
            "schedule_per_pod": round(large["schedule_ms_per_pod"] / small["schedule_ms_per_pod"], 2),
            "watch": round(large["watch_ms"] / small["watch_ms"], 2),
            "list_per_json_loads": large["list_per_json_loads"],
        },
    }
    print(f"{'':22}{'small':>12}{'big':>12}")
    for name in small:
        print(f"{name:22}{small[name]:>12}{large[name]:>12}")
    print(f"ratios big to small: {found['ratios']}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
