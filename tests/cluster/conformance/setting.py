# SPDX-License-Identifier: Apache-2.0
"""What both clusters must have before the requests are sent: the SparkApplication CRD, and no nodes but ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_priority_spark.embedded.discovery import spark_application_crd
from tests.cluster.conformance.request import Request
from tests.cluster.conformance.runner import Server

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def embedded_options() -> dict[str, Any]:
    """How the embedded cluster is started."""
    return {"runtime": "simulated", "nodes": ()}


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
    code, _ = server.send(Request("", "POST", _CRDS, crd), {})
    established = Request("", "GET", f"{_CRDS}/{name}", until=("status.conditions.1.status", "True"))
    server._answer(established, {})
    try:
        yield
    finally:
        if code == 201:
            server.send(Request("", "DELETE", f"{_CRDS}/{name}"), {})
