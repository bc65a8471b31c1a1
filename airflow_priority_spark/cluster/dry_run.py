# SPDX-License-Identifier: Apache-2.0
"""Asking the API server whether it would let a pod in.

Quotas and limit ranges are counted without asking. But a webhook may refuse or enlarge pods for reasons
of its own, and only the admission chain itself knows. ``dryRun=All`` takes a pod through all of it and
stores nothing.

One pod is asked about at a time, so an answer is about one pod and not about the job. A chain that cannot
be asked leaves it open: a webhook without support for dry runs, or a right that is not granted, says
nothing about the pod.

Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run; the refusal of a webhook
with side effects is ``NewDryRunUnsupportedErr`` in ``k8s.io/apiserver
pkg/admission/plugin/webhook/errors/statuserror.go``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.kinds import PODS
from airflow_priority_spark.cluster.pod_bodies import container
from airflow_priority_spark.cluster.transport import Refused, explain, request_json
from airflow_priority_spark.scheduling.model import PodSet

#: Longest silence of the API server; webhooks may take up to 30 s, which no cycle waits for.
READ_SECONDS: Final = 5.0
_NO_DRY_RUN: Final = "does not support dry run"
_NO_WEBHOOK: Final = "failed calling webhook"
#: The authorizer's words; admission plugins say "forbidden" without naming a user.
_NO_RIGHT: Final = re.compile(r'is forbidden: User "')
_FORBIDDEN: Final = re.compile(r'^pods "[^"]*" is forbidden: ')


class Answer(NamedTuple):
    """What the admission chain said; nothing at all when it would let the pod in.

    :param refused: its sentence when it would refuse the pod.
    :param unknown: why it cannot be asked.
    """

    refused: str = ""
    unknown: str = ""


def ask(
    connection: ClusterConnection, namespace: str, pods: PodSet, *, read_seconds: float = READ_SECONDS
) -> Answer:
    """Ask about one pod of a set.

    :raises ClusterUnavailable: when there is no answer this time; safe to repeat.
    """
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"priority-spark-dry-run-{pods.name}", "labels": {"spark-role": pods.name}},
        "spec": {
            "containers": [container(pods, f"spark-kubernetes-{pods.name}", "spark")],
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "nodeSelector": dict(pods.node_selector),
            **({"priorityClassName": pods.scope.priority_class} if pods.scope.priority_class else {}),
            **({"activeDeadlineSeconds": 1} if pods.scope.deadline else {}),
        },
    }
    try:
        request_json(
            connection, "POST", PODS.path(namespace) + "?dryRun=All", body=body, read_seconds=read_seconds
        )
    except Refused as refused:
        return _read(connection, namespace, refused)
    return Answer()


def _read(connection: ClusterConnection, namespace: str, refused: Refused) -> Answer:
    if _NO_DRY_RUN in refused.message:
        return Answer(unknown=refused.message)
    error = explain(connection, refused, "create", PODS, namespace)
    if refused.code == 403 and _NO_RIGHT.search(refused.message):
        return Answer(unknown=str(error))
    # A webhook that cannot be reached would refuse the real pod in the same way.
    if refused.code in (400, 403, 422) or _NO_WEBHOOK in refused.message:
        return Answer(refused=_FORBIDDEN.sub("", refused.message))
    raise error from refused
