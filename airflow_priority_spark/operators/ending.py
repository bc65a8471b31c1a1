# SPDX-License-Identifier: Apache-2.0
"""How an application came to its end, and what is left of it.

An application that has ended by itself may be kept, for a look at it; then it is labelled, so that a task
that is cleared next week does not take it for its own. One that was given up (it took too long, or starved)
still runs and holds room, so it is always deleted. Whatever goes wrong here is said, and never hides how
the job ended.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from airflow_priority_spark.errors import PrioritySparkError
from airflow_priority_spark.operators.application import LABEL_FINISHED
from airflow_priority_spark.spark.request import ConnectionRef
from airflow_priority_spark.spark.states import is_quota_refusal

if TYPE_CHECKING:
    from airflow_priority_spark.cluster.connections import ClusterConnection


@dataclass(frozen=True, slots=True)
class End:
    """What ``SparkApplicationTrigger`` fired.

    :param status: ``completed``, ``failed``, ``vanished``, ``timed_out`` or ``starved``.
    :param message: the trigger's words, or the quota that refused it.
    :param action: what is done about a starved job.
    :param error: the Spark operator's words. They may quote what it was given, so no event carries them:
        the worker reads them.
    """

    connection: Mapping[str, Any]
    status: str
    namespace: str
    name: str
    uid: str
    state: str = ""
    message: str = ""
    driver_pod: str = ""
    application_id: str = ""
    executor_failures: str = ""
    job_id: str = ""
    admission: int = 0
    action: str = ""
    error: str = ""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> End:
        """Read an event; keys of a newer trigger are ignored."""
        return cls(**{item.name: event[item.name] for item in fields(cls) if item.name in event})

    def with_error(self, connection: ClusterConnection) -> End:
        """Add what the Spark operator says of an application without success, if that can be read."""
        from airflow_priority_spark.cluster.applications import get_application

        if self.status in ("completed", "vanished"):
            return self
        with suppress(PrioritySparkError):
            view = get_application(connection, self.namespace, self.name)
            if view is not None and view.uid == self.uid:
                return replace(self, error=view.error)
        return self

    @property
    def where(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    @property
    def ref(self) -> ConnectionRef:
        """The way to the cluster the application was created in."""
        return ConnectionRef.from_json(self.connection)

    @property
    def by_itself(self) -> bool:
        """It has ended; nobody had to give it up."""
        return self.status in ("completed", "failed")

    def way_back(self) -> str:
        """Say why the job returns to the queue; empty when it does not."""
        if self.status == "failed" and is_quota_refusal(self.message):
            return f"stale quota: {self.message}"
        if self.status == "starved" and self.action == "requeue":
            return f"starved: SparkApplication {self.name} {self.message}"
        return ""

    def sentence(self, driver_end: str) -> str:
        """Say how an application without success has ended.

        :param driver_end: what is known of the driver's container.
        """
        if self.status == "vanished":
            return f"{self.message} before it had ended; nobody told this task why."
        what = f"ended as {self.state}" if self.by_itself else self.message
        said = self.error or (self.message if self.by_itself else "")
        parts = [f"SparkApplication {self.where} {what}", driver_end, said, self.executor_failures]
        return "; ".join(part for part in parts if part)


def kept_because(
    end: End, *, delete_on_termination: bool, keep_on_failure: bool, handed_over: bool = False
) -> str:
    """Return the option that keeps an ended application, empty when it is deleted.

    :param handed_over: other tasks are told of an application that completed.
    """
    if not end.by_itself:
        return ""
    if not delete_on_termination:
        return "delete_on_termination"
    if end.status == "failed":
        return "keep_on_failure" if keep_on_failure else ""
    return "do_xcom_push" if handed_over else ""


def keep(connection: ClusterConnection, end: End, option: str, log: logging.Logger) -> None:
    """Leave an application where it is, labelled as finished."""
    from airflow_priority_spark.cluster.applications import label_application

    log.info("SparkApplication %s is kept (%s)", end.where, option)
    try:
        label_application(connection, end.namespace, end.name, end.uid, {LABEL_FINISHED: end.status})
    except PrioritySparkError as error:
        log.warning("SparkApplication %s could not be labelled as finished: %s", end.where, error)


def remove(
    connection: ClusterConnection,
    namespace: str,
    name: str,
    uid: str,
    log: logging.Logger,
    *,
    read_seconds: float = 30.0,
) -> None:
    """Delete the application with this UID; a failure to do so is told.

    :param read_seconds: longest silence of the API server.
    """
    from airflow_priority_spark.cluster.applications import delete_application

    try:
        result = delete_application(connection, namespace, name, uid, read_seconds=read_seconds)
    except PrioritySparkError as error:
        log.warning("SparkApplication %s/%s could not be deleted: %s", namespace, name, error)
    else:
        log.info("SparkApplication %s/%s: deletion %s", namespace, name, result)
