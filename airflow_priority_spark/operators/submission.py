# SPDX-License-Identifier: Apache-2.0
"""Creates the SparkApplication, once.

A worker may die, or its connection may break, after the API server has created the application and
before the worker knows. The name is therefore the same for every attempt of one admission: creating
again answers 409, and the labels tell whether the object is the one we made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from airflow_priority_spark.cluster.applications import ApplicationView, application, get_application
from airflow_priority_spark.cluster.connections import ClusterConnection
from airflow_priority_spark.cluster.kinds import SPARK_APPLICATIONS
from airflow_priority_spark.cluster.transport import Refused, explain, request_json
from airflow_priority_spark.errors import (
    ClusterUnavailable,
    InvalidInput,
    InvalidManifest,
    PrioritySparkError,
)
from airflow_priority_spark.operators.application import LABEL_CLEAR, LABEL_FINISHED
from airflow_priority_spark.spark.identity import belongs_to
from airflow_priority_spark.spark.states import COMPLETED, is_quota_refusal, quota_refusal

log = logging.getLogger(__name__)

#: Pauses, in seconds, before the creation is tried again when the API server does not answer.
RETRY_SECONDS: Final = (1.0, 3.0, 9.0)
_SERVER_BUSY: Final = (429, 500, 502, 503, 504)


class StaleQuotaError(PrioritySparkError):
    """The room that was promised is not there: the API server refuses the application for its quota."""


def create_application(
    connection: ClusterConnection,
    body: Mapping[str, Any],
    labels: Mapping[str, str],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> ApplicationView:
    """Create the application, or take it up when an earlier try already has.

    :param body: a prepared SparkApplication.
    :param labels: what tells that an existing application of this name is ours.
    :raises StaleQuotaError: refused for a quota.
    :raises InvalidInput: no such namespace, or a manifest the API server refuses.
    :raises CustomResourceMissing, PermissionMissing, ClusterUnavailable: as for every request.
    """
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    for pause in (*RETRY_SECONDS, None):
        try:
            return application(
                request_json(connection, "POST", SPARK_APPLICATIONS.path(namespace), body=body)
            )
        except Refused as refused:
            if refused.code == 409:
                return _take_up(connection, namespace, name, labels)
            if refused.code not in _SERVER_BUSY or pause is None:
                raise _explain(connection, refused, namespace, name) from refused
            log.warning("%s answers %s; trying again in %g s", connection, refused, pause)
        except ClusterUnavailable as error:
            if pause is None:
                raise
            log.warning("%s; trying again in %g s", error, pause)
        sleep(pause)
    raise AssertionError("the last try returns or raises")


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Applications that earlier attempts of a task have left.

    :param ours: the one an attempt that got lost was following; it is gone on with.
    :param outdated: living ones of before the task was cleared; nobody follows them any more.
    """

    ours: ApplicationView | None
    outdated: tuple[ApplicationView, ...]


def find_leftovers(
    connection: ClusterConnection, namespace: str, labels: Mapping[str, str], clear_number: int
) -> Leftovers:
    """Look for what earlier attempts of a task have left.

    A clear, a retry and a crash look alike to a worker: a new attempt. What differs is what they leave. A
    person's clear grows the run's number; an attempt that ended has deleted its application or labelled it
    as finished; one that got lost has left it as it was, still running or completed.

    :param labels: of the task.
    :param clear_number: of the DAG run, now.
    :raises CustomResourceMissing, PermissionMissing, ClusterUnavailable: as for every request.
    """
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    path = SPARK_APPLICATIONS.path(namespace)
    try:
        found = request_json(connection, "GET", path, query={"labelSelector": selector})
    except Refused as refused:
        raise explain(connection, refused, "list", SPARK_APPLICATIONS, namespace) from refused
    views = [application(item) for item in found.get("items") or ()]
    open_ones = [view for view in views if not view.deleting and LABEL_FINISHED not in view.labels]
    ours = [view for view in open_ones if view.labels.get(LABEL_CLEAR, "0") == str(clear_number)]
    living = [view for view in ours if not view.terminal]
    completed = [view for view in ours if view.state == COMPLETED]
    return Leftovers(
        ours=next(iter(living or completed), None),
        outdated=tuple(view for view in open_ones if view not in ours and not view.terminal),
    )


def find_lost(
    connection: ClusterConnection,
    namespace: str,
    name: str,
    labels: Mapping[str, str],
    task_log: logging.Logger,
) -> ApplicationView | None:
    """Return the application of an attempt whose scheduler died; ``None`` when it is gone or going.

    :param labels: what tells that it is ours.
    :raises PermissionMissing, ClusterUnavailable: as for every request.
    """
    view = get_application(connection, namespace, name)
    if view is None or view.deleting or not belongs_to(view.labels, labels):
        task_log.warning("SparkApplication %s of the lost attempt is gone", name)
        return None
    task_log.info("Going on with SparkApplication %s of the lost attempt", name)
    return view


def _take_up(
    connection: ClusterConnection, namespace: str, name: str, labels: Mapping[str, str]
) -> ApplicationView:
    view = get_application(connection, namespace, name)
    where = f"SparkApplication {namespace}/{name}"
    if view is None:
        raise ClusterUnavailable(f"{where} existed a moment ago and is gone; nothing was created")
    if not belongs_to(view.labels, labels):
        raise PrioritySparkError(
            f"{where} exists already and is not this job's: its labels are {dict(view.labels)}, "
            f"this job's are {dict(labels)}. It was left alone; delete it if nobody needs it."
        )
    if view.deleting:
        raise ClusterUnavailable(f"{where} of an earlier try is still being deleted; nothing was created")
    log.info("%s exists already: an earlier try of this admission created it", where)
    return view


def _explain(
    connection: ClusterConnection, refused: Refused, namespace: str, name: str
) -> PrioritySparkError:
    if is_quota_refusal(refused.message):
        return StaleQuotaError(quota_refusal(refused.message))
    if refused.code == 404 and "namespaces " in refused.message:
        return InvalidInput("namespace", namespace, f"a namespace that exists in {connection}")
    if refused.code in (400, 422):
        return InvalidManifest("manifest", name, f'what the API server accepts; it says "{refused.message}"')
    return explain(connection, refused, "create", SPARK_APPLICATIONS, namespace)
