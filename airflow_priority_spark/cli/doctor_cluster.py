# SPDX-License-Identifier: Apache-2.0
"""The doctor's look at a cluster, with the credentials of the connection that jobs name.

Nothing is written to the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from email.utils import parsedate_to_datetime
from typing import Final

from airflow_priority_spark.cli.doctor_findings import Finding, clock
from airflow_priority_spark.cli.doctor_rights import BOTH, Asked, rights
from airflow_priority_spark.cluster.connections import ClusterConnection, identify, resolve
from airflow_priority_spark.cluster.kinds import NAMESPACES, RESOURCE_QUOTAS, SPARK_APPLICATIONS
from airflow_priority_spark.cluster.transport import Refused, explain, open_response, request_json
from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.spark.request import ConnectionRef

#: The Date header has whole seconds.
_CLOCK_WARNING_SECONDS: Final = 3.0
_CLOCK_PROBLEM_SECONDS: Final = 30.0


def look_at(
    ref: ConnectionRef,
    known_id: str | None,
    namespaces: Collection[str],
    declared: Collection[str],
    asked: Collection[Asked] = BOTH,
) -> Iterator[Finding]:
    """Look at the cluster that a connection leads to.

    :param known_id: the cluster it led to before, ``None`` when it was never used.
    :param namespaces: of its queues.
    :param declared: those of them whose queue declares a capacity of its own.
    :param asked: whose rights to ask for.
    """
    name = ref.conn_id or ref.config_file or "default"
    try:
        connection = resolve(ref)
    except PrioritySparkError as error:
        yield Finding("cluster", name, "problem", str(error), "Correct the Airflow connection.")
        return
    try:
        yield _identity(connection, name, known_id)
        checks: tuple[Callable[[], Iterable[Finding]], ...] = (
            lambda: [_clock(connection, name)],
            lambda: [_definition(connection, name)],
            lambda: (found for whose in asked for found in rights(connection, whose, namespaces)),
            lambda: (_quota(connection, item, item in declared) for item in sorted(namespaces)),
        )
        for check in checks:
            yield from check()
    except PrioritySparkError as error:
        yield Finding("cluster", name, "problem", str(error), "Mend this first; the rest was not looked at.")
    finally:
        connection.close()


def _identity(connection: ClusterConnection, name: str, known_id: str | None) -> Finding:
    found = identify(connection)
    if known_id is not None and found != known_id:
        return Finding(
            "cluster",
            name,
            "warning",
            f"{connection} is cluster {found}, it was {known_id} when it was last used",
            "If the cluster was replaced, nothing; else correct the Airflow connection.",
        )
    return Finding("cluster", name, "ok", f"{connection} answers, cluster {found}")


def _clock(connection: ClusterConnection, name: str) -> Finding:
    began = time.time()
    try:
        response = open_response(connection, "GET", "/version")
    except Refused as refused:
        raise explain(connection, refused, "get", NAMESPACES) from refused
    middle = (began + time.time()) / 2
    response.close()
    date = response.headers.get("Date", "")
    if not date:
        found, mend = "the API server sends no Date header", "Look at a clock of the cluster yourself."
        return Finding("clock", name, "warning", found, mend)
    # Whole seconds, cut: half a second more is the best guess.
    theirs = parsedate_to_datetime(date).timestamp() + 0.5
    return clock(
        f"API server of {name}",
        theirs - middle,
        warn_at=_CLOCK_WARNING_SECONDS,
        problem_at=_CLOCK_PROBLEM_SECONDS,
        mend="Let NTP keep the clocks of this host and of the cluster: ages and grace periods of pods are "
        "compared with ours.",
    )


def _definition(connection: ClusterConnection, name: str) -> Finding:
    """Ask discovery, which every user may."""
    path = f"/apis/{SPARK_APPLICATIONS.group}/{SPARK_APPLICATIONS.version}"
    try:
        served = request_json(connection, "GET", path).get("resources") or ()
    except Refused as refused:
        if refused.code != 404:
            raise explain(connection, refused, "list", SPARK_APPLICATIONS) from refused
        served = ()
    if any(item.get("name") == SPARK_APPLICATIONS.plural for item in served):
        return Finding("crd", name, "ok", f"{SPARK_APPLICATIONS.resource} is served")
    found = f"{SPARK_APPLICATIONS.resource} is not served by {connection}"
    return Finding("crd", name, "problem", found, "Install the Kubeflow Spark operator with its CRDs.")


def _quota(connection: ClusterConnection, namespace: str, declared: bool) -> Finding:
    try:
        found = request_json(connection, "GET", RESOURCE_QUOTAS.path(namespace)).get("items") or ()
    except Refused as refused:
        error = explain(connection, refused, "list", RESOURCE_QUOTAS, namespace)
        return Finding("quota", namespace, "problem", str(error), "Mend the permission.")
    unseen = [quota["metadata"]["name"] for quota in found if not (quota.get("status") or {}).get("hard")]
    if unseen:
        return Finding(
            "quota",
            namespace,
            "problem",
            f"quota {', '.join(unseen)} has no status: the quota controller has not seen it",
            "Check that the cluster's kube-controller-manager runs.",
        )
    if found:
        names = ", ".join(quota["metadata"]["name"] for quota in found)
        return Finding("quota", namespace, "ok", f"bounded by {names}")
    if declared:
        return Finding("quota", namespace, "ok", "no ResourceQuota; the queue declares its capacity")
    return Finding(
        "quota",
        namespace,
        "warning",
        "neither a ResourceQuota nor a declared capacity: only nodes bound this queue",
        f"Create a ResourceQuota in namespace {namespace}, or declare the queue's capacity with "
        "airflow priority-spark apply.",
    )
