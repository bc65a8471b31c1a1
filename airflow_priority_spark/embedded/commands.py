# SPDX-License-Identifier: Apache-2.0
"""``airflow priority-spark cluster start|status|stop|controllers``.

Plain functions of parsed arguments (``command_arguments``): they print for people, and raise ``SystemExit``
with a sentence when they cannot do what was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from airflow_priority_spark.embedded.errors import ApiError
from airflow_priority_spark.embedded.process import ClusterDidNotStart, EmbeddedCluster
from airflow_priority_spark.embedded.remote.controllers import ControllersSettings, run_controllers
from airflow_priority_spark.embedded.serving import serve
from airflow_priority_spark.embedded.settings import ClusterSettings
from airflow_priority_spark.errors import InvalidInput

Row = dict[str, Any]
_TITLES = {"nodes": "Nodes", "quotas": "Quotas", "applications": "Applications", "pods": "Pods"}


def start(args: argparse.Namespace) -> None:
    """Start a cluster and say how to reach it."""
    try:
        settings = ClusterSettings.from_arguments(args)
        if running := EmbeddedCluster.find(settings.directory):
            raise SystemExit(f"An embedded cluster already runs in {settings.directory} (pid {running.pid}).")
        if args.foreground:
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
            asyncio.run(serve(settings, stop_with_stdin=False))
            return
        cluster = EmbeddedCluster.launch(settings, detached=True)
    except (InvalidInput, ClusterDidNotStart) as error:
        raise SystemExit(str(error)) from error
    drivers = "real spark-submit processes" if cluster.real_drivers else "simulated"
    print(f"Embedded cluster at {cluster.url} (pid {cluster.pid}), drivers are {drivers}.")
    print(f"export KUBECONFIG={cluster.kubeconfig}")


def stop(args: argparse.Namespace) -> None:
    """Stop the cluster of a directory and everything it started."""
    directory = Path(args.directory).expanduser().resolve()
    cluster = EmbeddedCluster.find(directory)
    if cluster is None:
        print(f"No embedded cluster runs in {directory}.")
        return
    cluster.stop()
    print(f"Stopped the embedded cluster in {directory}.")


def status(args: argparse.Namespace) -> None:
    """Print nodes, quotas, applications and pods."""
    writers: dict[str, Callable[[Row], None]] = {
        "table": _print_table,
        "json": lambda found: print(json.dumps(found, indent=2)),
        "yaml": lambda found: print(yaml.safe_dump(found, sort_keys=False), end=""),
    }
    if args.output not in writers:
        raise SystemExit(str(InvalidInput("--output", args.output, ", ".join(writers))))
    directory = Path(args.directory).expanduser().resolve()
    cluster = EmbeddedCluster.find(directory)
    if cluster is None:
        raise SystemExit(
            f"No embedded cluster runs in {directory}; `airflow priority-spark cluster start` starts one."
        )
    writers[args.output](overview(cluster))


def controllers(args: argparse.Namespace) -> None:
    """Run the SparkApplication controller and a kubelet against another API server, in the foreground."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(run_controllers(ControllersSettings.from_arguments(args)))
    except InvalidInput as error:
        raise SystemExit(str(error)) from error
    except ApiError as error:
        raise SystemExit(f"The controllers cannot work with this API server: {error.message}") from error


def overview(cluster: EmbeddedCluster) -> Row:
    """Return what ``status`` shows, as plain data."""
    pods = _items(cluster, "/api/v1/pods")
    quotas = _items(cluster, "/api/v1/resourcequotas")
    groups = _request(cluster, "/apis")["groups"]
    installed = any(group["name"] == "sparkoperator.k8s.io" for group in groups)
    applications = (
        _items(cluster, "/apis/sparkoperator.k8s.io/v1beta2/sparkapplications") if installed else []
    )
    return {
        "url": cluster.url,
        "pid": cluster.pid,
        "kubeconfig": str(cluster.kubeconfig),
        "nodes": [_node_row(node, pods) for node in _items(cluster, "/api/v1/nodes")],
        "quotas": [row for quota in quotas for row in _quota_rows(quota)],
        "applications": [_application_row(app) for app in applications],
        "pods": [_pod_row(pod) for pod in pods],
    }


def _request(cluster: EmbeddedCluster, path: str) -> Any:
    token = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]["token"]
    request = urllib.request.Request(cluster.url + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10, context=cluster.trust()) as answer:
        return json.load(answer)


def _items(cluster: EmbeddedCluster, path: str) -> list[Row]:
    items: list[Row] = _request(cluster, path)["items"]
    return items


def _node_row(node: Row, pods: list[Row]) -> Row:
    name, offered = node["metadata"]["name"], node["status"]["allocatable"]
    alive = [pod for pod in pods if pod["status"]["phase"] in ("Pending", "Running")]
    count = sum(pod["spec"].get("nodeName") == name for pod in alive)
    return {"name": name, "cpu": offered["cpu"], "memory": offered["memory"], "pods": count}


def _quota_rows(quota: Row) -> list[Row]:
    metadata, counted = quota["metadata"], quota.get("status", {})
    names = {"namespace": metadata["namespace"], "quota": metadata["name"]}
    return [
        {**names, "resource": resource, "used": counted["used"][resource], "hard": hard}
        for resource, hard in counted.get("hard", {}).items()
    ]


def _application_row(app: Row) -> Row:
    metadata, found = app["metadata"], app.get("status", {})
    state = found.get("applicationState", {})
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "state": state.get("state", ""),
        "attempts": found.get("executionAttempts", 0),
        "message": state.get("errorMessage", ""),
    }


def _pod_row(pod: Row) -> Row:
    metadata = pod["metadata"]
    node = pod["spec"].get("nodeName", "")
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "phase": pod["status"]["phase"],
        "node": node,
    }


def _print_table(found: Row) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"{found['url']} (pid {found['pid']}), KUBECONFIG={found['kubeconfig']}", soft_wrap=True)
    for part, title in _TITLES.items():
        rows = found[part]
        table = Table(title=f"{title}: {len(rows)}", title_justify="left")
        for column in rows[0] if rows else ():
            table.add_column(column)
        for row in rows:
            table.add_row(*map(str, row.values()))
        console.print(table if rows else f"{title}: none")
