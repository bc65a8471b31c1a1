# SPDX-License-Identifier: Apache-2.0
"""Pause pods that keep the room of a job's pods until these come.

An autoscaler adds nodes for pods that exist, and only a pod keeps other jobs of ours from a node. A
placeholder is as large as the pod it stands for and may run where that one may; it lies in a namespace of
the arbiter's, so that it uses no quota of the job's, and has a negative priority, so that the scheduler
moves it out of the way of any ordinary pod. Its labels say whose it is: whoever comes after a crash finds
it by them, and its name follows from the job, so that it is never made twice.

Source of the bounds of the priority: cluster-autoscaler ignores pods below
``--expendable-pods-priority-cutoff`` (default -10),
https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md; 0 is what pods without a
class have.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.kinds import PODS
from airflow_priority_spark.cluster.pod_bodies import container, where
from airflow_priority_spark.cluster.transport import Refused, explain, request_json
from airflow_priority_spark.errors import Conflict
from airflow_priority_spark.scheduling.model import Demand, PodSet
from airflow_priority_spark.spark.identity import LABEL_INSTANCE, LABEL_PLACEHOLDER_FOR, LABEL_POD_SET

LOWEST_PRIORITY: Final = -10
HIGHEST_PRIORITY: Final = -1
_READ_SECONDS: Final = 5.0


class Make(NamedTuple):
    """How this site makes placeholders.

    :param instance_id: of this Airflow installation.
    """

    instance_id: str
    namespace: str
    priority_class: str
    image: str


def placeholder_name(job_id: str, pod_set: str, index: int) -> str:
    """Return the name of the placeholder for one pod: the same whoever makes it."""
    short = hashlib.sha256(job_id.encode()).hexdigest()[:12]
    return f"priority-spark-placeholder-{short}-{pod_set}-{index}"


def create_placeholder(
    connection: ClusterConnection, make: Make, job_id: str, demand: Demand, pods: PodSet, index: int
) -> bool:
    """Make the placeholder for one pod of a job.

    :param index: of the pod in its set, from 0.
    :return: false when it is there already.
    :raises Conflict: its priority class has a value with which it would not work; nothing is left behind.
    :raises PermissionMissing, ClusterUnavailable: as for every request; safe to repeat.
    """
    name = placeholder_name(job_id, pods.name, index)
    body = _body(make, name, job_id, demand, pods)
    try:
        made = request_json(
            connection, "POST", PODS.path(make.namespace), body=body, read_seconds=_READ_SECONDS
        )
    except Refused as refused:
        if refused.code == 409:
            return False
        raise explain(connection, refused, "create", PODS, make.namespace) from refused
    priority = int((made.get("spec") or {}).get("priority") or 0)
    if not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        delete_placeholder(connection, make.namespace, name)
        raise Conflict(
            f"priority class {make.priority_class} has the value {priority}; "
            f"placeholders need one from {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}"
        )
    return True


def _body(make: Make, name: str, job_id: str, demand: Demand, pods: PodSet) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": make.namespace,
            "labels": {
                LABEL_INSTANCE: make.instance_id,
                LABEL_PLACEHOLDER_FOR: job_id,
                LABEL_POD_SET: pods.name,
            },
        },
        "spec": {
            "containers": [container(pods, "pause", make.image)],
            "priorityClassName": make.priority_class,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **where(pods, demand, job_id),
        },
    }


def delete_placeholder(connection: ClusterConnection, namespace: str, name: str) -> None:
    """Take a placeholder away; one that is gone is fine.

    :raises PermissionMissing, ClusterUnavailable: as for every request; safe to repeat.
    """
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
    try:
        request_json(
            connection, "DELETE", PODS.path(namespace, name), body=options, read_seconds=_READ_SECONDS
        )
    except Refused as refused:
        if refused.code != 404:
            raise explain(connection, refused, "delete", PODS, namespace, name) from refused
