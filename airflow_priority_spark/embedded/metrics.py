# SPDX-License-Identifier: Apache-2.0
"""``metrics.k8s.io``: what nodes and pods use at the moment, as a metrics server tells ``kubectl top``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from airflow_priority_spark.embedded.errors import not_found
from airflow_priority_spark.embedded.kinds import NODE_METRICS, NODES, POD_METRICS, PODS, Kind
from airflow_priority_spark.embedded.objects import Object, timestamp
from airflow_priority_spark.embedded.paths import Target
from airflow_priority_spark.embedded.pods import add
from airflow_priority_spark.embedded.quantities import printed
from airflow_priority_spark.embedded.selectors import Predicate
from airflow_priority_spark.embedded.store import Store
from airflow_priority_spark.embedded.usage import Meter, Usage

Data = dict[str, Any]
_WINDOW = "15s"
_MEASURED = {NODE_METRICS: NODES, POD_METRICS: PODS}


class Metrics:
    """Answers about usage from the objects of the store and a meter."""

    def __init__(self, store: Store, meter: Meter) -> None:
        self._store = store
        self._meter = meter

    def one(self, target: Target) -> Data:
        """Return the usage of a node or pod; raises 404 where there is none, as before a pod runs."""
        found = self._of(target.kind, self._named(target))
        if not found:
            # In refusals metrics-server names them otherwise than in paths (``pkg/api/install.go``).
            kind = replace(target.kind, plural=target.kind.kind.lower())
            raise not_found(kind, f"{target.namespace}/{target.name}".strip("/"))
        return {**_head(target.kind), **found[0]}

    def all(self, target: Target, matches: Predicate) -> Data:
        """Return the usage of all nodes, or of the pods of a namespace or of all."""
        records = self._store.all(_MEASURED[target.kind], target.namespace)
        found = self._of(target.kind, [record.data for record in records if matches(record.data)])
        head = {"kind": f"{target.kind.kind}List", "apiVersion": target.kind.api_version}
        return {**head, "metadata": {}, "items": found}

    def _named(self, target: Target) -> list[Object]:
        record = self._store.get(_MEASURED[target.kind], target.namespace, target.name)
        return [record.data] if record else []

    def _of(self, kind: Kind, objects: Iterable[Object]) -> list[Data]:
        if kind == POD_METRICS:
            running = [pod for pod in objects if _runs(pod)]
            usage = self._meter.usage(running)
            return [_pod_metrics(pod, usage[pod["metadata"]["uid"]]) for pod in running]
        by_node: dict[str, list[Usage]] = {}
        running = [record.data for record in self._store.all(PODS) if _runs(record.data)]
        usage = self._meter.usage(running)
        for pod in running:
            by_node.setdefault(pod["spec"]["nodeName"], []).extend(usage[pod["metadata"]["uid"]])
        return [_node_metrics(node, by_node.get(node["metadata"]["name"], [])) for node in objects]


def _head(kind: Kind) -> Data:
    return {"kind": kind.kind, "apiVersion": kind.api_version}


def _runs(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") == "Running" and bool(pod["spec"].get("nodeName"))


def _metadata(obj: Object) -> Data:
    kept = {
        name: obj["metadata"][name] for name in ("name", "namespace", "labels") if name in obj["metadata"]
    }
    return {
        "metadata": {**kept, "creationTimestamp": timestamp()},
        "timestamp": timestamp(),
        "window": _WINDOW,
    }


def _pod_metrics(pod: Object, usage: list[Usage]) -> Data:
    names = [container["name"] for container in pod["spec"]["containers"]]
    containers = [{"name": name, "usage": printed(used)} for name, used in zip(names, usage, strict=True)]
    return {**_metadata(pod), "containers": containers}


def _node_metrics(node: Object, usage: list[Usage]) -> Data:
    used = {"cpu": "0", "memory": "0", **printed(add(*usage))}
    return {**_metadata(node), "usage": used}
