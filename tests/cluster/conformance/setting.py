# SPDX-License-Identifier: Apache-2.0
"""What both clusters must be like while requests are sent: with the CRD, without an operator and nodes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from airflow_priority_spark.embedded.discovery import spark_application_crd
from tests.cluster.conformance.request import STRATEGIC, Request
from tests.cluster.conformance.runner import Server

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_NODES = "/api/v1/nodes"
_BEAT_SECONDS = 10.0
# A quota controller looks for new kinds every half a minute.
_DISCOVERY_SECONDS = 40.0
# An API server forgets its history every five minutes, and the first time only what is older than that.
_COMPACTION_SECONDS = 660.0
_FIRST_STATE = "/api/v1/configmaps?limit=1&resourceVersionMatch=Exact&resourceVersion=1"


def has_nodes(server: Server) -> bool:
    """Whether a cluster has nodes of its own."""
    return bool(server.send(Request("", "GET", _NODES), {})[1]["items"])


@contextmanager
def prepared(server: Server) -> Iterator[None]:
    """Give another cluster the CRD while requests are sent, unless it has one."""
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        **spark_application_crd(),
    }
    crd.pop("status", None)
    name = crd["metadata"]["name"]
    code, body = server.send(Request("", "POST", _CRDS, crd), {})
    if code not in (201, 409):
        raise RuntimeError(f"the SparkApplication CRD could not be created: {body}")
    listed = Request("", "GET", "/apis/sparkoperator.k8s.io/v1beta2/sparkapplications", until=("code", 200))
    server.answer(listed, {})
    if code == 201:
        time.sleep(_DISCOVERY_SECONDS)
    _await_history(server)
    try:
        with heartbeats(server):
            yield
    finally:
        if code == 201:
            server.send(Request("", "DELETE", f"{_CRDS}/{name}"), {})


def _await_history(server: Server) -> None:
    """Wait until a server that has only just started has forgotten its first state: no 410 before that."""
    end = time.monotonic() + _COMPACTION_SECONDS
    told = False
    while server.send(Request("", "GET", _FIRST_STATE), {})[0] != 410 and time.monotonic() < end:
        if not told:
            print("the other cluster still knows its first state: waiting for its first compaction (10 min)")
            told = True
        time.sleep(_BEAT_SECONDS)


@contextmanager
def heartbeats(server: Server) -> Iterator[None]:
    """Post the status of nodes without a kubelet, which would be taken for lost within a minute."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT_SECONDS):
            for node in server.send(Request("", "GET", _NODES), {})[1]["items"]:
                name = node["metadata"]["name"]
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": now}
                body = {"status": {"conditions": [ready]}}
                path = f"{_NODES}/{name}/status"
                if name.startswith("conformance-") and node.get("status", {}).get("capacity"):
                    server.send(Request("", "PATCH", path, body, STRATEGIC), {})

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
