# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark capacity``: what clusters and namespaces have, use, have promised and have left.

The same numbers as ``GET /capacity`` of the REST API, from the arbiter's newest picture of each cluster.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from airflow.utils.cli import suppress_logs_and_warning
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from airflow_priority_spark.cli.acts import now
from airflow_priority_spark.cli.messages import in_one_line
from airflow_priority_spark.cli.output import as_data, print_document, print_rows
from airflow_priority_spark.cli.reading import reading
from airflow_priority_spark.cli.watching import watched
from airflow_priority_spark.errors import NotFound
from airflow_priority_spark.scheduling.resources import CPU, MEMORY, format_amount
from airflow_priority_spark.store.capacity_reads import ClusterCapacity, NamespaceUsage, capacity_of_clusters

Row = dict[str, Any]


@suppress_logs_and_warning
@providers_configuration_loaded
@watched
@in_one_line
def show_capacity(args: Namespace) -> None:
    """Print clusters, the largest hole of each group of nodes, and every key of each namespace's limits."""
    with reading() as session:
        known = capacity_of_clusters(session, now())
    clusters = [_document(each, args.namespace) for each in _of_cluster(known, args.cluster)]
    if args.namespace and not any(cluster["namespaces"] for cluster in clusters):
        names = {each.namespace for cluster in known for each in cluster.namespaces}
        raise NotFound(f"no queue is bound for the namespace {args.namespace!r}; there are: {_listed(names)}")
    if args.output in ("json", "yaml"):
        print_document(as_data({"clusters": clusters}), args.output)
        return
    print_rows([_cluster_row(cluster) for cluster in clusters], args.output)
    if holes := [_hole_row(cluster, hole) for cluster in clusters for hole in cluster["largest_holes"]]:
        print_rows(holes, args.output)
    if usage := [row for cluster in clusters for row in _usage_rows(cluster)]:
        print_rows(usage, args.output)


def _of_cluster(known: Sequence[ClusterCapacity], name: str | None) -> Sequence[ClusterCapacity]:
    """Return the clusters of a name, all when there is none.

    :raises NotFound: no cluster with a picture has the name.
    """
    found = [each for each in known if name in (None, each.picture.cluster)]
    if name is not None and not found:
        names = {each.picture.cluster for each in known}
        raise NotFound(f"there is no picture of a cluster {name!r}; there are: {_listed(names)}")
    return found


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none yet; an arbiter takes them"


def _document(capacity: ClusterCapacity, namespace: str | None) -> Row:
    picture, data = capacity.picture, capacity.picture.data
    nodes = data.get("nodes", {})
    return {
        "cluster_id": picture.cluster_id,
        "cluster": picture.cluster,
        "fresh": data.get("fresh", True),
        "stale_reason": data.get("stale_reason") or None,
        "taken_at": picture.taken_at,
        "age_seconds": picture.age_seconds,
        "mode": data.get("mode", "quota"),
        "nodes": {
            "count": nodes.get("count", 0),
            "ready": nodes.get("ready", 0),
            "fixed": data.get("fixed_nodes"),
            "allocatable": nodes.get("allocatable", {}),
            "requested": nodes.get("requested", {}),
        },
        "largest_holes": list(data.get("largest_holes", ())),
        "namespaces": [
            _namespace(each) for each in capacity.namespaces if namespace in (None, each.namespace)
        ],
    }


def _namespace(each: NamespaceUsage) -> Row:
    return {"namespace": each.namespace, "resources": [asdict(usage) for usage in each.usage]}


def _cluster_row(cluster: Row) -> Row:
    nodes = cluster["nodes"]
    free = {
        key: format_amount(key, max(0, amount - nodes["requested"].get(key, 0)))
        for key, amount in nodes["allocatable"].items()
        if key in (CPU, MEMORY)
    }
    return {
        "cluster": cluster["cluster"],
        "fresh": cluster["fresh"],
        "age_seconds": cluster["age_seconds"],
        "mode": cluster["mode"],
        "nodes": nodes["count"],
        "ready": nodes["ready"],
        "kind": {True: "fixed", False: "elastic", None: None}[nodes["fixed"]],
        "free_cpu": free.get(CPU),
        "free_memory": free.get(MEMORY),
        "trouble": cluster["stale_reason"],
    }


def _hole_row(cluster: Row, hole: Row) -> Row:
    return {
        "cluster": cluster["cluster"],
        "node_group": hole["group"],
        "largest_hole_cpu": format_amount(CPU, hole["cpu"]),
        "largest_hole_memory": format_amount(MEMORY, hole["memory"]),
    }


def _usage_rows(cluster: Row) -> list[Row]:
    """Return a line per key, with amounts as people read them."""
    return [
        {"cluster": cluster["cluster"], "namespace": each["namespace"], **_in_words(usage)}
        for each in cluster["namespaces"]
        for usage in each["resources"]
    ]


def _in_words(usage: Row) -> Row:
    key = usage["resource"]
    amounts = {
        name: None if usage[name] is None else format_amount(key, usage[name])
        for name in ("hard", "used", "granted", "free")
    }
    return {"resource": key, **amounts, "limit_of": usage["holder"] or None}
